"""What SAC may be told; the defaults are those of Rahn, D'Oro et al. (2023).

Knows names, units, ranges and defaults; the maths is in landscapes/algorithms/sac.py.
"""

from dataclasses import dataclass, field
from math import sqrt

from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.ranges import Count, Iterations, NonNegative, Positive, PositiveShare, Share, Size, Widths

_SQRT2 = sqrt(2)


@dataclass
class Config(AlgorithmConfig):
    """Settings of SAC."""

    actor_lr: NonNegative = 3e-4  # Adam
    critic_lr: NonNegative = 3e-4  # Adam
    temperature_lr: NonNegative = 3e-4  # Adam, on the log temperature
    hidden_dims: Widths = field(default_factory=lambda: [256, 256])  # of actor and critics
    final_fc_init_scale: NonNegative = _SQRT2  # of the orthogonal weights of the actor's last layers
    gamma: Share = 0.99  # discount per environment step
    tau: PositiveShare = 0.005  # target <- (1 - tau) target + tau online
    target_entropy: float | None = None  # nats; null: minus half the number of action dimensions
    initial_temperature: Positive = 1.0  # weight of the entropy, which is then learned
    actor_batch_size: Size = 256  # transitions
    critic_batch_size: Size = 256  # transitions
    updates_per_step: Size = 1  # updates per environment step
    learning_starts: Iterations = 10_000  # environment steps of uniform random actions before the first update
    replay_capacity: Count = 1_000_000  # transitions kept, of each seed
