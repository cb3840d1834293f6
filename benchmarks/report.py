"""The generated parts of docs/performance.md, and of the notes behind it: made from the stored records alone.

The page compares; the notes, `internals/` beside it, hold every measurement. Knows the pages' markers and how numbers
are written; leaves the rest of both as it is.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.harness import ROOT
from benchmarks.timing import Comparison, Measurement, Record

PAGE = ROOT / "docs" / "performance.md"
PICTURES = "performance"
"""The folder of the pictures, beside the page."""
NOTES = "internals"
"""The folder of the notes, beside the page; they are called as the page is."""

COMPARISON_COLUMNS = ("what", "ours", "beside it", "ratio", "target", "reached")
MEASUREMENT_COLUMNS = ("what", "rate", "least .. greatest", "compiling", "peak memory")

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def number(value: float) -> str:
    """Three digits, or all of a large number's."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def comparison_cells(line: Comparison) -> list[str]:
    """One row under `COMPARISON_COLUMNS`; the ratio with its least and greatest value where they differ."""
    ratio = f"{line.ratio.median:.2f}"
    if line.ratio.low != line.ratio.high:
        ratio += f" ({line.ratio.low:.2f} .. {line.ratio.high:.2f})"
    target = "" if line.target is None else f"{'≤' if line.at_most else '≥'} {line.target:g}"
    reached = {None: "", True: "yes", False: "no"}[line.reached]
    unit = f" {line.unit}" if line.unit else ""
    ours, beside = f"{number(line.ours)}{unit}", f"{number(line.beside_value)}{unit} ({line.beside})"
    return [line.what, ours, beside, ratio, target, reached]


def measurement_cells(measured: Measurement) -> list[str]:
    """One row under `MEASUREMENT_COLUMNS`."""
    if measured.unit in ("job", "answer"):
        spread = sorted(measured.seconds)
        rate = f"{number(spread[len(spread) // 2])} s"
        between = f"{number(spread[0])} .. {number(spread[-1])}"
    else:
        rate = f"{number(measured.rate.median)} {measured.unit}/s"
        between = f"{number(measured.rate.low)} .. {number(measured.rate.high)}"
    compiling = f"{measured.compile_seconds:.1f} s" if measured.compile_seconds else ""
    memory = f"{measured.peak_bytes / 1e9:.2f} GB" if measured.peak_bytes else ""
    return [measured.name, rate, between, compiling, memory]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compared(record: Record) -> str:
    """What one benchmark compares, its notes, where and how it was made."""
    parts = []
    if record.comparisons:
        parts.append(markdown(COMPARISON_COLUMNS, [comparison_cells(line) for line in record.comparisons]))
    parts += record.notes
    sizes = ["--sizes", *(f"{key}={value}" for key, value in record.sizes.items())] if record.sizes else []
    parts.append(f'{provenance(record)} Again: `make bench ARGS="{" ".join([record.benchmark, *sizes])}"`.')
    return "\n\n".join(parts)


def measured(record: Record) -> str:
    """All that one benchmark measured, and where."""
    rows = [measurement_cells(line) for line in record.measurements]
    return f"{markdown(MEASUREMENT_COLUMNS, rows)}\n\n{provenance(record)}"


def provenance(record: Record) -> str:
    """When, where and from which sources."""
    where = record.environment
    if not where:
        return ""
    machine = _mapping(where.get("machine"))
    processor = (
        f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('memory_bytes', 0) / 1e9:.0f} GB"
    )
    accelerator = f", {machine['accelerator']}" if machine.get("accelerator") else ""
    git = _mapping(where.get("git"))
    commit = f", commit {str(git.get('commit'))[:10]}{' with changes' if git.get('dirty') else ''}" if git else ""
    return f"Measured on {where.get('date')}, {processor}{accelerator}{commit}."


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def environment(record: Record) -> str:
    """Versions, flags and devices."""
    where = record.environment
    devices = sorted({int(m.details["devices"]) for m in record.measurements if "devices" in m.details})
    versions = {name: version for name, version in _mapping(where.get("versions")).items() if version}
    peers = _mapping(where.get("peer_versions"))
    rows = [["suite", ", ".join(f"{name} {version}" for name, version in versions.items())]]
    if peers:
        rows.append(["peer", ", ".join(f"{name} {version}" for name, version in peers.items())])
    rows.append(["`XLA_FLAGS`", f"`{where.get('xla_flags') or 'none'}`"])
    rows.append(["devices of JAX", ", ".join(map(str, devices)) or "unknown"])
    return f"{markdown(['', ''], rows)}\n\n{provenance(record)}"


def summary(records: Mapping[str, Record]) -> str:
    """How many targets are reached, and which are not."""
    lines = [line for record in records.values() for line in record.comparisons if line.reached is not None]
    missed = [f"{line.what} ({line.beside}: {line.ratio.median:.2f})" for line in lines if not line.reached]
    text = f"{len(lines) - len(missed)} of {len(lines)} targets are reached."
    return text + (f" Not reached: {'; '.join(missed)}." if missed else "")


def compared_blocks(records: Mapping[str, Record], page: Path) -> dict[str, str]:
    """The generated parts of the page by name; also draws the pictures beside it."""
    made = {name: compared(record) for name, record in records.items()}
    if records:
        made["summary"] = summary(records)
    folder = page.parent / PICTURES
    if plots.margins(records, folder / "targets.png"):
        picture = "Ratios beside their targets: bars to the right of 1 reach them"
        made["summary"] += f"\n\n![{picture}]({PICTURES}/targets.png)"
    if "training" in records and plots.seeds(records["training"], folder / "seeds.png"):
        picture = "Seed-steps a second against the number of seeds, of this suite and of rejax"
        made["training"] = f"![{picture}]({PICTURES}/seeds.png)\n\n{made['training']}"
    return made


def measured_blocks(records: Mapping[str, Record]) -> dict[str, str]:
    """The generated parts of the notes by name."""
    made = {name: measured(record) for name, record in records.items()}
    if records:
        made["environment"] = environment(records.get("training") or next(iter(records.values())))
    return made


def write(records: Mapping[str, Record], page: Path = PAGE) -> list[Path]:
    """Replaces the generated parts of `page` and of its notes for which there is a record; the files written."""
    notes = page.parent / NOTES / page.name
    _replace(page, compared_blocks(records, page))
    _replace(notes, measured_blocks(records))
    return [page, notes, *sorted((page.parent / PICTURES).glob("*.png"))]


def _replace(page: Path, made: Mapping[str, str]) -> None:
    text = page.read_text(encoding="utf-8")

    def replaced(match: re.Match[str]) -> str:
        name = match["name"]
        return f"{match[1]}{made[name]}\n{match[3]}" if name in made else match[0]

    page.write_text(_BLOCK.sub(replaced, text), encoding="utf-8")
