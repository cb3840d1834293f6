"""How policies and neighbourhoods are named in a picture.

Knows the records of what was measured; knows nothing of how a picture is drawn.
"""

from collections.abc import Iterable

from landscapes.figures import style
from landscapes.storage import NO_NOISE, OWN_RATE, PolicyName


def policy(one: PolicyName, with_run: bool = False) -> str:
    """A checkpoint in words: "seed 0 at 8,000", with its run in front where pictures show several."""
    run = f"{style.shortened(one.run, 18)} " if with_run else ""
    return f"{run}seed {one.seed} at {one.step:,}"


def neighbourhood(kind: str, amount: str) -> str:
    """A kind of perturbation and its amount, in words."""
    if kind == NO_NOISE:
        return "no perturbation"
    return f"{kind} at the run's own rate" if amount == OWN_RATE else f"{kind} {amount}"


def behind(policies: Iterable[PolicyName]) -> str:
    """What stands behind a picture: "10 checkpoints of 2 seeds of 1 run"."""
    every = set(policies)
    seeds, runs = {one[:2] for one in every}, {one.run for one in every}
    text = f"{style.counted(len(every), 'checkpoint')} of {style.counted(len(seeds), 'seed')}"
    return text if len(runs) == 1 else f"{text} of {style.counted(len(runs), 'run')}"
