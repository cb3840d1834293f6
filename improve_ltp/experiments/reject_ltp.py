"""`experiment=reject_ltp`: walk from a stored policy by updates of which those that worsen the lower tail are refused.

Knows the job's settings only; the walk is in improve_ltp.walk.
"""

from improve_ltp.walk import walk
from landscapes.config.job import Job


def run(job: Job) -> None:
    """Walks as the job says, for any algorithm."""
    walk(job)
