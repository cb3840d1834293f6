"""Where metrics go while a job runs, and the runs that a tracker knows by name.

Knows wandb, TensorBoard and CSV; knows nothing of what is trained, nor of the HDF5 files that hold results.
"""

from landscapes.tracking.csv_file import csv_path
from landscapes.tracking.tensorboard import tensorboard_folder
from landscapes.tracking.tracker import STEP_METRIC, SilentTracker, Told, Tracker
from landscapes.tracking.trackers import Wanted, make_tracker
from landscapes.tracking.wandb_login import has_login, resolve_mode, why_silent
from landscapes.tracking.wandb_start import WandbWanted
from landscapes.tracking.wandb_tracker import WandbTracker

__all__ = [
    "STEP_METRIC",
    "SilentTracker",
    "Told",
    "Tracker",
    "WandbTracker",
    "WandbWanted",
    "Wanted",
    "csv_path",
    "has_login",
    "make_tracker",
    "resolve_mode",
    "tensorboard_folder",
    "why_silent",
]
