"""The stages of the page: which roll-outs play side by side, and what is said of each.

Knows recorded roll-outs and the words for them; knows nothing of HTML. Names and numbers come from here ready to show.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from landscapes import statistics
from landscapes.console import human_count
from landscapes.report.packing import packed
from landscapes.report.rollouts import Recorded, Rollout, noisiest, same_mean_pairs

_MOST_PAIRS = 10
_SAME = 1e-5
"""The share of a return below which a difference is rounding and not worth a word."""


class Stage(NamedTuple):
    """One player of roll-outs with the choices it offers; `absent` is said where there are none."""

    id: str
    title: str
    text: str
    chooser: str
    note: str
    lines: str
    """What more is to be said of the lines of returns."""
    absent: str
    entries: Sequence[Mapping[str, Any]]
    first: int
    """The entry that is shown before one is chosen."""


class Stages(NamedTuple):
    """All stages, and the scenes and packed roll-outs that their entries point to by index."""

    stages: Sequence[Stage]
    scenes: Sequence[Mapping[str, Any]]
    rollouts: Sequence[Mapping[str, Any]]


def make_stages(recorded: Sequence[Recorded]) -> Stages:
    """The stages for these roll-outs; of a checkpoint with one role only nothing is shown."""
    shown = [one for one in recorded if one.median and one.left_tail]
    tested, measured = ([one for one in shown if one.is_test is wanted] for wanted in (True, False))
    shelf = _Shelf()
    stages = [_neighbours(measured, shelf), _pairs(measured, shelf), *([_tests(tested, shelf)] if tested else [])]
    return Stages(stages, shelf.scenes, shelf.rollouts)


def end_of(rollout: Rollout) -> str:
    """How the roll-out ends, in words."""
    steps = human_count(rollout.num_steps)
    return f"ends at step {steps}" if rollout.terminated else f"reaches the time limit, step {steps}"


def name_of(role: str, rollout: Rollout) -> str:
    """Which of the recorded roll-outs of a neighbourhood it is, in words."""
    place = "nearest to the median" if role == "median" else "lowest return"
    return place if rollout.rank == 0 else f"{place} ({rollout.rank + 1})"


def differs(rollout: Rollout) -> bool:
    """Whether its return is not the one that was measured, rounding apart."""
    return abs(rollout.recorded_return - rollout.stored_return) > _SAME * max(1.0, abs(rollout.stored_return))


class _Shelf:
    """Scenes and packed roll-outs, each once however many stages show it."""

    def __init__(self) -> None:
        self.scenes: list[Mapping[str, Any]] = []
        self.rollouts: list[Mapping[str, Any]] = []
        self._places: dict[tuple[object, ...], int] = {}

    def place(self, one: Recorded, role: str, rollout: Rollout) -> int:
        """The index of the packed roll-out."""
        key = (one.purd, role, rollout.rank)
        if key not in self._places:
            if one.scene not in self.scenes:
                self.scenes.append(one.scene)
            self._places[key] = len(self.rollouts)
            words = {"caption": _caption(rollout), "end": end_of(rollout), "option": name_of(role, rollout)}
            self.rollouts.append({"scene": self.scenes.index(one.scene), **words, **packed(rollout)})
        return self._places[key]

    def panel(self, one: Recorded, tone: str, title: str) -> dict[str, Any]:
        """One panel of a stage: the roll-outs of a role, the first of which is shown."""
        role, rollouts = ("median", one.median) if tone == "typical" else ("left_tail", one.left_tail)
        places = [self.place(one, role, rollout) for rollout in rollouts]
        return {"title": title, "tone": tone, "rollouts": places}


def _entries(recorded: Sequence[Recorded], shelf: _Shelf) -> list[dict[str, Any]]:
    """One for each distribution: a roll-out near its median beside one of its lowest returns."""
    details = {"typical": "return near the median", "tail": "among the lowest returns"}
    return [
        {
            "label": f"{_moments(one)}, {one.neighbourhood}, {human_count(one.returns.size)} samples",
            "panels": [
                {**shelf.panel(one, tone, title), "detail": detail}
                for (tone, detail), title in zip(details.items(), one.roles, strict=True)
            ],
        }
        for one in recorded
    ]


def _tests(recorded: Sequence[Recorded], shelf: _Shelf) -> Stage:
    return Stage(
        id="tests",
        title="Test episodes",
        text="Two episodes of one policy as it is, from starts as in training: one with a return near the median of "
        "all its test episodes, and the lowest.",
        chooser="Policy",
        note="The one shown first has the widest distribution of returns.",
        lines="",
        absent="",
        entries=_entries(recorded, shelf),
        first=noisiest(recorded),
    )


def _neighbours(recorded: Sequence[Recorded], shelf: _Shelf) -> Stage:
    return Stage(
        id="neighbours",
        title="Why a policy is fragile",
        text="Two neighbours of the same checkpoint, each one small change away from it: one with a return near the "
        "median of all neighbours, one from the left tail.",
        chooser="Checkpoint",
        note="The one shown first has the widest distribution of returns.",
        lines="",
        absent="No roll-outs are recorded of these runs; see what is missing below.",
        entries=_entries(recorded, shelf),
        first=noisiest(recorded) if recorded else 0,
    )


def _pairs(recorded: Sequence[Recorded], shelf: _Shelf) -> Stage:
    pairs = same_mean_pairs(recorded)[:_MOST_PAIRS]
    entries = [
        {
            "label": f"{_moments(calm)} and {_moments(noisy)}",
            "panels": [
                {**shelf.panel(one, tone, f"{name}: {what}"), "detail": one.policy, "dashed": one is noisy}
                for name, one in (("Calm", calm), ("Noisy", noisy))
                for tone, what in (("typical", "typical neighbour"), ("tail", "left tail"))
            ],
        }
        for calm, noisy in pairs
    ]
    return Stage(
        id="pairs",
        title="Equal means, different neighbourhoods",
        text="Two checkpoints whose neighbours have the same mean return, within 2 %, and different spreads. The pair "
        "furthest apart is shown first; as the extreme of many comparisons it is to be measured again.",
        chooser="Pair",
        note="Above the calm one, below the noisy one.",
        lines="; dashed: of the noisy one",
        absent="There is no such pair among the checkpoints whose roll-outs are recorded.",
        entries=entries,
        first=0,
    )


def _moments(one: Recorded) -> str:
    mean, std = statistics.mean(one.returns), statistics.std(one.returns)
    return f"{one.policy} (mean {mean:,.0f}, std {std:,.0f})"


def _caption(rollout: Rollout) -> str:
    stored = f" (measured {rollout.stored_return:,.1f})" if differs(rollout) else ""
    return f"sample {rollout.sample}: return {rollout.recorded_return:,.1f}{stored}, {end_of(rollout)}"
