"""Range checks that several algorithms' settings share.

Knows what a setting may be; knows neither what it does nor how it is spelled on a command line.
"""

from collections.abc import Collection
from typing import Any

from landscapes.errors import UserError
from landscapes.spaces import Box, Spaces


def require(key: str, value: object, holds: bool, allowed: str) -> None:
    """Raises UserError(key, value, allowed) unless `holds`."""
    if not holds:
        raise UserError(key, value, allowed)


def require_one_of(key: str, value: object, names: Collection[str]) -> None:
    """Raises UserError unless `value` is one of the names."""
    require(key, value, value in names, f"must be one of {', '.join(names)}")


def require_at_least(config: Any, minimum: float, *names: str) -> None:
    """Raises UserError unless these settings are `minimum` or more."""
    for name in names:
        require(name, getattr(config, name), getattr(config, name) >= minimum, f"must be at least {minimum}")


def require_positive_or_null(config: Any, *names: str) -> None:
    """Raises UserError unless these settings are above 0 or None."""
    for name in names:
        value = getattr(config, name)
        require(name, value, value is None or value > 0, "must be above 0 or null")


def require_switch(config: Any, switch: str, *names: str) -> None:
    """Raises UserError where one of these settings is given although `switch`, which it needs, is off."""
    for name in names:
        value = getattr(config, name)
        require(name, value, value in (None, False) or getattr(config, switch), f"needs {switch}")


def check_minibatches(config: Any) -> None:
    """Numbers of steps, batches and passes that must go together."""
    require_at_least(config, 1, "total_timesteps", "num_minibatches", "num_epochs")
    num, size = config.num_minibatches, config.batch_size
    require("num_minibatches", num, size % num == 0, f"must divide the batch of {size} steps")
    steps = config.total_timesteps
    require("total_timesteps", steps, steps >= size, f"must be at least one batch of {size} steps")


def check_common(config: Any) -> None:
    """Discount and layer widths, which every algorithm here has."""
    require("gamma", config.gamma, 0.0 <= config.gamma <= 1.0, "must lie in [0, 1]")
    widths = config.hidden_dims
    require("hidden_dims", widths, len(widths) > 0 and all(w >= 1 for w in widths), "must name widths of at least 1")


def check_off_policy(config: Any) -> None:
    """Settings of the algorithms that learn from a replay log."""
    check_common(config)
    require_at_least(config, 0, "actor_lr", "critic_lr", "final_fc_init_scale")
    require("tau", config.tau, 0.0 < config.tau <= 1.0, "must lie in (0, 1]")
    require_at_least(config, 1, "actor_batch_size", "critic_batch_size", "updates_per_step", "replay_capacity")
    require_at_least(config, 1, "learning_starts")


def check_on_policy(config: Any) -> None:
    """Settings of the algorithms that learn from unrolls of stochastic policies."""
    check_common(config)
    require_at_least(config, 1, "num_envs", "unroll_length")
    require_at_least(config, 0, "clip_eps", "actor_final_scale", "critic_final_scale")
    require("gae_lambda", config.gae_lambda, 0.0 <= config.gae_lambda <= 1.0, "must lie in [0, 1]")


def require_vectors(key: str, value: object, spaces: Spaces) -> None:
    """Raises UserError(key, value) where that is switched on and observations are no vectors of numbers."""
    seen = spaces.observation
    fits = not value or (len(seen.shape) == 1 and seen.dtype == "float32")
    require(key, value, fits, f"needs observations that are vectors, and these are {seen}")


def action_size(spaces: Spaces) -> int:
    """How many numbers an action has; raises UserError where it is no vector of numbers, or an observation is none."""
    if not isinstance(spaces.action, Box) or len(spaces.action.shape) != 1:
        raise UserError("env_name", spaces.action, "is no vector of numbers, which this algorithm needs for an action")
    if len(spaces.observation.shape) != 1:
        raise UserError("env_name", spaces.observation, "this algorithm needs observations that are vectors")
    return spaces.action.size
