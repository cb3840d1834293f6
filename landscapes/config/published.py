"""Other ways to type a setting: the published spelling of Rahn, D'Oro et al. (2023), and keys without `experiment.`

Knows which key is meant by which; this is the only place that knows the published names. Composes nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import closest

PREFIX = "experiment."

ALGORITHM_ALIASES = MappingProxyType({"ddpg": "td3"})
"""Published names of algorithms."""

_JAXRL = {
    "env_name": "env",
    "max_steps": "steps",
    "reset_interval": "episode_length",
    "agent_log_starts": "checkpoints",
    "agent_log_step": "checkpoint_spacing",
    "agent_num_logs": "checkpoint_burst",
}
_OFF_POLICY = {**_JAXRL, "start_training": "learning_starts", "replay_buffer_size": "replay_capacity"}

KEYS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "train": _JAXRL,
        "train_td3": {
            **_OFF_POLICY,
            "ddpg_config.actor_lr": "actor_lr",
            "ddpg_config.critic_lr": "critic_lr",
            "ddpg_config.hidden_dims": "hidden_dims",
            "ddpg_config.final_fc_init_scale": "final_fc_init_scale",
            "ddpg_config.discount": "gamma",
            "ddpg_config.tau": "tau",
            "ddpg_config.target_update_period": "policy_delay",
            "ddpg_config.policy_noise": "target_policy_noise",
            "ddpg_config.noise_clip": "target_noise_clip",
            "ddpg_config.exploration_noise": "exploration_noise",
        },
        "train_sac": {
            **_OFF_POLICY,
            "sac_config.actor_lr": "actor_lr",
            "sac_config.critic_lr": "critic_lr",
            "sac_config.temp_lr": "temperature_lr",
            "sac_config.hidden_dims": "hidden_dims",
            "sac_config.final_fc_init_scale": "final_fc_init_scale",
            "sac_config.discount": "gamma",
            "sac_config.tau": "tau",
            "sac_config.target_entropy": "target_entropy",
            "sac_config.init_temperature": "initial_temperature",
        },
        "train_ppo": {
            "env_id": "env",
            "total_timesteps": "steps",
            "reset_interval": "episode_length",
            "agent_num_logs": "checkpoints",
            "num_steps": "unroll_length",
            "clip_coef": "clip_eps",
            "update_epochs": "num_epochs",
        },
        "policy_variance": {"run": "run_name", "checkpoints": "ckpt_indexes", "num_samples": "eval_episodes"},
        "policy_interpolation_seed": {"run": "run_name", "checkpoints": "ckpt_indexes"},
        "landscape_slice": {"run": "run_name"},
    }
)
"""Below `experiment.`, by experiment: another key, and the one that it stands for. Of trainings the other ones are the
published ones; of studies, which keep the published keys, those that all new studies have."""

ROOT = "root"
"""The key that names a stored policy at once, as RUN/SEED/STEP."""

_ROOT_KEYS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "neighborhood": ("run", "seeds=[{}]", "checkpoints=[{}]"),
        "policy_variance": ("run_name", "seed", "ckpt_indexes=[{}]"),
        "landscape_slice": ("run_name", "seed", "ckpt"),
    }
)
_ROOT_GROUP = ("root_policy_conf.run_name", "root_policy_conf.seed", "root_policy_conf.ckpt")
"""What it stands for in experiments that begin at a stored policy."""

_CHOOSING = ("algo", "algorithm")
"""Keys that choose an algorithm, and with it the experiment."""

_PUBLISHED = "train_jaxrl"
"""The published experiment that trains whichever algorithm `algo` names."""

_DEFAULTS = MappingProxyType(
    {"run_algorithm": "train_td3", "eval_policy": "policy_variance", "improve_ltp": "td3_reject_ltp"}
)
"""The experiment of each entry point where none is chosen."""


@dataclass
class Spelled:
    """Arguments as Hydra composes them, and how those were typed that were typed otherwise."""

    overrides: list[str]
    typed: dict[str, str] = field(default_factory=dict)
    """The key as typed, by the one that stands for it."""
    whole: dict[str, str] = field(default_factory=dict)
    """The value as typed, by keys that take only a part of it."""

    def add(self, sign: str, inner: str, typed: str, value: str | None) -> None:
        """One argument more for the key `inner` below `experiment.`; raises UserError where it has been typed as
        another key already."""
        key = f"{PREFIX}{inner}"
        before = self.typed.setdefault(key, typed)
        if before != typed:
            raise UserError(typed, value, f"is {before} in another spelling, which is given too; give one of them")
        self.overrides.append(f"{sign}{key}" + ("" if value is None else f"={value}"))

    def error(self, error: UserError) -> UserError:
        """The same error with the keys as typed."""
        allowed = error.allowed
        for key, typed in sorted(self.typed.items(), key=lambda pair: -len(pair[0])):
            allowed = _replaced(allowed, key, typed)
        return UserError(self.typed.get(error.key, error.key), self.whole.get(error.key, error.value), allowed)

    @contextmanager
    def errors_as_typed(self) -> Iterator[None]:
        """Errors raised inside are raised with the keys as typed."""
        try:
            yield
        except UserError as error:
            raise self.error(error) from error


def spell(
    entry_point: str, overrides: Sequence[str], shared: Sequence[str], is_group: Callable[[str], bool]
) -> Spelled:
    """The arguments of one job in the spelling that is composed.

    Args: shared: keys beside `experiment`; is_group: whether Hydra knows a key as a group of files. Raises UserError
    where one setting is typed in two ways, and for an algorithm that does not fit the experiment.
    """
    arguments = [_split(text) for text in overrides]
    trains = entry_point == "run_algorithm"
    choice = _last(arguments, "experiment")
    experiment = _experiment(arguments, choice) if trains else choice
    names = KEYS.get(experiment or _DEFAULTS[entry_point], {})
    spelled = Spelled([])
    if experiment != choice:
        spelled.overrides.append(f"experiment={experiment}")
    for text, sign, key, value in arguments:
        if key == "experiment" and experiment != choice:
            continue
        if key in ("experiment", *shared) or key.split(".")[0] in ("hydra", *shared) or "@" in key or is_group(key):
            spelled.overrides.append(text)
            continue
        inner = key.removeprefix(PREFIX)
        if trains and inner in _CHOOSING and experiment != "train":
            continue
        if trains and choice in (None, _PUBLISHED) and _of_another(inner, names):
            continue  # as published: settings of both algorithms stand side by side, and one of them is trained
        if inner == ROOT:
            for meant, part in _root(key, value, _ROOT_KEYS.get(experiment or _DEFAULTS[entry_point], _ROOT_GROUP)):
                spelled.add("", meant, key, part)
                spelled.whole[f"{PREFIX}{meant}"] = value
            continue
        sign, meant = _meant(sign, inner, names, experiment)
        spelled.add(sign, meant, key, value if "=" in text else None)
    spelled.typed = {meant: typed for meant, typed in spelled.typed.items() if meant != typed}
    return spelled


def _experiment(arguments: Sequence[tuple[str, str, str, str]], choice: str | None) -> str | None:
    """The experiment that trains what is asked for."""
    key = next((key for _, _, key, _ in arguments if key.removeprefix(PREFIX) in _CHOOSING), None)
    asked = None if key is None else _last(arguments, key)
    if asked is None:
        return _DEFAULTS["run_algorithm"] if choice == _PUBLISHED else choice
    assert key is not None
    algorithm = ALGORITHM_ALIASES.get(asked, asked)
    if algorithm not in ALGORITHMS and "." not in algorithm:
        names = [*ALGORITHMS, *ALGORITHM_ALIASES]
        raise UserError(key, asked, f"no such algorithm; {closest(asked, names)} A make of your own has a dotted path")
    experiment = f"train_{algorithm}" if algorithm in ALGORITHMS else "train"
    if choice not in (None, _PUBLISHED, experiment):
        raise UserError(key, asked, f"experiment={choice} is given too, which chooses the algorithm; give one of them")
    return experiment


def _meant(sign: str, inner: str, names: Mapping[str, str], experiment: str | None) -> tuple[str, str]:
    if experiment == "train" and inner in _CHOOSING:
        return sign, "algorithm"
    if experiment == "train" and inner.startswith("algo_config."):
        return "+", inner.removeprefix("algo_config.")
    return sign, names.get(inner, inner)


def _root(key: str, value: str, keys: tuple[str, str, str]) -> Iterator[tuple[str, str]]:
    """What RUN/SEED/STEP says, by key."""
    parts = value.strip("'\"").rsplit("/", 2)
    if len(parts) != 3 or not parts[0] or not all(part.isdecimal() for part in parts[1:]):
        raise UserError(key, value, "must be RUN/SEED/STEP, as in hopper/0/200000: a run, a seed of it, a checkpoint")
    run, *numbers = parts
    quoted = f"\"'{run}'\"" if run.replace("_", "").isdecimal() else run
    for name, part in zip(keys, (quoted, *numbers), strict=True):
        inner, _, template = name.partition("=")
        yield inner, template.format(part) if template else part


def _of_another(inner: str, names: Mapping[str, str]) -> bool:
    return inner not in names and "." in inner and any(inner in others for others in KEYS.values())


def _split(text: str) -> tuple[str, str, str, str]:
    """The argument, its sign (`+`, `++`, `~` or none), its key and its value."""
    key, _, value = text.partition("=")
    bare = key.lstrip("+~")
    return text, key[: len(key) - len(bare)], bare, value


def _last(arguments: Sequence[tuple[str, str, str, str]], key: str) -> str | None:
    found = [value.strip("'\"") for _, sign, name, value in arguments if name == key and sign != "~"]
    return found[-1] if found else None


def _replaced(text: str, key: str, typed: str) -> str:
    """`text` with the whole word `key` replaced."""
    parts = text.split(key)
    joined = parts[0]
    for part in parts[1:]:
        inside = part[:1].isalnum() or (part[:1] in ("_", ".") and part[1:2].isalnum())
        joined += (key if inside else typed) + part
    return joined


def takes_root(experiment: str, keys: Collection[str]) -> bool:
    """Whether an experiment with those keys begins at, or is of, a stored policy that `root` may name."""
    return experiment in _ROOT_KEYS or _ROOT_GROUP[0] in keys


def is_published_experiment(name: str | None) -> bool:
    """Whether it is a name that another experiment stands for."""
    return name == _PUBLISHED
