"""`python -m landscapes.config.tables PAGE...`: tables of keys in the documentation, written anew from the settings.

Knows Markdown and the comments between which a table goes (`<!-- keys of train_ppo -->`); knows no key.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from landscapes.config.compose import hydra_loader, load
from landscapes.config.help import Row, experiment_rows, shared_rows
from landscapes.config.kinds import entry_point_of
from landscapes.config.published import Spelled
from landscapes.config.training import COMMON
from landscapes.settings.algorithms import ALGORITHMS

_TABLE = re.compile(r"(<!-- keys of (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrites each page, and prints those that have changed."""
    for name in sys.argv[1:] if arguments is None else arguments:
        page = Path(name)
        before = page.read_text(encoding="utf-8")
        after = rewritten(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(page)
    return 0


def rewritten(page: str) -> str:
    """The text of a page with its tables as the settings are."""
    return _TABLE.sub(lambda found: found[1] + table(found[2]), page)


def table(name: str) -> str:
    """The keys of an experiment (of a training those of its algorithm alone), or of `every_training`, or of
    `every_job`."""
    if name == "every_job":
        rows = shared_rows({key: value for key, value in _values("train_td3").items() if key != "experiment"})
    elif name == "every_training":
        rows = _common_rows()
    else:
        rows = [row for row in _rows(name) if not name.startswith("train_") or row.key not in COMMON]
    lines = [
        f"| `{row.key}` | {row.value} | {_cell('; '.join(filter(None, (row.meaning, row.allowed))))} |" for row in rows
    ]
    return "\n".join(["| key | default | meaning and range |", "| --- | --- | --- |", *lines, ""])


def _common_rows() -> list[Row]:
    """Of the keys that all trainings have, with the default of the first algorithm and those that differ from it."""
    names = [f"train_{algorithm}" for algorithm in ("td3", *(each for each in ALGORITHMS if each != "td3"))]
    first, *others = ({row.key: row for row in _rows(name)} for name in names)
    rows = []
    for key in COMMON:
        differing = [
            f"`{name}`: {other[key].value}"
            for name, other in zip(names[1:], others, strict=True)
            if other[key].value != first[key].value
        ]
        rows.append(first[key]._replace(value="; ".join([first[key].value, *differing])))
    return rows


def _rows(experiment: str) -> list[Row]:
    own = _values(experiment)["experiment"]
    entry_point = entry_point_of(own["kind"])
    assert entry_point is not None
    return experiment_rows(entry_point, own)


def _values(experiment: str) -> dict[str, Any]:
    """The composed configuration as nested plain values, references as they are written."""
    with hydra_loader("run_algorithm") as loader:
        config = load(loader, "run_algorithm", Spelled([f"experiment={experiment}"]))
    values = OmegaConf.to_container(config)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def _cell(text: str) -> str:
    """Words in a cell: nothing in them is HTML or the end of the cell."""
    return text.replace("<", "&lt;").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
