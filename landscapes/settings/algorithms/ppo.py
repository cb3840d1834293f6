"""What PPO may be told; the defaults are those of Rahn, D'Oro et al. (2023), which follow CleanRL's.

Knows names, units, ranges and defaults; the maths is in landscapes/algorithms/ppo.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from landscapes.errors import UserError
from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.ranges import Count, NonNegative, Positive, Share, Size, Widths


@dataclass
class Config(AlgorithmConfig):
    """Settings of PPO."""

    of_training: ClassVar[Mapping[str, str]] = MappingProxyType({"total_timesteps": "steps"})
    """Settings that a training takes from keys of its own."""

    total_timesteps: Count = 60_000_000  # environment steps of a training: at their end `anneal_lr` has come to 0
    learning_rate: NonNegative = 2.6e-3  # Adam, eps 1e-5
    num_envs: Size = 2048  # environments side by side
    unroll_length: Size = 16  # steps of each environment per iteration
    anneal_lr: bool = False  # learning rate falls linearly to 0 over the iterations
    gamma: Share = 0.99  # discount per environment step
    gae_lambda: Share = 0.95  # of generalised advantage estimation
    num_minibatches: Size = 2  # of an epoch; must divide num_envs * unroll_length
    num_epochs: Count = 4  # passes over the data of an iteration
    norm_adv: bool = True  # advantages normalised within each minibatch
    clip_eps: NonNegative = 0.2  # the probability ratio is clipped to 1 +- this
    clip_vloss: bool = False  # value loss clipped as in the reference implementation
    ent_coef: NonNegative = 0.0  # weight of the entropy
    vf_coef: NonNegative = 2.0  # weight of half the mean squared value error
    max_grad_norm: Positive = 1.0  # of the gradient of actor and critic, global norm
    target_kl: Positive | None = None  # no more epochs once the approximate KL divergence passes it
    hidden_dims: Widths = field(default_factory=lambda: [64, 64])  # of actor and critic
    bootstrap_truncated: bool = True  # a time limit is no termination (the published code treats it as one)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps_per_iteration % self.num_minibatches:
            allowed = f"must divide the batch of num_envs * unroll_length = {self.steps_per_iteration} steps"
            raise UserError("num_minibatches", self.num_minibatches, allowed)

        if self.total_timesteps < self.steps_per_iteration:
            allowed = f"must be at least one batch of num_envs * unroll_length = {self.steps_per_iteration} steps"
            raise UserError("total_timesteps", self.total_timesteps, allowed)

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps."""
        return self.num_envs * self.unroll_length

    @property
    def depends_on_length(self) -> bool:
        """The learning rate falls over the whole training."""
        return self.anneal_lr

    @property
    def num_iterations(self) -> int:
        """Iterations of a whole training."""
        return self.total_timesteps // self.steps_per_iteration
