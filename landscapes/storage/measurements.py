"""What was measured of a run: small records of names and paths, found in its folder without loading any numbers.

Knows how result files and the groups in them are named; knows nothing of what the numbers mean or how they are shown.

`find_result_files(run)` reads the names of files alone, so that hundreds of runs are listed at once.
`find_measurements(run)` also opens each file for the names of its data sets, and answers with one record for each PURD,
path, slice, walk and recorded roll-out. A record says where its numbers lie: `read_hdf5(record.path, key)[0]` has them
under `record.dataset`, or below `record.group`. What cannot be used is named in `unreadable`: damaged files, and
results between policies of which one is of a run that was since replaced. A group that lacks one of its data sets is
left out.
"""

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from landscapes.errors import UserError
from landscapes.storage.hdf5 import Attributes, read_hdf5_names, read_node_attributes
from landscapes.storage.identity import STANDS_ON, replaced_beside
from landscapes.storage.records import (
    NO_NOISE,
    Measurements,
    PathRecord,
    PolicyName,
    PurdRecord,
    ResultFile,
    ResultFiles,
    SliceRecord,
    TrajectoryRecord,
    WalkRecord,
)
from landscapes.storage.runs import Run

_WITH_STEP = re.compile(r"(ckpt|s0_returns|td3_reject_ltp|trajectories)_([0-9]+)\.h5")
_SCALE = re.compile(r"([0-9]+)x([0-9]+)")
_WALK = re.compile(r"(?P<heuristic>[^/]+)/(?P<check>[0-9]+)check/(?P<steps>[0-9]+)steps/seed(?P<seed>[0-9]+)")
_DIGITS = re.compile(r"([0-9]+)")
_ROLE = re.compile(r"(median|left_tail)([0-9]+)")


_Between = TypeVar("_Between", PathRecord, SliceRecord)
_Record = TypeVar("_Record", PurdRecord, PathRecord, SliceRecord, WalkRecord, TrajectoryRecord)


def find_result_files(run: Run) -> ResultFiles:
    """The files of results in the run's folder, from their names alone."""
    found: dict[str, list[ResultFile]] = {"s0_returns": [], "td3_reject_ltp": [], "trajectories": []}
    paths: list[ResultFile] = []
    slices: list[ResultFile] = []
    checkpoints: set[int] = set()
    for seed in range(run.num_seeds):
        folder = str(run.seed_directory(seed))  # of hundreds of thousands of files, objects would cost seconds
        names = _names_in(folder)
        for path in (run.interpolation_path(seed), run.interpolation_purd_path(seed)):
            paths += [ResultFile(seed, None, folder, path.name)] * (path.name in names)
        slice_name = run.slice_path(seed).name
        slices += [ResultFile(seed, None, folder, slice_name)] * (slice_name in names)
        of_steps = sorted((int(match[2]), match[1], match[0]) for match in map(_WITH_STEP.fullmatch, names) if match)
        checkpoints.update(step for step, kind, _ in of_steps if kind == "ckpt")
        for step, kind, name in of_steps:
            if kind != "ckpt":
                found[kind].append(ResultFile(seed, step, folder, name))
    return ResultFiles(
        checkpoints=tuple(sorted(checkpoints)),
        curves=run.curves_path if run.curves_path.is_file() else None,
        purds=tuple(found["s0_returns"]),
        paths=tuple(paths),
        slices=tuple(slices),
        walks=tuple(found["td3_reject_ltp"]),
        trajectories=tuple(found["trajectories"]),
    )


def find_measurements(run: Run) -> Measurements:
    """All that was measured of the run; of the run that a walk made, also the walk, which lies with its root.

    Raises nothing for damaged files: they are named in `unreadable`.
    """
    files = find_result_files(run)
    unreadable: list[str] = []
    walks = _read_all(run, files.walks, _walks_in, unreadable)
    own = _own_walk(run, unreadable)
    distributions = _read_all(run, files.purds, _purds_in, unreadable)
    return Measurements(
        curves=files.curves,
        purds=tuple(each for each in distributions if not each.is_test),
        tests=tuple(each for each in distributions if each.is_test),
        paths=_not_replaced(run, _read_all(run, files.paths, _paths_in, unreadable), unreadable),
        slices=_not_replaced(run, _read_all(run, files.slices, _slices_in, unreadable), unreadable),
        walks=walks + own,
        trajectories=_read_all(run, files.trajectories, _trajectories_in, unreadable),
        unreadable=tuple(unreadable),
    )


def find_purds(run: Run, file: ResultFile) -> tuple[PurdRecord, ...]:
    """The PURDs and test episodes in one of the run's files; raises UserError where it is damaged."""
    return tuple(_purds_in(run, file, sorted(read_hdf5_names(file.path, "file"), key=_natural)))


def _names_in(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except FileNotFoundError:
        return frozenset()


def _read_all(
    run: Run,
    files: Sequence[ResultFile],
    read: Callable[[Run, ResultFile, Sequence[str]], Iterator[_Record]],
    unreadable: list[str],
) -> tuple[_Record, ...]:
    records: list[_Record] = []
    for file in files:
        try:
            names = read_hdf5_names(file.path, "file")
        except UserError as error:
            unreadable.append(str(error))
            continue
        records += read(run, file, sorted(names, key=_natural))
    return tuple(records)


def _not_replaced(run: Run, records: Sequence[_Between], unreadable: list[str]) -> tuple[_Between, ...]:
    """Those of which no policy is of a run beside this one that is another now; the others are counted by that run."""
    kept: list[_Between] = []
    for path, of_file in itertools.groupby(records, lambda record: record.path):
        by_node = {_told_in(record): record for record in of_file}
        replaced: Counter[str] = Counter()
        for node, about in read_node_attributes(path, "file", by_node).items():
            name = replaced_beside(run, about.get(STANDS_ON), _runs_of(by_node[node], about))
            if name is None:
                kept.append(by_node[node])
            else:
                replaced[name] += 1
        unreadable += [
            f"{path}: {_counted(count)} on an earlier run {name}, since replaced" for name, count in replaced.items()
        ]
    return tuple(kept)


def _counted(count: int) -> str:
    return "1 result stands" if count == 1 else f"{count} results stand"


def _told_in(record: PathRecord | SliceRecord) -> str:
    """The data set whose attributes say which policies a result stands on."""
    return record.dataset if isinstance(record, PathRecord) else f"{record.group}/policies"


def _runs_of(record: PathRecord | SliceRecord, about: Attributes) -> list[str]:
    """The runs of all of its policies."""
    if isinstance(record, PathRecord):
        return [record.one.run, record.two.run]
    policies: Any = about.get("policies") or []
    return [policy["run"] for policy in policies]


def _natural(name: str) -> list[tuple[float, list[str | int]]]:
    """Orders names part by part, and numbers in them by their value."""
    return [_value(part) for part in name.split("/")]


def _value(part: str) -> tuple[float, list[str | int]]:
    try:
        return float(part), []
    except ValueError:
        # Text and digits alternate, so that only like is compared with like.
        return math.inf, [int(piece) if piece.isdecimal() else piece for piece in _DIGITS.split(part)]


def _own_walk(run: Run, unreadable: list[str]) -> tuple[WalkRecord, ...]:
    """The walk that made this run, found in the folder of its root's run, beside this one."""
    parent, made_by = run.record.get("parent"), run.record.get("rejection")
    if not parent or not made_by:
        return ()
    root = Run(run.path.with_name(parent["run"]), {})
    path = root.rejection_path(parent["seed"], parent["step"])
    file = ResultFile(parent["seed"], parent["step"], str(path.parent), path.name)
    if not file.path.is_file():
        return ()
    return tuple(
        walk
        for walk in _read_all(root, [file], _walks_in, unreadable)
        if walk.group == made_by["group"] and _made(run, walk)
    )


def _made(run: Run, walk: WalkRecord) -> bool:
    """Whether the walk is the one that made `run`: another may have taken its place in the file since."""
    node = f"{walk.group}/accepted"
    about = read_node_attributes(walk.path, "file", [node])[node]
    return about.get("child_id") == run.id or ("child_id" not in about and not run.has_own_id)


# One reader for each kind of file: the records that its names of data sets spell


def _purds_in(run: Run, file: ResultFile, names: Sequence[str]) -> Iterator[PurdRecord]:
    for name in names:
        match name.split("/"):
            case ["und_returns", kind, amount, count] if count.isdecimal():
                yield PurdRecord(_policy(run, file), kind, amount, int(count), file.path, name)


def _paths_in(run: Run, file: ResultFile, names: Sequence[str]) -> Iterator[PathRecord]:
    present = set(names)
    for name in names:
        match name.split("/"):
            case [run1, seed1, step1, run2, seed2, step2, points, *rest] if all(
                number.isdecimal() for number in (seed1, step1, seed2, step2, points)
            ):
                noise = _noise_of_path(rest)
                alpha = "/".join([*name.split("/")[:7], "alpha"])
                if noise is not None and alpha in present:
                    one, two = PolicyName(run1, int(seed1), int(step1)), PolicyName(run2, int(seed2), int(step2))
                    yield PathRecord(one, two, int(points), *noise, file.path, name, alpha)


def _noise_of_path(rest: Sequence[str]) -> tuple[str, str, int, int | None] | None:
    """Kind, amount, number of samples and end that lends its learner, from what follows the number of points."""
    match rest:
        case ["returns"]:
            return NO_NOISE, "0", 1, None
        case ["returns", amount, count] if count.isdecimal():
            return "init_parameter", amount, int(count), None
        case [kind, "returns", amount, count] if count.isdecimal():
            return kind, amount, int(count), None
        case [kind, ("learner_from_1" | "learner_from_2") as end, "returns", amount, count] if count.isdecimal():
            return kind, amount, int(count), int(end[-1])
    return None


def _slices_in(run: Run, file: ResultFile, names: Sequence[str]) -> Iterator[SliceRecord]:
    present = set(names)
    for name in names:
        match name.split("/"):
            case [step, directions, scale, kind, amount, count, "returns"] if (
                step.isdecimal() and count.isdecimal() and (size := _SCALE.fullmatch(scale))
            ):
                group = name.rpartition("/")[0]
                if {f"{group}/{other}" for other in ("x", "y", "policies")} <= present:
                    centre, sizes = PolicyName(run.name, file.seed, int(step)), (int(size[1]), int(size[2]))
                    yield SliceRecord(centre, directions, *sizes, kind, amount, int(count), file.path, group)


def _walks_in(run: Run, file: ResultFile, names: Sequence[str]) -> Iterator[WalkRecord]:
    for name in names:
        group, _, last = name.rpartition("/")
        match = _WALK.fullmatch(group)
        if last == "accepted" and match:
            numbers = (int(match["check"]), int(match["steps"]), int(match["seed"]))
            yield WalkRecord(_policy(run, file), match["heuristic"], *numbers, file.path, group)


def _trajectories_in(run: Run, file: ResultFile, names: Sequence[str]) -> Iterator[TrajectoryRecord]:
    for name in names:
        match name.split("/"):
            case [kind, amount, count, role, "rewards"] if count.isdecimal() and (found := _ROLE.fullmatch(role)):
                group = name.rpartition("/")[0]
                which = (found[1], int(found[2]))
                yield TrajectoryRecord(_policy(run, file), kind, amount, int(count), *which, file.path, group)


def _policy(run: Run, file: ResultFile) -> PolicyName:
    assert file.step is not None
    return PolicyName(run.name, file.seed, file.step)
