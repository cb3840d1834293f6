"""What several algorithms ask of the spaces that they act in.

Knows spaces; knows no algorithm and no setting.
"""

from landscapes.errors import UserError
from landscapes.spaces import Box, Spaces


def action_size(spaces: Spaces) -> int:
    """How many numbers an action has; raises UserError where it is no vector of numbers, or an observation is none."""
    if not isinstance(spaces.action, Box) or len(spaces.action.shape) != 1:
        raise UserError("env", spaces.action, "is no vector of numbers, which this algorithm needs for an action")
    if len(spaces.observation.shape) != 1:
        raise UserError("env", spaces.observation, "this algorithm needs observations that are vectors")
    return spaces.action.size
