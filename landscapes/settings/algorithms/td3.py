"""What TD3 may be told; the defaults are those of Rahn, D'Oro et al. (2023), who call it DDPG.

Knows names, units, ranges and defaults; the maths is in landscapes/algorithms/td3.py.
"""

from dataclasses import dataclass, field
from math import sqrt

from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.ranges import Count, Iterations, NonNegative, PositiveShare, Share, Size, Widths

_SQRT2 = sqrt(2)


@dataclass
class Config(AlgorithmConfig):
    """Settings of TD3."""

    actor_lr: NonNegative = 3e-4  # Adam
    critic_lr: NonNegative = 3e-4  # Adam
    hidden_dims: Widths = field(default_factory=lambda: [256, 256])  # of actor and critics
    final_fc_init_scale: NonNegative = _SQRT2  # of the orthogonal weights of the actor's last layer
    gamma: Share = 0.99  # discount per environment step
    tau: PositiveShare = 0.005  # target <- (1 - tau) target + tau online
    policy_delay: Count = 2  # updates of the critics per update of actor and targets
    target_policy_noise: NonNegative = 0.2  # std of the smoothing noise on target actions
    target_noise_clip: NonNegative = 0.5  # the smoothing noise is clipped to +- this
    exploration_noise: NonNegative = 0.1  # std of the noise on executed actions, then clipped; published default: 0
    actor_batch_size: Size = 256  # transitions
    critic_batch_size: Size = 256  # transitions
    updates_per_step: Size = 1  # updates per environment step
    learning_starts: Iterations = 10_000  # environment steps of uniform random actions before the first update
    replay_capacity: Count = 1_000_000  # transitions kept, of each seed
