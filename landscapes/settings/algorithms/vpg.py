"""What VPG may be told; the defaults are those of the course (github.com/UBCMOCCA/CPSC533V_2023W2, assignment 3).

Knows names, units, ranges and defaults; the maths is in landscapes/algorithms/vpg.py.
"""

from dataclasses import dataclass, field
from typing import Annotated

from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.fields import one_of
from landscapes.settings.ranges import Activation, Count, Initialization, NonNegative, Share, Size, Widths

Psi = Annotated[str, one_of("total_return", "future_return", "baseline_return", "q_value", "gae", "td_residual")]


@dataclass
class Config(AlgorithmConfig):
    """Settings of VPG."""

    actor_lr: NonNegative = 1e-3  # Adam, the whole batch at once
    critic_lr: NonNegative = 3e-4  # Adam, the whole batch at once
    num_envs: Size = 1  # side by side
    unroll_length: Size = 1000  # steps of each environment per epoch
    fresh_starts: bool = True  # each epoch begins with fresh episodes; false: goes on where the last one stopped
    policy_iterations: Count = 4  # steps on the policy per epoch, all on its one batch
    value_iterations: Count = 40  # steps on the critic per epoch
    psi: Psi = "gae"  # what log-probabilities are weighted with
    normalize_psi: bool = True  # over the batch of an epoch
    value_target: Annotated[str, one_of("rewards_to_go", "lambda_return")] = "rewards_to_go"  # of the critic
    loss_mode: Annotated[str, one_of("vpg", "ppo")] = "vpg"  # ppo: the clipped ratio (Schulman et al., 2017)
    clip_eps: NonNegative = 0.1  # loss_mode=ppo: the ratio is clipped to 1 +- this
    gamma: Share = 0.99  # discount per environment step
    gae_lambda: Share = 0.97  # of generalised advantage estimation
    hidden_dims: Widths = field(default_factory=lambda: [200])  # of actor and critic
    activation: Activation = "relu"  # between the layers of actor and critic
    initialization: Initialization = "torch"  # of weights: uniform within 1 / sqrt(inputs), biases too
    actor_final_scale: NonNegative = 0.0  # of orthogonal weights of the last layer; a factor on others
    critic_final_scale: NonNegative = 0.0  # the same
    log_std_init: float = -0.5  # where actions are numbers; it does not depend on the observation

    @property
    def steps_per_iteration(self) -> int:
        """Environment steps."""
        return self.num_envs * self.unroll_length
