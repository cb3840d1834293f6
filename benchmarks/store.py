"""Records as JSON files, one a benchmark.

Knows where they lie; knows no benchmark.
"""

import json
import os
from pathlib import Path

from benchmarks.timing import Record, from_json, to_json

FOLDER = Path(__file__).resolve().parent / "results"


def write(record: Record, folder: Path) -> Path:
    """Writes the file whole or not at all; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.benchmark}.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(to_json(record), indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def read_all(folder: Path) -> dict[str, Record]:
    """The records that there are, by benchmark."""
    records = [from_json(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]
    return {record.benchmark: record for record in records}
