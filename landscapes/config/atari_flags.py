"""The flags of the published Atari scripts (Rahn, D'Oro et al., 2023, after CleanRL), and how they are read.

Knows names, defaults and meanings; what they come to is said in `landscapes.config.published_atari`. Flags of PPO are
its published keys with hyphens.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from landscapes.config.published import KEYS, PREFIX
from landscapes.errors import UserError
from landscapes.settings.fields import closest, shown

TRAIN = "ppo_atari_envpool"
PURD = "atari_policy_variance"
INTERPOLATE = "ppo_interpolate"
"""The scripts, by the names of their files."""


class Flag(NamedTuple):
    """How a flag is read, and what it is where nobody types it."""

    read: Callable[[str], Any]
    default: Any
    meaning: str
    many: bool = False


def _switch(text: str) -> bool:
    """As Python's strtobool."""
    on, off = ("y", "yes", "t", "true", "on", "1"), ("n", "no", "f", "false", "off", "0")
    if text.lower() not in on + off:
        raise ValueError
    return text.lower() in on


_KINDS = {int: "an integer", float: "a number", _switch: "true or false"}

_ANY: Mapping[str, Flag] = {
    "exp-name": Flag(str, None, "part of the name of a new run"),
    "seed": Flag(int, 1, "of everything random in the job: random_seed"),
    "torch-deterministic": Flag(_switch, True, "read and not needed: runs repeat bit for bit"),
    "cuda": Flag(_switch, True, "read and not needed: a GPU is used where JAX finds one"),
    "track": Flag(_switch, False, "log to wandb: use_wandb"),
    "wandb-project-name": Flag(str, None, "wandb.project_name"),
    "wandb-entity": Flag(str, None, "wandb.entity_name"),
    "capture-video": Flag(_switch, False, "true is refused: landscapes report --gif shows roll-outs"),
    "overwrite": Flag(_switch, False, "of this project: measures anew what was measured otherwise before"),
}

LEARNING: Mapping[str, Flag] = {
    "total-timesteps": Flag(int, 10_000_000, "environment steps"),
    "learning-rate": Flag(float, 2.5e-4, "of Adam"),
    "num-envs": Flag(int, 8, "games side by side"),
    "num-steps": Flag(int, 128, "of each game in an update"),
    "anneal-lr": Flag(_switch, True, "the learning rate falls to 0"),
    "gamma": Flag(float, 0.99, "discount"),
    "gae-lambda": Flag(float, 0.95, "of generalised advantage estimation"),
    "num-minibatches": Flag(int, 4, "of an update's data"),
    "update-epochs": Flag(int, 4, "passes over an update's data"),
    "norm-adv": Flag(_switch, True, "advantages are normalised in each minibatch"),
    "clip-coef": Flag(float, 0.1, "the ratio of probabilities is clipped to 1 +- this"),
    "clip-vloss": Flag(_switch, True, "clipped loss of values"),
    "ent-coef": Flag(float, 0.01, "of the entropy"),
    "vf-coef": Flag(float, 0.5, "of half the mean squared error of values"),
    "max-grad-norm": Flag(float, 0.5, "global norm of gradients"),
    "target-kl": Flag(float, None, "no more epochs beyond it"),
}
"""What a training is told; of a measurement each must be what its run was told."""

ENV = "env-id"
_CHECKPOINTS = {"num-checkpoints": Flag(int, 10, "stored before these shares of the updates")}
_LENGTH = "steps of a roll-out, at most"

FLAGS: Mapping[str, Mapping[str, Flag]] = MappingProxyType(
    {
        TRAIN: {
            **_ANY,
            ENV: Flag(str, "Pong-v5", "the game"),
            **LEARNING,
            "eval-len": Flag(int, 1000, _LENGTH),
            **_CHECKPOINTS,
        },
        PURD: {
            **_ANY,
            "ckpt-path": Flag(str, None, "the folder checkpoints/ of a run"),
            "ckpt-idxs": Flag(int, [*range(1, 11)], "which of its checkpoints, counted from 1", many=True),
            "purd-samples": Flag(int, 15, "updates of each checkpoint"),
            "outer-batch-size": Flag(int, 5, "policies side by side, at most"),
            ENV: Flag(str, None, "the game of the run"),
            "eval-len": Flag(int, 1000, _LENGTH),
            **LEARNING,
            **_CHECKPOINTS,
        },
        INTERPOLATE: {
            **_ANY,
            "root-dir": Flag(str, None, "the folder that holds both runs"),
            "run-a": Flag(str, None, "the run at the beginning of the path"),
            "run-b": Flag(str, None, "the run at its end"),
            "ckpt-a": Flag(int, None, "which of its checkpoints, counted from 1"),
            "ckpt-b": Flag(int, None, "the same"),
            "num-interpolation-points": Flag(int, 50, "on the path, both ends included"),
            "purd-samples": Flag(int, 50, "neighbours of each point"),
            ENV: Flag(str, None, "the game of the runs"),
            "eval-len": Flag(int, 5000, _LENGTH),
            **LEARNING,
        },
    }
)
"""The flags of each script with their published defaults, but for the authors' own folders and accounts."""


@dataclass
class Flags:
    """What was typed, by flag without its hyphens in front; the rest is as published."""

    script: str
    typed: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.typed.get(name, FLAGS[self.script][name].default)

    def needed(self, name: str) -> Any:
        """The value of a flag that has no default; raises UserError where it was not typed."""
        if name not in self.typed:
            raise UserError(f"--{name}", "null", f"is needed: {FLAGS[self.script][name].meaning}")
        return self.typed[name]

    @contextmanager
    def errors_as_typed(self) -> Iterator[None]:
        """Errors raised inside name the flag in place of the setting, where there is one."""
        try:
            yield
        except UserError as error:
            name = _FLAG_OF.get(error.key) or error.key.removeprefix(PREFIX).replace("_", "-")
            key = f"--{name}" if name in FLAGS[self.script] else error.key
            raise UserError(key, error.value, error.allowed) from error


_FLAG_OF = {"random_seed": "seed", "use_wandb": "track", "run_name": "exp-name", "env": ENV, f"{PREFIX}env": ENV} | {
    f"{PREFIX}{key}": flag
    for key, flag in {
        "eval_episode_length": "eval-len",
        "episode_length": "eval-len",
        "eval_episodes": "purd-samples",
        "num_purd_samples": "purd-samples",
        "batch_size": "outer-batch-size",
        "num_points": "num-interpolation-points",
        "checkpoints": "num-checkpoints",
        "ckpt_indexes": "ckpt-idxs",
        **{
            KEYS["train_ppo"][name.replace("-", "_")]: name
            for name in LEARNING
            if name.replace("-", "_") in KEYS["train_ppo"]
        },
    }.items()
}


def read(script: str, arguments: Sequence[str]) -> Flags:
    """The flags of a command line; `--help` prints them and ends. Raises UserError for what is not one of them."""
    known = FLAGS[script]
    parser = argparse.ArgumentParser(f"python experiments/{script}.py", argument_default=argparse.SUPPRESS)
    for name, flag in known.items():
        default = (
            ""
            if flag.default is None
            else f"; {' '.join(map(shown, flag.default)) if flag.many else shown(flag.default)}"
        )
        shape: dict[str, Any] = {"nargs": "+"} if flag.many else {}
        if flag.read is _switch:
            shape = {"nargs": "?", "const": "true"}
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"{flag.meaning}{default}", **shape)

    def refuse(message: str) -> NoReturn:
        unknown = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        strange = [word for word in unknown if word[2:] not in known]
        if strange and "unrecognized" in message:
            hint = closest(strange[0], [f"--{name}" for name in known])
            raise UserError("arguments", strange[0], f"no such flag of {script}.py; {hint}")
        raise UserError("arguments", " ".join(arguments), message)

    parser.error = refuse  # type: ignore[method-assign]
    found = vars(parser.parse_args(list(arguments)))
    flags = Flags(
        script,
        {
            name: _read(name, known[name], found[name.replace("-", "_")])
            for name in known
            if name.replace("-", "_") in found
        },
    )
    if flags["capture-video"]:
        told = "does nothing in the published code; landscapes report --gif makes moving pictures of roll-outs"
        raise UserError("--capture-video", "true", told)
    return flags


def _read(name: str, flag: Flag, text: Any) -> Any:
    texts = text if flag.many else [text]
    values = []
    for each in texts:
        try:
            values.append(flag.read(each))
        except ValueError:
            raise UserError(f"--{name}", each, f"must be {_KINDS[flag.read]}") from None
    return values if flag.many else values[0]
