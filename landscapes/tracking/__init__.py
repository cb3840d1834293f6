"""Where metrics go while a job runs, and the runs that a tracker knows by name.

Knows wandb; knows nothing of what is trained, nor of the HDF5 files that hold results.
"""

from landscapes.tracking.trackers import (
    STEP_METRIC,
    SilentTracker,
    Tracker,
    WandbTracker,
    has_login,
    make_tracker,
    resolve_mode,
    why_silent,
)

__all__ = [
    "STEP_METRIC",
    "SilentTracker",
    "Tracker",
    "WandbTracker",
    "has_login",
    "make_tracker",
    "resolve_mode",
    "why_silent",
]
