"""`experiment=td3_reject_ltp`: the published experiment; `reject_ltp` with the published learning rate given.

Knows the job's settings only; the walk is in improve_ltp.walk.
"""

from improve_ltp.walk import walk
from landscapes.config.job import Job


def run(job: Job) -> None:
    """Walks as the job says."""
    walk(job)
