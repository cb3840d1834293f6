"""What may be set for each experiment: one dataclass each, in the published spelling, with types and ranges.

Knows names, units, ranges and what an algorithm calls the same setting; the values themselves are in conf/ only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from landscapes.config.fields import DISTINCT, NOT_EMPTY, Check, above, at_least, at_most, below, one_of, shown, within
from landscapes.envs.tasks import backend_of, canonical, options_of
from landscapes.errors import UserError

Count = Annotated[int, at_least(1)]
Size = Annotated[int, at_least(1), at_most(2**31 - 1)]  # of an array, or counted in int32 on the device
Iterations = Annotated[int, at_least(1), at_most(2**32 - 1)]  # each has a random key by its number, in uint32
Index = Annotated[int, at_least(0)]
Seed = Annotated[int, within(0, 2**32 - 1)]
NonNegative = Annotated[float, at_least(0)]
Positive = Annotated[float, above(0)]
Share = Annotated[float, within(0, 1)]
PositiveShare = Annotated[float, above(0), at_most(1)]
ErrorRate = Annotated[float, above(0), below(0.5)]
Text = Annotated[str, NOT_EMPTY]
Widths = Annotated[list[Size], NOT_EMPTY]
Steps = Annotated[list[Index], DISTINCT]
SomeSteps = Annotated[list[Index], NOT_EMPTY, DISTINCT]
# In single precision more is infinite. An integer stays one: files are labelled with it as typed.
Amount = Annotated[int | float, at_least(0), at_most(1e38)] | None

MOST_CHECKPOINTS = 1_000_000
"""Of one seed: more have been mistyped."""

_ALIASES = {"ddpg": "td3"}
_ALGORITHMS = ("td3", "sac")


def _is_algorithm(name: str) -> bool:
    return name in _ALGORITHMS or name in _ALIASES or "." in name


def _check_num_checkpoints(num_logs: int, count: int) -> None:
    if count > MOST_CHECKPOINTS:
        allowed = f"asks for {count} checkpoints of each seed; at most {MOST_CHECKPOINTS}"
        raise UserError("experiment.agent_num_logs", shown(num_logs), allowed)


AlgorithmName = Annotated[
    str, Check(_is_algorithm, "td3 (published as ddpg), sac, or the dotted path to a make of your own", names_type=True)
]

InnerNames = Mapping[str, str]
"""Where a setting stands below `experiment.`, as published, to what the algorithm's own config calls it."""

_OFF_POLICY_NAMES = {
    "actor_batch_size": "actor_batch_size",
    "critic_batch_size": "critic_batch_size",
    "updates_per_step": "updates_per_step",
    "start_training": "learning_starts",
    "replay_buffer_size": "replay_capacity",
}


@dataclass
class DdpgConfig:
    """TD3, called `ddpg` as published."""

    actor_lr: NonNegative  # Adam
    critic_lr: NonNegative  # Adam
    hidden_dims: Widths  # of actor and critics
    final_fc_init_scale: NonNegative  # of the orthogonal weights of the actor's last layer
    discount: Share  # per environment step
    tau: PositiveShare  # target <- (1 - tau) target + tau online
    target_update_period: Count  # critic updates per update of actor and targets
    policy_noise: NonNegative  # std of the smoothing noise on target actions
    noise_clip: NonNegative  # that noise is clipped to +- this
    exploration_noise: NonNegative  # std of the noise on executed actions


@dataclass
class SacConfig:
    """SAC."""

    actor_lr: NonNegative  # Adam
    critic_lr: NonNegative  # Adam
    temp_lr: NonNegative  # Adam on the log temperature
    hidden_dims: Widths  # of actor and critics
    final_fc_init_scale: NonNegative  # of the orthogonal weights of the actor's last layer
    discount: Share  # per environment step
    tau: PositiveShare  # target <- (1 - tau) target + tau online
    target_entropy: float | None  # nats; null: minus half the number of action dimensions
    init_temperature: Positive


@dataclass
class TrainJaxrl:
    """Off-policy training of TD3 or SAC, or of an algorithm of the user's own."""

    algo: AlgorithmName  # after construction never an alias
    algo_config: dict[str, Any]  # handed to a dotted-path algorithm as it is
    env_name: Text  # or the dotted path to a make; after construction as the table of tasks has it
    backend: Text | None  # of the simulator; after construction never null, which is the task's own
    env_options: dict[str, Any]  # of the task; landscapes/envs/tasks.py
    num_seeds: Size
    seed: Seed
    max_steps: Iterations  # environment steps per seed
    start_training: Count  # steps of uniform random actions before the first update
    reset_interval: Size  # steps per training episode
    updates_per_step: Size
    actor_batch_size: Size  # transitions
    critic_batch_size: Size  # transitions
    replay_buffer_size: Count  # transitions per seed
    log_interval: Count  # environment steps
    eval_interval: Count  # environment steps
    eval_episodes: Size
    eval_episode_length: Size  # steps
    checkpoint: bool
    agent_log_starts: Steps  # environment steps
    agent_log_step: Count  # environment steps between the checkpoints from one start on
    agent_num_logs: Count  # checkpoints from each start on
    tqdm: bool
    ddpg_config: DdpgConfig
    sac_config: SacConfig

    inner_names: ClassVar[Mapping[str, InnerNames]] = MappingProxyType(
        {
            "td3": {
                **_OFF_POLICY_NAMES,
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
            "sac": {
                **_OFF_POLICY_NAMES,
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
        }
    )

    def __post_init__(self) -> None:
        self.algo = _ALIASES.get(self.algo, self.algo)
        self.backend = backend_of(self.env_name, self.backend, "experiment.env_name")
        self.env_name = canonical(self.env_name)
        options_of(self.env_name, self.env_options)
        if self.algo_config and self.algorithm_name in self.inner_names:
            own = "ddpg_config" if self.algo == "td3" else "sac_config"
            allowed = f"read by an algo given as a dotted path only; set experiment.{own} for {self.algo}"
            raise UserError("experiment.algo_config", shown(self.algo_config), allowed)
        if self.start_training > self.max_steps:
            allowed = f"must be at most experiment.max_steps={self.max_steps}"
            raise UserError("experiment.start_training", shown(self.start_training), allowed)
        starts = self.agent_log_starts if self.checkpoint else []
        moments = (range(start, self.max_steps + 1, self.agent_log_step) for start in starts)
        _check_num_checkpoints(self.agent_num_logs, sum(len(each[: self.agent_num_logs]) for each in moments))

    @property
    def algorithm_name(self) -> str:
        """By the name that the algorithms' registry knows."""
        return self.algo


@dataclass
class TrainPpo:
    """On-policy training of PPO."""

    env_id: Text  # or the dotted path to a make; after construction as the table of tasks has it
    backend: Text | None  # of the simulator; after construction never null, which is the task's own
    env_options: dict[str, Any]  # of the task; landscapes/envs/tasks.py
    seed: Seed
    num_seeds: Size
    total_timesteps: Count  # environment steps per seed
    learning_rate: NonNegative  # Adam, eps 1e-5
    num_envs: Size
    num_steps: Size  # steps of each environment per update
    anneal_lr: bool  # linearly to 0
    gamma: Share  # discount per environment step
    gae_lambda: Share
    num_minibatches: Size
    update_epochs: Count
    norm_adv: bool  # per minibatch
    clip_coef: NonNegative
    clip_vloss: bool
    ent_coef: NonNegative
    vf_coef: NonNegative  # times half the mean squared error
    max_grad_norm: Positive  # global norm
    target_kl: Positive | None  # null: no early end of the epochs
    hidden_dims: Widths  # of actor and critic, in the network mlp
    network: Annotated[str, one_of("mlp", "nature")] | None  # null: as suits the observations
    bootstrap_truncated: bool  # a time limit is no termination
    reset_interval: Size  # steps per training episode
    eval_interval: Count | None  # environment steps; null: twenty evaluations in a run
    eval_episodes: Size
    eval_episode_length: Size  # steps
    checkpoint: bool
    agent_num_logs: Count  # checkpoints in a run
    tqdm: bool

    inner_names: ClassVar[Mapping[str, InnerNames]] = MappingProxyType(
        {
            "ppo": {
                "total_timesteps": "total_timesteps",
                "learning_rate": "learning_rate",
                "num_envs": "num_envs",
                "num_steps": "unroll_length",
                "anneal_lr": "anneal_lr",
                "gamma": "gamma",
                "gae_lambda": "gae_lambda",
                "num_minibatches": "num_minibatches",
                "update_epochs": "num_epochs",
                "norm_adv": "norm_adv",
                "clip_coef": "clip_eps",
                "clip_vloss": "clip_vloss",
                "ent_coef": "ent_coef",
                "vf_coef": "vf_coef",
                "max_grad_norm": "max_grad_norm",
                "target_kl": "target_kl",
                "hidden_dims": "hidden_dims",
                "network": "network",
                "bootstrap_truncated": "bootstrap_truncated",
            }
        }
    )

    def __post_init__(self) -> None:
        self.backend = backend_of(self.env_id, self.backend, "experiment.env_id")
        self.env_id = canonical(self.env_id)
        options_of(self.env_id, self.env_options)
        batch_size = self.num_envs * self.num_steps
        if batch_size % self.num_minibatches:
            allowed = f"must divide num_envs * num_steps = {batch_size}"
            raise UserError("experiment.num_minibatches", shown(self.num_minibatches), allowed)
        if self.total_timesteps < batch_size:
            allowed = f"must be at least one update's num_envs * num_steps = {batch_size}"
            raise UserError("experiment.total_timesteps", shown(self.total_timesteps), allowed)
        num_updates = self.total_timesteps // batch_size
        if num_updates >= 2**32:
            allowed = f"must be less than 2^32 updates of num_envs * num_steps = {batch_size}"
            raise UserError("experiment.total_timesteps", shown(self.total_timesteps), allowed)
        _check_num_checkpoints(self.agent_num_logs, min(self.agent_num_logs, num_updates) if self.checkpoint else 0)

    @property
    def algorithm_name(self) -> str:
        """By the name that the algorithms' registry knows."""
        return "ppo"


@dataclass
class RootPolicy:
    """The stored policy that a walk or a cloning starts from."""

    run_name: Text
    ckpt: Index  # step at which the checkpoint was stored
    seed: Index  # which seed of the run


@dataclass
class TrainBc:
    """Behaviour cloning of a stored policy."""

    root_policy_conf: RootPolicy
    seed: Seed  # of the fresh policies, and of the rows that each update draws
    num_seeds: Size  # fresh policies, trained in one program
    max_steps: Iterations  # updates of each
    lr: NonNegative  # Adam
    batch_size: Size  # rows of an update
    num_rows: Annotated[int, at_least(2)] | None  # the newest of the replay log; null: all, without a log 100 000
    log_interval: Count  # updates
    eval_interval: Count  # updates
    eval_episodes: Size
    eval_episode_length: Size  # steps
    ckpt_steps: Steps  # updates after which all clones are stored
    tqdm: bool


@dataclass
class PolicyVariance:
    """Returns of the neighbours of stored policies."""

    run_name: Text
    seed: Index  # which seed of the run
    ckpt_indexes: SomeSteps  # steps at which checkpoints were stored
    eval_episodes: Size  # neighbours drawn per checkpoint and amount
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    discount: Share  # of the discounted returns that are stored beside the plain ones
    noise_type: Text  # which ones a run's algorithm has is the study's to check
    noise_amounts: Annotated[list[Amount], NOT_EMPTY, DISTINCT]  # null, for updates: the rate of the run's own
    record_trajectories: Index  # roll-outs to record of the median and of the left tail each, for the report's viewer
    tqdm: bool


@dataclass
class _Interpolation:
    """What is measured on the paths between stored policies."""

    num_points: Size  # on each path, both ends included
    num_purd_samples: Index | None  # neighbours drawn at each point; null or 0: only the points' own returns
    batch_size: Count  # samples drawn at once at all points of a path
    noise_amount: Amount  # as in noise_amounts
    noise_type: Text  # which ones a run's algorithm has is the study's to check
    learner_from: Annotated[int, within(1, 2)]  # the end that updates take critics, optimizer and data from
    episode_length: Size  # steps
    tqdm: bool


@dataclass
class PolicyInterpolationSeed(_Interpolation):
    """The paths between all checkpoints of one seed, or of two."""

    run_name: Text
    seed: Index  # which seed of the run
    same_seed: bool  # false: from each checkpoint of `seed` to each of `other_seed`
    other_seed: Index | None  # null: the next one
    first_half: bool | None  # of all pairs; false: the second half; null: all of them
    ckpt_indexes: SomeSteps | None  # steps; null: all that are stored

    def __post_init__(self) -> None:
        if self.other_seed is not None and (self.same_seed or self.other_seed == self.seed):
            allowed = "must be null, or differ from experiment.seed with experiment.same_seed=false"
            raise UserError("experiment.other_seed", shown(self.other_seed), allowed)

    @property
    def learner_ckpts(self) -> str:
        """The key that names the checkpoints at which updates are made."""
        return "experiment.ckpt_indexes"


@dataclass
class PolicyInterpolation(_Interpolation):
    """The paths between given pairs of checkpoints: entry i of each list belongs to pair i."""

    run_names1: Annotated[list[Text], NOT_EMPTY]
    seeds1: list[Index]  # which seeds of the runs
    ckpts1: list[Index]  # steps
    run_names2: list[Text]
    seeds2: list[Index]
    ckpts2: list[Index]

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

    run_name: Text
    seed: Index  # which seed of the run
    ckpt: Index  # step at which the checkpoint was stored


def _plain(policies: Sequence[StoredPolicy]) -> list[dict[str, object]]:
    return [{"run_name": one.run_name, "seed": one.seed, "ckpt": one.ckpt} for one in policies]


@dataclass
class LandscapeSlice:
    """Returns on a line or a plane through a stored policy."""

    run_name: Text
    seed: Index  # which seed of the run
    ckpt: Index  # step at which the checkpoint was stored
    directions: Annotated[str, one_of("random", "update", "policies")]
    others: list[StoredPolicy]  # with directions=policies: one or two, each a direction
    num_x: Size  # points along the first direction
    num_y: Size  # points along the second; 1: a line
    radius: Positive | None  # coordinates go from minus this to this; null: as suits the directions
    direction_seed: Seed  # of the random directions and of the update
    num_samples: Size  # neighbours drawn at each point
    noise_type: Text  # which ones a run's algorithm has is the study's to check
    noise_amount: Amount  # as in noise_amounts
    batch_size: Count  # roll-outs side by side, at most
    episode_length: Size  # steps
    tqdm: bool

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
    heuristic: Annotated[str, one_of("cvar", "ltp", "none")] | None  # after construction never null
    cvar_alpha: PositiveShare
    common_random_numbers: bool  # the same keys for every proposal
    remeasure_incumbent: bool  # measure the accepted policy anew beside every proposal
    sequential_error: ErrorRate | None  # at which a proposal is refused before all samples are taken; null: never
    control: bool  # also walk without refusing, from the same root and for as long
    fresh_purds: Index  # at the end, distributions of root, improved and control on keys that no decision used
    start_noise: NonNegative  # of training's resets, times the environment's own range
    store_every: Index  # accepted policies per stored one; 0: root and last accepted only
    tqdm: bool

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


TrainingSettings = TrainJaxrl | TrainPpo
InterpolationSettings = PolicyInterpolationSeed | PolicyInterpolation
Settings = TrainJaxrl | TrainPpo | TrainBc | PolicyVariance | InterpolationSettings | LandscapeSlice | RejectLtp

EXPERIMENTS: Mapping[str, Mapping[str, type[Settings]]] = MappingProxyType(
    {
        "run_algorithm": {"train_jaxrl": TrainJaxrl, "train_ppo": TrainPpo, "train_bc": TrainBc},
        "eval_policy": {
            "policy_variance": PolicyVariance,
            "policy_interpolation_seed": PolicyInterpolationSeed,
            "policy_interpolation": PolicyInterpolation,
            "landscape_slice": LandscapeSlice,
        },
        "improve_ltp": {"td3_reject_ltp": Td3RejectLtp, "reject_ltp": RejectLtp},
    }
)
"""What each entry point offers.

A new one is a row here, a file conf/experiment/NAME.yaml and a module ENTRY_POINT/experiments/NAME.py.
"""


def algorithm_settings(settings: TrainingSettings) -> tuple[str, dict[str, Any]]:
    """The algorithm's name (or dotted path) and its own settings, by the names that its config gives them."""
    name = settings.algorithm_name
    if name not in settings.inner_names:
        assert isinstance(settings, TrainJaxrl)
        return name, dict(settings.algo_config)
    return name, {inner: attrgetter(place)(settings) for place, inner in settings.inner_names[name].items()}


def published_key(settings: Settings, inner_key: str) -> str:
    """What the command line calls the algorithm's setting `inner_key`; the key itself where it is no such setting."""
    if not isinstance(settings, TrainingSettings):
        return inner_key
    name = settings.algorithm_name
    if name not in settings.inner_names:
        assert isinstance(settings, TrainJaxrl)
        return f"experiment.algo_config.{inner_key}" if inner_key in settings.algo_config else inner_key
    places = {inner: place for place, inner in settings.inner_names[name].items()}
    return f"experiment.{places[inner_key]}" if inner_key in places else inner_key
