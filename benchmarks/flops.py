"""Floating-point operations of the matrix products that one update cannot do without, counted from layer sizes.

Knows sizes only. Additions and multiplications count one each; activations, Adam, targets' averages and the simulator
count nothing, so that the limit that follows from these numbers is one that no program reaches.
"""

import itertools
from collections.abc import Sequence


def forward(sizes: Sequence[int]) -> int:
    """Of one row through dense layers of these sizes, input first."""
    return sum(2 * before * after for before, after in itertools.pairwise(sizes))


def backward(sizes: Sequence[int], weights: bool, inputs: int = 0) -> int:
    """Of one row back through the layers: to the hidden activations always, to the weights if asked for, and to as
    many of the inputs as are needed."""
    to_hidden = forward(sizes[1:])
    to_inputs = 2 * inputs * sizes[1]
    return to_hidden + to_inputs + (forward(sizes) if weights else 0)


def _halves(actor: Sequence[int], critic: Sequence[int], action_size: int) -> tuple[int, int]:
    """Of one row in an update of two critics, with their targets, and in one of the actor through both critics."""
    targets = forward(actor) + 2 * forward(critic)
    critics = 2 * (forward(critic) + backward(critic, weights=True))
    through = 2 * (forward(critic) + backward(critic, weights=False, inputs=action_size))
    return targets + critics, forward(actor) + backward(actor, weights=True) + through


def td3_step(observation_size: int, action_size: int, hidden: Sequence[int], batch: int, delay: int) -> float:
    """Of one environment step's action and one update of TD3, the actor's share spread over `delay` updates."""
    actor = [observation_size, *hidden, action_size]
    critics, policy = _halves(actor, [observation_size + action_size, *hidden, 1], action_size)
    return forward(actor) + batch * (critics + policy / delay)


def sac_step(observation_size: int, action_size: int, hidden: Sequence[int], batch: int) -> float:
    """Of one environment step's action and one update of SAC, whose actor puts out means and deviations."""
    actor = [observation_size, *hidden, 2 * action_size]
    critics, policy = _halves(actor, [observation_size + action_size, *hidden, 1], action_size)
    return forward(actor) + batch * (critics + policy)
