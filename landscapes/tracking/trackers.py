"""The tracker that a job asks for: wandb, TensorBoard, a CSV file, several of them at once, or none.

Knows each of them; knows nothing of what is recorded.
"""

from dataclasses import dataclass

from landscapes.tracking.csv_file import CsvTracker
from landscapes.tracking.tensorboard import TensorboardTracker
from landscapes.tracking.tracker import Forgiving, Several, SilentTracker, Told, Tracker
from landscapes.tracking.wandb_start import WandbWanted, start_wandb


@dataclass(frozen=True)
class Wanted:
    """Which trackers a job asks for."""

    wandb: WandbWanted | None
    tensorboard: bool = False
    csv: bool = False


def make_tracker(wanted: Wanted, told: Told) -> Tracker:
    """All that is wanted as one; raises UserError as `start_wandb` does, and for nothing that fails later."""
    trackers: list[Tracker] = []
    if wanted.wandb is not None:
        trackers.append(start_wandb(wanted.wandb, told))
    if wanted.tensorboard:
        trackers.append(Forgiving(TensorboardTracker(told)))
    if wanted.csv:
        trackers.append(Forgiving(CsvTracker(told)))
    if not trackers:
        return SilentTracker()
    return trackers[0] if len(trackers) == 1 else Several(trackers)
