"""An environment that can be shown: the point of `probes.line`, as a ball on a floor.

Knows the contract of an environment; knows no test.
"""

import jax
import jax.numpy as jnp
import probes

from landscapes.types import Environment

SCENE = {
    "links": ["point"],
    "pieces": [
        {"shape": "plane", "link": -1, "size": [5, 5, 1], "position": [0, 0, 0], "rotation": [1, 0, 0, 0]},
        {"shape": "sphere", "link": 0, "size": [0.3, 0, 0], "position": [0, 0, 0], "rotation": [1, 0, 0, 0]},
    ],
    "seconds_per_step": 0.05,
    "follow": 0,
}


def make(episode_length: int = 10, backend: str = "probe") -> Environment:
    """`probes.line` with a pose: the observation (x, y, 1) is a place one metre above the floor."""

    def pose(state: probes.ProbeState) -> tuple[jax.Array, jax.Array]:
        return state.obs[None], jnp.array([[1.0, 0.0, 0.0, 0.0]])

    return probes.line(episode_length, backend)._replace(pose=pose, scene=lambda: SCENE)
