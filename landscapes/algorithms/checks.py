"""Range checks that several algorithms' settings share.

Knows what a setting may be; knows neither what it does nor how it is spelled on a command line.
"""

from typing import Any

from landscapes.errors import UserError
from landscapes.spaces import Box, Spaces


def require(key: str, value: object, holds: bool, allowed: str) -> None:
    """Raises UserError(key, value, allowed) unless `holds`."""
    if not holds:
        raise UserError(key, value, allowed)


def check_common(config: Any) -> None:
    """Discount and layer widths, which every algorithm here has."""
    require("gamma", config.gamma, 0.0 <= config.gamma <= 1.0, "must lie in [0, 1]")
    widths = config.hidden_dims
    require("hidden_dims", widths, len(widths) > 0 and all(w >= 1 for w in widths), "must name widths of at least 1")


def check_off_policy(config: Any) -> None:
    """Settings of the algorithms that learn from a replay log."""
    check_common(config)
    for name in ("actor_lr", "critic_lr", "final_fc_init_scale"):
        require(name, getattr(config, name), getattr(config, name) >= 0, "must be at least 0")
    require("tau", config.tau, 0.0 < config.tau <= 1.0, "must lie in (0, 1]")
    for name in ("actor_batch_size", "critic_batch_size", "updates_per_step", "replay_capacity"):
        require(name, getattr(config, name), getattr(config, name) >= 1, "must be at least 1")
    require("learning_starts", config.learning_starts, config.learning_starts >= 1, "must be at least 1")


def action_size(spaces: Spaces) -> int:
    """How many numbers an action has; raises UserError where it is no vector of numbers, or an observation is none."""
    if not isinstance(spaces.action, Box) or len(spaces.action.shape) != 1:
        raise UserError("env_name", spaces.action, "is no vector of numbers, which this algorithm needs for an action")
    if len(spaces.observation.shape) != 1:
        raise UserError("env_name", spaces.observation, "this algorithm needs observations that are vectors")
    return spaces.action.size
