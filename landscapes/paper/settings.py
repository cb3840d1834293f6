"""What the tasks, algorithms and backends of the published study may be.

Knows their names; knows no stage and no run.
"""

from landscapes.errors import UserError
from landscapes.stages.reading import several_of

TASKS = (
    "ant",
    "halfcheetah",
    "hopper",
    "humanoid",
    "humanoidstandup",
    "inverted_double_pendulum",
    "inverted_pendulum",
    "pusher",
    "reacher",
    "swimmer",
    "walker2d",
)
ALGORITHMS = ("td3", "sac", "ppo")
BACKENDS = ("positional", "spring", "generalized", "mjx")


def tasks(key: str, text: str) -> tuple[str, ...]:
    """Names of Brax's tasks, or dotted paths to a `make`, whose last names tell the runs apart."""
    words: tuple[str, ...] = several_of(*TASKS, dotted=True)(key, text)
    if len({short(word) for word in words}) < len(words):
        raise UserError(key, text, "two of them would have runs of one name")
    return words


def short(task: str) -> str:
    """What a task is called in the name of a run: of a dotted path the part that names its module."""
    parts = task.split(".")
    return parts[-2] if len(parts) > 1 and parts[-1] == "make" else parts[-1]
