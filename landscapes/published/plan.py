"""The stages of a published experiment: training, measuring, figures and tables, as command lines of other commands.

Knows names of runs and folders and how settings are typed; runs nothing, and knows no setting by name.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from landscapes import commands
from landscapes.published.design import Design, Figures
from landscapes.settings.fields import shown
from landscapes.stages.launch import Launch
from landscapes.stages.running import Command, Stage


@dataclass(frozen=True)
class Asked:
    """An experiment as it was asked for."""

    design: Design
    size: str
    launch: Launch

    @property
    def folder(self) -> Path:
        """Where figures and tables go."""
        return self.launch.results / "published" / self.launch.name

    def run_name(self, member: Mapping[str, Any]) -> str:
        """What the run of a member is called."""
        return "_".join([self.launch.name, *(shown(value) for value in member.values())])

    @property
    def run_names(self) -> list[str]:
        return [self.run_name(member) for member in self.design.members]


def stages(asked: Asked) -> list[Stage]:
    """All stages, in order; each goes on where it stood, or ends at once where it is finished."""
    design = asked.design
    seeds = design.train.get("num_seeds", 1)
    measuring = [
        Stage(name, f"{settings['experiment']} of every run", partial(_measure, asked, settings))
        for name, settings in design.then.items()
    ]
    return [
        Stage("train", f"{len(design.members)} runs of {seeds} seeds each", partial(_train, asked)),
        *measuring,
        Stage("figures", "the runs together", partial(_figures, asked), may_fail=True),
        Stage("compare", "their returns side by side", partial(_compare, asked)),
        Stage("tables", "their curves and tests as CSV", partial(_tables, asked)),
    ]


def _train(asked: Asked) -> list[Command]:
    """One sweep whose members are called by what varies."""
    vary = asked.design.vary
    template = "_".join([asked.launch.name, *(f"${{{key}}}" for key in vary)])
    varied = [f"{key}={','.join(_typed(value) for value in values)}" for key, values in vary.items()]
    words = [*_settings(asked.design.train), f"run_name={template}", *varied]
    return [("run_algorithm", *(["--multirun"] if vary else []), *words, *_shared(asked))]


def _measure(asked: Asked, settings: Mapping[str, Any]) -> list[Command]:
    runs = f"run={','.join(asked.run_names)}"
    return [("eval_policy", "--multirun", *_settings(settings), runs, *_shared(asked))]


def _figures(asked: Asked) -> list[Command]:
    return [command for each in asked.design.figures for command in _of_figures(asked, each)]


def _of_figures(asked: Asked, figures: Figures) -> list[Command]:
    found = []
    for values in itertools.product(*(asked.design.vary[key] for key in figures.apart)):
        wanted = dict(zip(figures.apart, values, strict=True))
        members = [x for x in asked.design.members if all(x[key] == value for key, value in wanted.items())]
        folder = asked.folder.joinpath(*(f"{key}_{shown(value)}" for key, value in wanted.items()))
        words = [*map(asked.run_name, members), "--only", *figures.only, "--out", str(folder), *asked.launch.elsewhere]
        found.append(("landscapes.figures", *words))
    return found


def _compare(asked: Asked) -> list[Command]:
    names = asked.run_names
    return [("landscapes.runs", "compare" if len(names) > 1 else "show", *names, *asked.launch.elsewhere)]


def _tables(asked: Asked) -> list[Command]:
    words = [*asked.run_names, "--out", str(asked.folder), "--only", "curves", "training", "tests", "purds"]
    return [("landscapes.export", *words, *asked.launch.elsewhere)]


def _shared(asked: Asked) -> list[str]:
    """What every job is told."""
    return asked.launch.job_words(commands.setting)


def _settings(settings: Mapping[str, Any]) -> Sequence[str]:
    return [f"{key}={_typed(value)}" for key, value in settings.items()]


def _typed(value: Any) -> str:
    """A value as Hydra reads it back."""
    return commands.setting("", value)[1:] if isinstance(value, str) else shown(value)
