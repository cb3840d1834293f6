"""Which figures the results of some runs allow, and what is missing for the others.

Knows what was measured of each run and which of it belongs together in one picture; loads no numbers, and leaves
drawing to the modules of each kind.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from landscapes.errors import UserError
from landscapes.figures import labels, remedies, style
from landscapes.figures.curves import learning_curves
from landscapes.figures.gradients import gradient_norms, has_gradients
from landscapes.figures.pairs import same_mean_pairs
from landscapes.figures.paths import paths_figure
from landscapes.figures.rejection import rejection_figure
from landscapes.figures.ridges import MOST_SEEDS, purd_ridges
from landscapes.figures.slices import slice_figure
from landscapes.figures.spread import mean_against_spread
from landscapes.storage import NO_NOISE, Measurements, PathRecord, PurdRecord, Run, find_measurements


class Source(NamedTuple):
    """A run and what was measured of it."""

    run: Run
    found: Measurements

    @property
    def environment(self) -> str:
        """The environment in words: "hopper (spring)"."""
        about = self.run.record.get("environment") or {}
        backend = about.get("backend")
        return f"{about.get('name', 'unknown environment')}" + (f" ({backend})" if backend else "")


class Drawing(NamedTuple):
    """A figure that can be drawn: its name without a suffix, and what draws it into the given paths.

    `draw` answers with None where the numbers leave nothing to draw.
    """

    name: str
    draw: Callable[[list[Path]], list[Path] | None]


class Missing(NamedTuple):
    """Why a kind of figure lacks some of the runs, and what would help; it may be drawn without them."""

    kind: str
    why: str
    remedy: str


class _Kind(NamedTuple):
    """One kind of figure."""

    drawings: Callable[[Sequence[Source]], Iterator[Drawing]]
    """Of all runs, those without what it takes included."""
    needs: Callable[[Source], bool]
    """Whether a run has what it takes."""
    file: str
    command: Callable[[Run], list[str]] | None
    """What makes the file for a run with checkpoints; None for what training makes."""


_Item = TypeVar("_Item")


def plan(
    sources: Sequence[Source], only: Iterable[str] | None = None, results_dir: str | None = None
) -> tuple[list[Drawing], list[Missing]]:
    """What can be drawn of these runs together, and what cannot; `only` are names of `KINDS`.

    `results_dir` is written into the commands that would make what is missing.
    """
    drawings: list[Drawing] = []
    missing: list[Missing] = []
    for name in KINDS if only is None else dict.fromkeys(only):
        kind = KINDS[name]
        drawings += kind.drawings(sources)
        lacking = [source for source in sources if not kind.needs(source)]
        if lacking:
            runs = ", ".join(source.run.name for source in lacking)
            missing.append(
                Missing(name, f"{runs}: no {kind.file}", remedies.remedy(lacking[0].run, kind.command, results_dir))
            )
    return drawings, missing


def draw(drawing: Drawing, folder: Path, formats: Sequence[str]) -> list[Path]:
    """The files, one of each format; raises UserError, naming the figure, where it cannot be drawn."""
    paths = [folder / f"{drawing.name}.{suffix}" for suffix in formats]
    try:
        drawn = drawing.draw(paths)
    except UserError as error:
        raise UserError("figure", drawing.name, str(error)) from error
    if drawn is None:
        raise UserError("figure", drawing.name, "no two policies that were measured have the same mean")
    return paths


def draw_all(run: Run, formats: Sequence[str]) -> list[Path]:
    """Every figure that the results of a run allow, in its folder figures/."""
    drawings, _ = plan([Source(run, find_measurements(run))])
    paths = []
    for drawing in drawings:
        with contextlib.suppress(UserError):  # the command draws them one by one and says why not
            paths += draw(drawing, run.path / "figures", formats)
    return paths


# The kinds, each from the runs that have what it needs


def _of_curves(
    kind: str, figure: Callable[..., Any], has: Callable[[Source], bool], sources: Sequence[Source]
) -> Iterator[Drawing]:
    """A picture for each environment, of all runs whose curves have what it takes."""
    for environment, group in _grouped(sources, lambda source: source.environment).items():
        name = _name(kind, *_told_apart(sources, environment))
        with_curves = [(source.run.name, source.found.curves) for source in group if has(source)]
        if with_curves:
            runs, curves = zip(*with_curves, strict=True)
            labels_of_runs = style.told_apart(runs)
            yield Drawing(name, partial(figure, curves, labels_of_runs, title=environment))


def _has_curves(source: Source) -> bool:
    return source.found.curves is not None


def _has_gradients(source: Source) -> bool:
    return source.found.curves is not None and has_gradients(source.found.curves)


def _purds(sources: Sequence[Source]) -> Iterator[Drawing]:
    for source in sources:
        for (kind, amount), purds in _grouped(source.found.purds, _kind_and_amount).items():
            chosen = _largest(purds)
            seeds = sorted({purd.policy.seed for purd in chosen})
            pages = [seeds[first : first + MOST_SEEDS] for first in range(0, len(seeds), MOST_SEEDS)]
            title = f"{source.run.name}, {source.environment}, {labels.neighbourhood(kind, amount)}"
            for page in pages:
                which = [f"seeds{page[0]}-{page[-1]}"] if len(pages) > 1 else []
                on_page = [purd for purd in chosen if purd.policy.seed in page]
                name = _name("purds", *_run_of(source, sources), kind, amount, *which)
                yield Drawing(name, partial(purd_ridges, on_page, title=title))


def _spread(sources: Sequence[Source]) -> Iterator[Drawing]:
    for name, title, purds in _neighbourhoods(sources):
        yield Drawing(_name("mean_std_ltp", *name), partial(mean_against_spread, purds, title=title))


def _pairs(sources: Sequence[Source]) -> Iterator[Drawing]:
    for name, title, purds in _neighbourhoods(sources):
        yield Drawing(_name("same_mean_pairs", *name), partial(same_mean_pairs, purds, title=title))


def _paths(sources: Sequence[Source]) -> Iterator[Drawing]:
    found = [(source.environment, path) for source in sources for path in source.found.paths]

    def alike(entry: tuple[str, PathRecord]) -> tuple[str, str, str, int | None]:
        environment, path = entry
        return environment, path.kind, path.amount, path.learner_from

    for (environment, kind, amount, learner_from), group in _grouped(found, alike).items():
        ends = [] if learner_from is None else [f"learner_from_{learner_from}"]
        noise = ["without_noise"] if kind == NO_NOISE else [kind, amount]
        name = _name("paths", *_told_apart(sources, environment), *noise, *ends)
        learner = f", critic and data of policy {learner_from}" if learner_from else ""
        paths = _distinct([path for _, path in group])
        runs = {end.run for path in paths for end in (path.one, path.two)}
        title = f"{_subject(runs, environment)}, {labels.neighbourhood(kind, amount)}{learner}"
        yield Drawing(name, partial(paths_figure, paths, title=title))


def _slices(sources: Sequence[Source]) -> Iterator[Drawing]:
    for source in sources:
        for one in source.found.slices:
            where = [f"seed{one.centre.seed}", str(one.centre.step), one.directions, f"{one.num_x}x{one.num_y}"]
            name = _name("slice", *_run_of(source, sources), *where, one.kind, one.amount, str(one.num_samples))
            about = f"{labels.policy(one.centre, with_run=True)}, {source.environment}"
            yield Drawing(
                name, partial(slice_figure, one, title=f"{about}, {labels.neighbourhood(one.kind, one.amount)}")
            )


def _rejections(sources: Sequence[Source]) -> Iterator[Drawing]:
    # A walk is found with its root and with the run that it made.
    walks = {(walk.path, walk.group): (source, walk) for source in sources for walk in source.found.walks}
    for source, walk in walks.values():
        runs = [] if len(sources) == 1 else [walk.root.run]
        where = [f"seed{walk.root.seed}", str(walk.root.step), *walk.group.split("/")]
        about = f"{labels.policy(walk.root, with_run=True)}, {source.environment}, {walk.heuristic}"
        title = f"a walk from {about}, walk seed {walk.seed}"
        yield Drawing(_name("rejection", *runs, *where), partial(rejection_figure, walk.path, walk.group, title=title))


# What belongs together


def _neighbourhoods(sources: Sequence[Source]) -> Iterator[tuple[list[str], str, list[PurdRecord]]]:
    """PURDs of one kind and amount in one environment: the end of a name, a title, and the records."""
    found = [(source.environment, purd) for source in sources for purd in source.found.purds]
    groups = _grouped(found, lambda entry: (entry[0], *_kind_and_amount(entry[1])))
    for (environment, kind, amount), group in groups.items():
        purds = _largest([purd for _, purd in group])
        title = f"{_subject({purd.policy.run for purd in purds}, environment)}, {labels.neighbourhood(kind, amount)}"
        yield [*_told_apart(sources, environment), kind, amount], title, purds


def _grouped(items: Iterable[_Item], key: Callable[[_Item], Any]) -> dict[Any, list[_Item]]:
    groups: dict[Any, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _kind_and_amount(purd: PurdRecord) -> tuple[str, str]:
    return purd.kind, purd.amount


def _largest(purds: Iterable[PurdRecord]) -> list[PurdRecord]:
    """Of what was measured of a policy several times, that with the most samples."""
    groups = _grouped(purds, lambda purd: purd.policy).values()
    return [max(group, key=lambda purd: purd.num_samples) for group in groups]


def _distinct(paths: Iterable[PathRecord]) -> list[PathRecord]:
    """Each path once, measured with the most samples and points; one with its ends swapped is the same path.

    Where the ends lend a critic, the two directions differ and both stay. A path from a policy to itself says nothing
    beside others.
    """
    groups = _grouped(
        paths, lambda path: (path.one, path.two) if path.learner_from else frozenset((path.one, path.two))
    )
    chosen = [max(group, key=lambda path: (path.num_samples, path.num_points)) for group in groups.values()]
    return [path for path in chosen if path.one != path.two] or chosen


# Names


def _told_apart(sources: Sequence[Source], environment: str) -> list[str]:
    """The environment, where the runs have several."""
    return [environment] if len({source.environment for source in sources}) > 1 else []


def _run_of(source: Source, sources: Sequence[Source]) -> list[str]:
    """The run, where there are several."""
    return [source.run.name] if len(sources) > 1 else []


def _subject(runs: Collection[str], environment: str) -> str:
    """What a picture is about: the environment, after the run where all of it is of one."""
    return environment if len(runs) > 1 else f"{', '.join(runs)}, {environment}"


def _name(*parts: str) -> str:
    return "_".join(re.sub(r"[^A-Za-z0-9_.-]+", "-", part).strip("-") for part in parts)


KINDS: dict[str, _Kind] = {
    "learning_curves": _Kind(
        partial(_of_curves, "learning_curves", learning_curves, _has_curves), _has_curves, "curves.h5", None
    ),
    # Where training reported no norms none are missing: not all algorithms have them.
    "gradients": _Kind(
        partial(_of_curves, "gradients", gradient_norms, _has_gradients), _has_curves, "curves.h5", None
    ),
    "purds": _Kind(_purds, lambda s: bool(s.found.purds), "s0_returns_*.h5", remedies.measure),
    "spread": _Kind(_spread, lambda s: bool(s.found.purds), "s0_returns_*.h5", remedies.measure),
    "paths": _Kind(_paths, lambda s: bool(s.found.paths), "policy_interpolation*.h5", remedies.interpolate),
    "slices": _Kind(_slices, lambda s: bool(s.found.slices), "landscape_slice.h5", remedies.cut),
    "rejections": _Kind(_rejections, lambda s: bool(s.found.walks), "td3_reject_ltp_*.h5", remedies.walk),
    "pairs": _Kind(
        _pairs, lambda s: len(s.found.purds) > 1, "two measured policies (s0_returns_*.h5)", remedies.measure
    ),
}
"""Every kind of figure, by the name that `--only` takes."""
