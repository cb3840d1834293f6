"""What may be set for each study of stored policies: one dataclass each, with types and ranges.

Knows names, units and ranges; the values themselves are in conf/ only. What trainings may be told is in `training`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from landscapes.errors import UserError
from landscapes.settings.fields import DISTINCT, NOT_EMPTY, Check, at_least, one_of, shown, within
from landscapes.settings.ranges import (
    Amount,
    Count,
    ErrorRate,
    Index,
    Iterations,
    NonNegative,
    Positive,
    PositiveShare,
    Seed,
    Share,
    Size,
    Steps,
    Text,
)


def between(text: str) -> tuple[int, int] | None:
    """The ends of a range such as `0..4`, both in it; None of what is none."""
    low, dots, high = text.partition("..")
    return (int(low), int(high)) if dots and low.isdecimal() and high.isdecimal() and int(low) <= int(high) else None


def _in_words(*words: str) -> Check:
    """One of these words, or a range."""
    allowed = f"one of {', '.join(words)}, or a range such as 0..4"
    return Check(lambda text: text in words or between(text) is not None, allowed, True)


Chosen = Annotated[list[Index], NOT_EMPTY, DISTINCT] | Annotated[str, _in_words("all", "last")]
"""Some of what a run has: a list of them, or in words."""

ChosenCheckpoints = Annotated[list[Index], NOT_EMPTY, DISTINCT] | Annotated[str, _in_words("all", "last", "best")]
"""The same of checkpoints; the best is that of the highest return in training's own evaluations, of each seed."""

Checkpoint = Index | Annotated[str, one_of("last", "best")]
"""The step at which a checkpoint was stored, or in words."""


@dataclass
class RootPolicy:
    """The stored policy that a walk or a cloning starts from."""

    run_name: Text  # a run in the results folder
    ckpt: Checkpoint  # its checkpoint, by step
    seed: Index  # which seed of the run

    @property
    def is_known(self) -> bool:
        """Whether it is known which checkpoint is meant."""
        return isinstance(self.ckpt, int)

    @property
    def step(self) -> int:
        """Its checkpoint; jobs are told which one is the last before they begin."""
        assert isinstance(self.ckpt, int)
        return self.ckpt


@dataclass
class TrainBc:
    """Behaviour cloning of a stored policy."""

    root_policy_conf: RootPolicy
    seed: Seed  # of the fresh policies, and of the rows that each update draws
    num_seeds: Size  # fresh policies, trained in one program
    max_steps: Iterations  # updates of each
    lr: NonNegative  # Adam
    batch_size: Size  # rows of an update, drawn with replacement
    num_rows: Annotated[int, at_least(2)] | None  # the newest of the replay log; null: all, without a log 100 000
    log_interval: Count  # updates between log points, each with the error on held-out rows
    eval_interval: Count  # updates between evaluations
    eval_episodes: Size  # of each evaluation and clone
    eval_episode_length: Size  # steps
    ckpt_steps: Steps  # updates after which all clones are stored; those past max_steps are left out
    tqdm: bool  # show progress


@dataclass
class PolicyVariance:
    """Returns of the neighbours of stored policies."""

    run_name: Text  # a run in the results folder
    seed: Index  # which seed of the run
    ckpt_indexes: ChosenCheckpoints  # steps at which checkpoints were stored
    eval_episodes: Size  # neighbours drawn per checkpoint and amount
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    discount: Share  # of the discounted returns that are stored beside the plain ones
    noise_type: Text  # a kind of neighbourhood that the run's algorithm has
    noise_amounts: Annotated[list[Amount], NOT_EMPTY, DISTINCT]  # sizes; null, for updates: the run's own rate
    record_trajectories: Index  # roll-outs of the median and of the left tail each to record, for the report
    tqdm: bool  # show progress


@dataclass
class Neighborhood:
    """Returns of the neighbours of every stored policy of a run."""

    run: Text  # a run in the results folder
    seeds: Chosen  # of the run
    checkpoints: ChosenCheckpoints  # steps; last, best (by evaluation return): of each seed
    noise_type: Text | None  # null: the algorithm's own update
    noise_amounts: Annotated[list[Amount], NOT_EMPTY, DISTINCT]  # sizes; null, for updates: the run's own rate
    num_samples: Size  # neighbours drawn per checkpoint and amount
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    discount: Share  # of the discounted returns that are stored beside the plain ones
    record_trajectories: Index  # roll-outs of the median and of the left tail each to record, for the report
    tqdm: bool  # show progress


@dataclass
class PolicyTest:
    """Test episodes of stored policies of a run."""

    run: Text  # a run in the results folder
    seeds: Chosen  # of the run
    checkpoints: ChosenCheckpoints  # steps; last, best (by evaluation return): of each seed
    episodes: Size  # of each policy, by its mode and by what is drawn from it each
    start_noise: NonNegative  # of starts; 1: those of training
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size | None  # steps; null: the run's own
    discount: Share  # of the discounted returns that are stored beside the plain ones
    record_trajectories: Index  # roll-outs of the median and of the left tail each to record, for the report
    tqdm: bool  # show progress


@dataclass
class _Interpolation:
    """What is measured on the paths between stored policies."""

    num_points: Size  # on each path, both ends included
    num_purd_samples: Index | None  # neighbours drawn at each point; null or 0: only the points' own returns
    batch_size: Count  # samples at once at all points of a path; never more than 1024 policies together
    noise_amount: Amount  # size of the noise; null, for updates: the run's own rate. Names a group, as typed
    noise_type: Text  # a kind of neighbourhood that the run's algorithm has
    learner_from: Annotated[int, within(1, 2)]  # the end that updates take critics, optimizer and data from
    episode_length: Size  # steps
    tqdm: bool  # show progress


@dataclass
class PolicyInterpolationSeed(_Interpolation):
    """The paths between all checkpoints of one seed, or of two."""

    run_name: Text  # a run in the results folder
    seed: Index  # which seed of the run
    same_seed: bool  # true: policy 2 is of `seed` too; false: of `other_seed`
    other_seed: Index | None  # null: the next one
    first_half: bool | None  # of all pairs; false: the second half; null: all of them
    ckpt_indexes: ChosenCheckpoints | None  # steps; last, best: one of each seed; null: all that are stored

    def __post_init__(self) -> None:
        if self.other_seed is not None and (self.same_seed or self.other_seed == self.seed):
            allowed = "must be null, or differ from experiment.seed with experiment.same_seed=false"
            raise UserError("experiment.other_seed", shown(self.other_seed), allowed)

    @property
    def learner_ckpts(self) -> str:
        """The key that names the checkpoints at which updates are made."""
        return "experiment.ckpt_indexes"


@dataclass
class Paths(_Interpolation):
    """The paths between all policies of a run that are chosen, each pair once."""

    run: Text  # a run in the results folder
    seeds: Chosen  # of the run
    checkpoints: ChosenCheckpoints  # steps; last, best (by evaluation return): of each seed

    @property
    def learner_ckpts(self) -> str:
        """The key that names the checkpoints at which updates are made."""
        return "experiment.checkpoints"


@dataclass
class PolicyInterpolation(_Interpolation):
    """The paths between given pairs of checkpoints: entry i of each list belongs to pair i."""

    run_names1: Annotated[list[Text], NOT_EMPTY]  # runs of policy 1; entry i of each list is of pair i
    seeds1: list[Index]  # which seeds of the runs
    ckpts1: list[Index]  # their checkpoints, by step
    run_names2: list[Text]  # runs of policy 2
    seeds2: list[Index]  # which seeds of the runs
    ckpts2: list[Index]  # their checkpoints, by step

    def __post_init__(self) -> None:
        for name in ("seeds1", "ckpts1", "run_names2", "seeds2", "ckpts2"):
            entries = getattr(self, name)
            if len(entries) != len(self.run_names1):
                allowed = f"must have as many entries as experiment.run_names1, which has {len(self.run_names1)}"
                raise UserError(f"experiment.{name}", shown(entries), allowed)
        self._check_pairs()

    @property
    def learner_ckpts(self) -> str:
        """The key that names the checkpoints at which updates are made."""
        return f"experiment.ckpts{self.learner_from}"

    def _check_pairs(self) -> None:
        pairs = list(
            zip(self.run_names1, self.seeds1, self.ckpts1, self.run_names2, self.seeds2, self.ckpts2, strict=True)
        )
        for index, pair in enumerate(pairs):
            if pair in pairs[:index]:
                allowed = f"entry i of each list is of pair i, and pairs {pairs.index(pair)} and {index} are the same"
                raise UserError("experiment.run_names1", shown(self.run_names1), allowed)


@dataclass
class StoredPolicy:
    """A policy to draw a line or a plane through."""

    run_name: Text  # a run in the results folder
    seed: Index  # which seed of the run
    ckpt: Checkpoint  # its checkpoint, by step


def _plain(policies: Sequence[StoredPolicy]) -> list[dict[str, object]]:
    return [{"run_name": one.run_name, "seed": one.seed, "ckpt": one.ckpt} for one in policies]


@dataclass
class LandscapeSlice:
    """Returns on a line or a plane through a stored policy."""

    run_name: Text  # a run in the results folder
    seed: Index  # which seed of the run
    ckpt: Checkpoint  # its checkpoint, by step
    directions: Annotated[str, one_of("random", "update", "policies")]  # an update's, or to others
    others: list[StoredPolicy]  # directions=policies: one or two, as [{run_name: calm, seed: 1, ckpt: 50000}]
    num_x: Size  # points along the first direction
    num_y: Size  # points along the second; 1: a line
    radius: Positive | None  # coordinates go from minus this to this; null: random 1, update 10, policies 1.5
    direction_seed: Seed  # of the random directions and of the update
    num_samples: Size  # neighbours drawn at each point
    noise_type: Text  # a kind of neighbourhood that the run's algorithm has
    noise_amount: Amount  # size of the noise; 0, with num_samples=1: each point's bare return
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    tqdm: bool  # show progress

    def __post_init__(self) -> None:
        most = 2 if self.directions == "policies" else 0
        if not min(most, 1) <= len(self.others) <= most:
            allowed = "must be one or two policies with experiment.directions=policies, and empty otherwise"
            raise UserError("experiment.others", shown(_plain(self.others)), allowed)
        names = [(self.run_name, self.seed, self.ckpt)]
        names += [(one.run_name, one.seed, one.ckpt) for one in self.others]
        if len(set(names)) < len(names):
            allowed = "must be policies other than the one in the middle, and than each other: each is a direction"
            raise UserError("experiment.others", shown(_plain(self.others)), allowed)
        if len(self.others) == 2 and self.num_y == 1:
            raise UserError("experiment.num_y", shown(self.num_y), "must be above 1 where two others span a plane")


@dataclass
class RejectLtp:
    """Post-update rejection from a stored policy of any algorithm."""

    root_policy_conf: RootPolicy
    seed: Seed  # of this walk
    eval_episodes: Size  # samples of every post-update return distribution
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    lr: NonNegative | None  # of the update that PURDs measure; null: the run's own, with which the walk trains
    max_steps: Iterations  # proposed updates
    check_interval: Count  # proposed updates per decision
    heuristic: Annotated[str, one_of("cvar", "ltp", "none")] | None  # what refuses; null: none
    cvar_alpha: PositiveShare  # of the lower tail that cvar looks at
    common_random_numbers: bool  # the same keys for every proposal
    remeasure_incumbent: bool  # measure the accepted policy anew beside every proposal
    sequential_error: ErrorRate | None  # at which a proposal is refused before all samples are taken; null: never
    control: bool  # also walk without refusing, from the same root and for as long
    fresh_purds: Index  # at the end, distributions of root, improved and control on keys that no decision used
    start_noise: NonNegative  # of training's resets, times the environment's own range
    store_every: Index  # accepted policies per stored one; 0: root and last accepted only
    tqdm: bool  # show progress

    def __post_init__(self) -> None:
        # Hydra reads a bare `none` as text, YAML's own word for it is null: both mean that nothing is refused.
        self.heuristic = self.heuristic or "none"
        if self.check_interval > self.max_steps:
            allowed = f"must be at most experiment.max_steps={self.max_steps}"
            raise UserError("experiment.check_interval", shown(self.check_interval), allowed)
        if self.sequential_error is not None and (self.heuristic != "cvar" or self.cvar_alpha > 0.5):
            allowed = "must be null unless experiment.heuristic=cvar and experiment.cvar_alpha is at most 0.5"
            raise UserError("experiment.sequential_error", shown(self.sequential_error), allowed)

    @property
    def update_kind(self) -> str | None:
        """The only kind that PURDs may be of; None: whichever the algorithm calls its own update."""
        return None


@dataclass
class Td3RejectLtp(RejectLtp):
    """The published experiment: the same for TD3, with its learning rate given."""

    @property
    def update_kind(self) -> str | None:
        return "td3_optimization"


InterpolationSettings = Paths | PolicyInterpolationSeed | PolicyInterpolation
StudySettings = (
    TrainBc | PolicyVariance | Neighborhood | PolicyTest | InterpolationSettings | LandscapeSlice | RejectLtp
)
