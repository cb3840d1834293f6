"""`jax.numpy` as simulators know it that are older than JAX's renaming of the bounds of `clip`.

Brax is no longer kept, and holds MuJoCo back, so that later ones cannot be asked for: the drag of both through a fluid
gives the names of old. Knows JAX alone.
"""

import types
from typing import Any

import jax
import jax.numpy as jnp


class _OldNumpy(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def clip(x: Any, a_min: Any = None, a_max: Any = None) -> jax.Array:
        return jnp.clip(x, a_min, a_max)


OLD_NUMPY = _OldNumpy("jax.numpy")
"""For a module's `jp`."""
