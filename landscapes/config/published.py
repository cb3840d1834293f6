"""Other ways to type a setting: the published spelling of Rahn, D'Oro et al. (2023), and keys without `experiment.`

Knows which key is meant by which, and Hydra's grammar; no other place knows the published names. Composes nothing.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from landscapes.commands import setting
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import closest, shown

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
_VARIANCE = {"run": "run_name", "checkpoints": "ckpt_indexes", "num_samples": "eval_episodes"}
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
        "policy_variance": _VARIANCE,
        "policy_variance_mujoco": _VARIANCE,
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
        "test": ("run", "seeds=[{}]", "checkpoints=[{}]"),
        "policy_variance": ("run_name", "seed", "ckpt_indexes=[{}]"),
        "policy_variance_mujoco": ("run_name", "seed", "ckpt_indexes=[{}]"),
        "landscape_slice": ("run_name", "seed", "ckpt"),
    }
)
_ROOT_GROUP = ("root_policy_conf.run_name", "root_policy_conf.seed", "root_policy_conf.ckpt")
"""What it stands for in experiments that begin at a stored policy."""

VALUES: Mapping[str, Mapping[str, tuple[str, Mapping[str, str]]]] = MappingProxyType(
    {
        "train_ppo": {
            "norm_adv": ("advantage_normalization", {"true": "minibatch", "false": "none"}),
            "anneal_lr": ("lr_schedule", {"true": "linear", "false": "constant"}),
        }
    }
)
"""Likewise, published switches: the key that stands for each, and the values."""

_CHOOSING = ("algo", "algorithm")
"""Keys that choose an algorithm, and with it the experiment."""

_PUBLISHED = "train_jaxrl"
"""The published experiment that trains whichever algorithm `algo` names."""

_DEFAULTS = MappingProxyType(
    {"run_algorithm": "train_td3", "eval_policy": "policy_variance", "improve_ltp": "td3_reject_ltp"}
)
"""The experiment of each entry point where none is chosen."""

_OF_OWN = "algo_config."
"""What keys begin with that are handed to an algorithm of the user's own."""

_GROUPS = frozenset(name.partition(".")[0] for names in KEYS.values() for name in names if "." in name) | {_OF_OWN[:-1]}

_OURS = frozenset(f"train_{algorithm}" for algorithm in ALGORITHMS)


@dataclass
class Spelled:
    """Arguments as Hydra composes them, and how those were typed that were typed otherwise."""

    overrides: list[str]
    typed: dict[str, str] = field(default_factory=dict)
    """The key as typed, by the one that stands for it."""
    whole: dict[str, str] = field(default_factory=dict)
    """The value as typed, by keys that take only a part of it."""

    @property
    def name_template(self) -> str | None:
        """The name that was asked for, where it is made of settings; None where it is not."""
        asked = [text.partition("=")[2] for text in self.overrides if text.startswith("run_name=")]
        return asked[-1] if asked and "${" in asked[-1] else None

    def note(self, inner: str, typed: str, value: str) -> None:
        """That the key `inner` below `experiment.` was typed as `typed`; raises UserError where it has been typed as
        another one already."""
        before = self.typed.setdefault(f"{PREFIX}{inner}", typed)
        if before != typed:
            raise UserError(typed, value, f"is {before} in another spelling, which is given too; give one of them")

    def as_typed(self, text: str) -> str:
        """`text` with keys as typed."""
        for key, typed in sorted(self.typed.items(), key=lambda pair: -len(pair[0])):
            text = _replaced(text, key, typed)
        return text

    def error(self, error: UserError) -> UserError:
        """The same error with the keys as typed."""
        value = self.whole.get(error.key, error.value)
        return UserError(self.as_typed(error.key), value, self.as_typed(error.allowed))

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
    trains = entry_point == "run_algorithm"
    arguments = [each for text in overrides for each in (_spread(_split(text)) if trains else [_split(text)])]
    choice = _last(arguments, "experiment")
    experiment = _experiment(arguments, choice) if trains else choice
    names = KEYS.get(experiment or _DEFAULTS[entry_point], {})
    spelled = Spelled([])
    if experiment != choice:
        spelled.overrides.append(f"experiment={experiment}")
    for text, sign, key, value in arguments:
        if key == "experiment" and experiment != choice:
            continue
        if key == "run_name":
            spelled.overrides.append(_named_by(text, names, shared))
            continue
        if _is_beside(key, shared) or is_group(key):
            spelled.overrides.append(text)
            continue
        inner = key.removeprefix(PREFIX)
        if trains and inner.startswith(_OF_OWN) and (experiment or _DEFAULTS[entry_point]) in _OURS:
            raise UserError(key, value, "is read by an algorithm of your own only, given as a dotted path")
        if trains and choice in (None, _PUBLISHED) and _is_idle(inner, experiment):
            continue
        if inner in VALUES.get(experiment or "", {}):
            meant, value = _switched(key, value, VALUES[experiment or ""][inner])
            spelled.note(meant, key, value)
            spelled.overrides.append(f"{sign}{PREFIX}{meant}={value}")
            continue
        if inner == ROOT:
            for meant, part in _root(key, value, _ROOT_KEYS.get(experiment or _DEFAULTS[entry_point], _ROOT_GROUP)):
                spelled.note(meant, key, value)
                spelled.overrides.append(f"{PREFIX}{meant}={part}")
                spelled.whole[f"{PREFIX}{meant}"] = value
            continue
        meant = _meant(inner, names, trains)
        spelled.note(meant, key, value)
        if trains and inner in _CHOOSING and experiment in _OURS and sign != "~":
            continue  # the experiment says so already
        sign = "+" if trains and inner.startswith(_OF_OWN) else sign
        spelled.overrides.append(f"{sign}{PREFIX}{meant}" + (f"={value}" if "=" in text else ""))
    spelled.typed = {meant: typed for meant, typed in spelled.typed.items() if meant != typed}
    return spelled


def spelling_of(entry_point: str, experiment: str | None, keys: Iterable[str], shared: Sequence[str]) -> Spelled:
    """How those keys were typed, where nothing else is known of the arguments than the experiment they led to."""
    trains = entry_point == "run_algorithm"
    names = KEYS.get(experiment or _DEFAULTS[entry_point], {})
    own = [key for key in keys if key != "experiment" and not _is_beside(key, shared)]
    typed = {f"{PREFIX}{_meant(key.removeprefix(PREFIX), names, trains)}": key for key in own}
    return Spelled([], {meant: key for meant, key in typed.items() if meant != key})


def published_keys(entry_point: str, experiment: str | None) -> list[str]:
    """The published keys that may be typed for an experiment, in full."""
    return [f"{PREFIX}{name}" for name in KEYS.get(experiment or _DEFAULTS[entry_point], {})]


def _is_beside(key: str, shared: Sequence[str]) -> bool:
    """Whether it is no key of an experiment's own."""
    return "@" in key or key.startswith("hydra/") or key.split(".")[0] in ("hydra", *shared) or key == "experiment"


def _experiment(arguments: Sequence[tuple[str, str, str, str]], choice: str | None) -> str | None:
    """The experiment that trains what is asked for."""
    chosen = [key for _, sign, key, _ in arguments if key.removeprefix(PREFIX) in _CHOOSING and sign != "~"]
    key = chosen[0] if chosen else None
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
        raise UserError(
            key, asked, f"means experiment={experiment}, and experiment={choice} is given; give one of them"
        )
    return experiment


def _meant(inner: str, names: Mapping[str, str], trains: bool) -> str:
    if trains and inner in _CHOOSING:
        return "algorithm"
    return names.get(inner, inner.removeprefix(_OF_OWN) if trains else inner)


def _switched(key: str, value: str, stands_for: tuple[str, Mapping[str, str]]) -> tuple[str, str]:
    """The key and the value that a published switch stands for."""
    meant, values = stands_for
    if value.lower() not in values:
        raise UserError(key, value, f"must be {' or '.join(values)}")
    return meant, values[value.lower()]


def _named_by(text: str, names: Mapping[str, str], shared: Sequence[str]) -> str:
    """`run_name=walk_${env}` with the settings in it as they are composed."""

    def meant(found: re.Match[str]) -> str:
        inner = found[1].removeprefix(PREFIX)
        if inner.partition(".")[0] in shared:
            return f"${{{inner}}}"
        key = "algorithm" if inner in _CHOOSING else names.get(inner, inner)
        return f"${{{PREFIX}{key}}}"

    return re.sub(r"\$\\?\{([\w.]+)\\?\}", meant, text)  # Hydra escapes braces where it takes a sweep apart


def _root(key: str, value: str, keys: tuple[str, str, str]) -> Iterator[tuple[str, str]]:
    """What RUN/SEED/STEP says, by key."""
    parts = value.strip("'\"").rsplit("/", 2)
    in_words = parts[-1] in ("last", "best")
    if len(parts) != 3 or not parts[0] or not all(part.isdecimal() for part in parts[1 : 2 if in_words else 3]):
        told = "must be RUN/SEED/STEP, as in hopper/0/200000 or hopper/0/last: a run, a seed of it, a checkpoint"
        raise UserError(key, value, told)
    run, *numbers = parts
    keys = (*keys[:2], keys[2].replace("[{}]", "{}")) if in_words else keys
    quoted = f"\"'{run}'\"" if run.replace("_", "").isdecimal() else run
    for name, part in zip(keys, (quoted, *numbers), strict=True):
        inner, _, template = name.partition("=")
        yield inner, template.format(part) if template else part


def _is_idle(inner: str, experiment: str | None) -> bool:
    """Whether it is a published key that does nothing here: as published, the settings of all off-policy algorithms
    stand side by side, and one of them is trained, or one of the user's own, which has others."""
    if inner in KEYS.get(experiment or _DEFAULTS["run_algorithm"], {}):
        return False
    others = {name for names in KEYS.values() for name in names if "." in name}
    return inner in others or (experiment == "train" and inner in _OFF_POLICY)


def _spread(argument: tuple[str, str, str, str]) -> list[tuple[str, str, str, str]]:
    """The argument; of one that gives a whole published group as `{KEY: VALUE, ...}`, one for each key."""
    _, sign, key, value = argument
    if key.removeprefix(PREFIX) not in _GROUPS:
        return [argument]
    from hydra.core.override_parser.overrides_parser import OverridesParser  # not where only keys are completed

    given = OverridesParser.create().parse_override(f"group={value}").value()
    if not isinstance(given, dict):
        raise UserError(key, value, f"is a group of keys; set them one by one, as {key}.KEY=VALUE")
    words = {f"{key}.{name}": setting("", x) if isinstance(x, str) else f"={shown(x)}" for name, x in given.items()}
    return [(f"{sign}{name}{word}", sign, name, word[1:]) for name, word in words.items()]


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
