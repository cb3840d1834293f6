"""What may be set for a training: the keys that all have in common and, flat beside them, those of its algorithm.

Knows the common keys; each algorithm's own are in landscapes/settings/algorithms/. Values that differ from an
algorithm's own defaults are in conf/ only.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from landscapes.config.published import PREFIX
from landscapes.envs.tasks import backend_of, canonical, options_of
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS, check_is_algorithm, config_class
from landscapes.settings.fields import Documented, at_least, at_most, build, closest, documented, shown
from landscapes.settings.ranges import Count, Seed, Size, Steps, Text

MOST_CHECKPOINTS = 1_000_000
"""Of one seed: more have been mistyped."""


@dataclass
class Training:
    """A training of any algorithm. Steps are environment steps of one seed."""

    algorithm: Text  # td3, sac, ..., or the dotted path to a make of your own
    env: Text  # a task, or the dotted path to a make of your own
    backend: Text | None  # of the simulator; null: the task's own
    env_options: dict[str, Any]  # of tasks that have options: +env_options.KEY=VALUE
    num_seeds: Size  # trained in one program
    seed: Seed  # all seeds' random numbers follow from it
    steps: Count  # environment steps of each seed
    episode_length: Size  # steps of a training episode, at most
    checkpoint: bool  # false: none is stored
    checkpoints: Steps | Annotated[int, at_least(0), at_most(MOST_CHECKPOINTS)]  # at these steps; or how many, evenly
    checkpoint_burst: Count  # checkpoints from each of those steps on
    checkpoint_spacing: Count  # steps between the checkpoints of a burst
    log_interval: Count | None  # steps between log points; null: every iteration
    eval_interval: Count | None  # steps between evaluations; null: twenty in a run
    eval_episodes: Size  # of each evaluation and seed
    eval_episode_length: Size  # steps
    eval_sampled: bool  # true: beside the deterministic policy also the one that is sampled from, where there is one
    tqdm: bool  # show progress
    settings: dict[str, Any] = field(default_factory=dict)  # the algorithm's own, by the names of its config

    def __post_init__(self) -> None:
        check_is_algorithm(self.algorithm, f"{PREFIX}algorithm")
        self.backend = backend_of(self.env, self.backend, f"{PREFIX}env")
        self.env = canonical(self.env)
        options_of(self.env, self.env_options)
        if isinstance(self.checkpoints, list):
            starts = self.checkpoints if self.checkpoint else []
            moments = (range(start, self.steps + 1, self.checkpoint_spacing) for start in starts)
            count = sum(len(each[: self.checkpoint_burst]) for each in moments)
            if count > MOST_CHECKPOINTS:
                allowed = f"asks for {count} checkpoints of each seed; at most {MOST_CHECKPOINTS}"
                raise UserError(f"{PREFIX}checkpoint_burst", shown(self.checkpoint_burst), allowed)
        if self.algorithm in ALGORITHMS:
            self._check_settings()

    @property
    def may_grow(self) -> bool:
        """Whether a longer training would have learned the same so far."""
        if self.algorithm not in ALGORITHMS:
            return True
        return not config_class(self.algorithm)(**self.settings).depends_on_length

    def algorithm_settings(self) -> dict[str, Any]:
        """The algorithm's settings, by the names that its config gives them, with what follows from the training."""
        own = dict(self.settings)
        if "replay_capacity" in own:  # room that a short run cannot fill is not taken
            own["replay_capacity"] = min(own["replay_capacity"], self.steps)
        return own

    def unlimited_settings(self) -> dict[str, Any]:
        """The algorithm's settings but those that follow from how long it trains."""
        hidden = {*_of_training(self.algorithm), "replay_capacity"}
        return {name: value for name, value in self.settings.items() if name not in hidden}

    def flat(self) -> dict[str, Any]:
        """All values as they are typed below `experiment.`"""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "settings"}
        hidden = _of_training(self.algorithm)
        return values | {name: value for name, value in self.settings.items() if name not in hidden}

    def _check_settings(self) -> None:
        config = config_class(self.algorithm)
        given = {name: getattr(self, key) for name, key in _of_training(self.algorithm).items()}
        try:
            made = build(config, self.settings | given)
        except UserError as error:
            raise UserError(self.key_of(error.key), error.value, error.allowed) from error
        self.settings = dataclasses.asdict(cast(Any, made))
        first = self.settings.get("learning_starts", 1)
        if first > self.steps:
            allowed = f"must be at most {PREFIX}steps={self.steps}"
            raise UserError(f"{PREFIX}learning_starts", shown(first), allowed)
        if self.steps // made.steps_per_iteration >= 2**32:
            raise UserError(f"{PREFIX}steps", shown(self.steps), "must be less than 2^32 iterations of the algorithm")

    def key_of(self, name: str) -> str:
        """What the command line calls the algorithm's setting of that name; the name itself where it is none.

        Of a list it may name an entry, as `hidden_dims[1]`.
        """
        whole = name.partition("[")[0]
        if whole in _of_training(self.algorithm):
            return f"{PREFIX}{_of_training(self.algorithm)[whole]}"
        return f"{PREFIX}{name}" if whole in self.settings else name


COMMON = tuple(each.name for each in dataclasses.fields(Training) if each.name != "settings")


def build_training(values: Mapping[str, Any]) -> Training:
    """The training of the values below `experiment.`; raises UserError for the first that does not fit."""
    algorithm = values.get("algorithm")
    own = {name: value for name, value in values.items() if name not in COMMON}
    if algorithm in ALGORITHMS:
        names = [each.name for each in own_keys(algorithm)]
        for name, value in own.items():
            if name not in names:
                allowed = f"no such key of {algorithm}; {closest(name, [*COMMON, *names])}"
                raise UserError(f"{PREFIX}{name}", shown(value), allowed)
    common = {name: value for name, value in values.items() if name in COMMON}
    return build(Training, {**common, "settings": own}, PREFIX)


def own_keys(algorithm: str) -> list[Documented]:
    """What may be set of an algorithm of ours below `experiment.`, beside the common keys."""
    hidden = _of_training(algorithm)
    return [each for each in documented(config_class(algorithm)) if each.name not in hidden]


def _of_training(algorithm: str) -> Mapping[str, str]:
    """Settings of the algorithm that are no keys of their own, and the common keys that they are taken from."""
    return config_class(algorithm).of_training if algorithm in ALGORITHMS else {}
