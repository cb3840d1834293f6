"""What several algorithms ask of the spaces that they act in.

Knows spaces; knows no algorithm and no setting.
"""

from landscapes.errors import UserError
from landscapes.spaces import Box, Spaces


def require_vectors(key: str, value: object, spaces: Spaces) -> None:
    """Raises UserError(key, value) where that is switched on and observations are no vectors of numbers."""
    seen = spaces.observation
    fits = not value or (len(seen.shape) == 1 and seen.dtype == "float32")
    if not fits:
        typed = str(value).lower() if isinstance(value, bool) else value
        raise UserError(key, typed, f"needs observations that are vectors, and these are {seen}")


def action_size(spaces: Spaces) -> int:
    """How many numbers an action has; raises UserError where it is no vector of numbers, or an observation is none."""
    if not isinstance(spaces.action, Box) or len(spaces.action.shape) != 1:
        raise UserError("env_name", spaces.action, "is no vector of numbers, which this algorithm needs for an action")
    if len(spaces.observation.shape) != 1:
        raise UserError("env_name", spaces.observation, "this algorithm needs observations that are vectors")
    return spaces.action.size
