"""What PPO may be told; the defaults are those of Rahn, D'Oro et al. (2023), which follow CleanRL's.

Knows names, units, ranges and defaults; the maths is in landscapes/algorithms/ppo.py, and where each switch comes from
in docs/algorithms/ppo.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from landscapes.errors import UserError
from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.fields import above, below, one_of
from landscapes.settings.ranges import (
    Activation,
    Count,
    Initialization,
    NonNegative,
    Positive,
    Share,
    Size,
    Widths,
)


@dataclass
class Config(AlgorithmConfig):
    """Settings of PPO. Every switch is off, or as published, by default."""

    of_training: ClassVar[Mapping[str, str]] = MappingProxyType({"total_timesteps": "steps"})

    FORMER: ClassVar[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
        {
            "norm_adv": lambda on: {"advantage_normalization": "minibatch" if on else "none"},
            "anneal_lr": lambda on: {"lr_schedule": "linear" if on else "constant"},
        }
    )

    total_timesteps: Count = 60_000_000  # environment steps; what schedules of the learning rate are measured by
    learning_rate: NonNegative = 2.6e-3  # Adam, eps 1e-5
    num_envs: Size = 2048  # side by side
    unroll_length: Size = 16  # steps of each environment per iteration
    gamma: Share = 0.99  # discount per environment step
    gae_lambda: Share = 0.95  # of generalised advantage estimation
    num_minibatches: Size = 2  # of an iteration's data
    num_epochs: Count = 4  # passes over an iteration's data
    advantage_normalization: Annotated[str, one_of("none", "minibatch", "batch")] = "minibatch"  # over which data
    clip_eps: NonNegative = 0.2  # the ratio of probabilities is clipped to 1 +- this
    clip_vloss: bool = False  # value loss clipped as in the reference implementation
    ent_coef: NonNegative = 0.0  # of the entropy (nats) of all action dimensions together
    vf_coef: NonNegative = 2.0  # times half the mean squared error
    max_grad_norm: Positive | None = 1.0  # global norm; null: not clipped
    target_kl: Positive | None = None  # no more epochs once the approximate KL divergence (nats) passes it
    hidden_dims: Widths = field(default_factory=lambda: [64, 64])  # of actor and critic, in the network mlp
    network: Annotated[str, one_of("mlp", "nature")] | None = None  # nature: for screens; null: as suits observations
    bootstrap_truncated: bool = True  # a time limit is no termination (the published code treats it as one)
    lr_schedule: Annotated[str, one_of("constant", "linear", "steps", "kl")] = "constant"  # linear: to 0
    lr_steps: list[Annotated[float, above(0), below(1)]] = field(default_factory=lambda: [0.5, 0.75])  # steps: where
    lr_factor: NonNegative = 0.1  # steps: the rate is multiplied by it at each of these shares of the training
    lr_kl: Positive = 0.01  # kl: the divergence (nats) of a minibatch that is aimed at
    separate_optimizers: bool = False  # actor and critic each have an Adam and a gradient clip
    critic_learning_rate: Positive | None = None  # of separate optimizers; null: learning_rate
    critic_max_grad_norm: Positive | None = None  # of separate optimizers; null: max_grad_norm
    squash: bool = False  # actions are the tanh of Gaussian ones, not Gaussian ones clipped
    squashed_entropy: bool = False  # with squash: the bonus is for the action's entropy, not for the Gaussian's
    log_std_init: float = 0.0  # of the Gaussian
    log_std_max: float | None = None  # of the Gaussian; null: none
    activation: Activation = "tanh"  # between the layers of actor and critic
    initialization: Initialization = "orthogonal"  # of weights; torch: uniform within 1 / sqrt(inputs)
    actor_final_scale: NonNegative = 0.01  # of orthogonal weights of the last layer; a factor on others
    critic_final_scale: NonNegative = 1.0  # the same
    normalize_observations: bool = False  # by their running mean and deviation
    clip_observations: Positive | None = None  # to +- this, after that; null: not
    normalize_rewards: bool = False  # by the running deviation of the discounted return
    clip_rewards: Positive | None = None  # to +- this, after that; null: not

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps_per_iteration % self.num_minibatches:
            allowed = f"must divide the batch of num_envs * unroll_length = {self.steps_per_iteration} steps"
            raise UserError("num_minibatches", self.num_minibatches, allowed)
        if self.total_timesteps < self.steps_per_iteration:
            allowed = f"must be at least one batch of num_envs * unroll_length = {self.steps_per_iteration} steps"
            raise UserError("total_timesteps", self.total_timesteps, allowed)
        self.check_switch("squash", "squashed_entropy")
        self.check_switch("separate_optimizers", "critic_learning_rate", "critic_max_grad_norm")

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps."""
        return self.num_envs * self.unroll_length

    @property
    def depends_on_length(self) -> bool:
        """The learning rate moves over the whole training."""
        return self.lr_schedule in ("linear", "steps")

    @property
    def num_iterations(self) -> int:
        """Iterations of a whole training."""
        return self.total_timesteps // self.steps_per_iteration
