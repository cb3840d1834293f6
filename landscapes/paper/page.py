"""The page of claims: verdicts, tables, and what they were made with, as Markdown; the same as JSON beside it.

Knows claims and records of runs; computes nothing but what it counts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from landscapes.paper.claims import Claim
from landscapes.paper.roots import MOST_OF_A_SEED, Choice
from landscapes.storage import Run
from landscapes.storage.files import write_whole


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


_STEPS = ("steps", "max_steps", "total_timesteps")
"""How long a training is; the latter two in records of earlier versions."""


def steps_told(record: Mapping[str, Any]) -> str:
    """How many environment steps a training was told to take; empty where its record does not say."""
    config = (record.get("config") or {}).get("experiment") or {}
    return next((str(config[key]) for key in _STEPS if key in config), "")


def made_with(runs: Sequence[Run]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Columns and rows: of each run its task, backend, seeds, versions, source and machine."""
    rows = []
    for run in runs:
        record = run.record
        environment, machine, git = (record.get(key) or {} for key in ("environment", "machine", "git"))
        lost = [f"{len(record.get(key) or {})} {key}" for key in ("diverged", "dead") if record.get(key)]
        rows.append(
            [
                run.name,
                str((record.get("algorithm") or {}).get("name", "")),
                f"{environment.get('name', '')} ({environment.get('backend', '')})",
                f"{run.num_seeds} from {record.get('random_seed')}" + "".join(f", {each}" for each in lost),
                steps_told(record),
                ", ".join(f"{name} {version}" for name, version in (record.get("versions") or {}).items()),
                str(git.get("commit") or "unknown")[:10] + (" with changes" if git.get("dirty") else ""),
                ", ".join(str(value) for value in machine.values()),
                str(record.get("status", "")),
            ]
        )
    return ("run", "algorithm", "task", "seeds", "steps a seed", "versions", "commit", "machine", "status"), rows


def roots_told(choices: dict[str, Choice]) -> str:
    """What the roots of each algorithm were chosen among."""
    lines = []
    for algorithm, choice in choices.items():
        roots = "; ".join(
            f"{root.policy.run} seed {root.policy.seed} {root.policy.step} ({root.by} {root.tail:.3f})"
            for root in choice.roots
        )
        lines.append(
            f"- {algorithm}: of {choice.num_measured} policies measured "
            f"{choice.num_with_ltp + choice.num_with_median} have a left tail above 1 % for sure, "
            f"{choice.num_with_ltp} by half of the mode, as published, and {choice.num_with_median} by half of the "
            f"median, which is more there. By the rule (the largest first, at most {MOST_OF_A_SEED} of a seed) "
            f"{len(choice.roots)} are roots: {roots or 'none'}"
        )
    return "\n".join(lines) or "Nothing was measured."


def write(
    claims: Sequence[Claim], runs: Sequence[Run], choices: dict[str, Choice], command: str, path: Path
) -> list[Path]:
    """Writes the page and its JSON; their paths."""
    names = ", ".join(run.name for run in runs)
    parts = [
        f"# The published claims, on {names}\n\nWritten by `{command}` from the stored results; nothing here is "
        "edited by hand.",
        markdown(("claim", "", "verdict"), [[claim.letter, claim.title, f"**{claim.verdict}**"] for claim in claims]),
    ]
    for claim in claims:
        parts.append(f"## ({claim.letter}) {claim.title}: {claim.verdict}\n\n{claim.told}")
        parts += [markdown(claim.columns, claim.rows)] if claim.rows else []
    parts.append(f"## Roots\n\n{roots_told(choices)}")
    parts.append(f"## Made with\n\n{markdown(*made_with(runs))}")
    text = "\n\n".join(parts) + "\n"
    plain = {"command": command, "claims": [claim.__dict__ for claim in claims], "runs": [run.name for run in runs]}
    numbers = json.dumps(plain, indent=1) + "\n"
    beside = path.with_suffix(".json")
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    write_whole(beside, lambda temporary: temporary.write_text(numbers, encoding="utf-8"))
    return [path, beside]
