"""`python -m landscapes.config.tables PAGE...`: tables of keys in the documentation, written anew from the settings.

Knows Markdown and the comments between which a table goes (`<!-- keys of train_ppo -->`); knows no key.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from landscapes.config.compose import hydra_loader, load
from landscapes.config.help import experiment_rows
from landscapes.config.kinds import entry_point_of
from landscapes.config.published import Spelled
from landscapes.config.training import COMMON

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


def table(experiment: str) -> str:
    """The keys of an experiment; of a training those of its algorithm, without what all have in common."""
    with hydra_loader("run_algorithm") as loader:
        config = load(loader, "run_algorithm", Spelled([f"experiment={experiment}"]))
    values = OmegaConf.to_container(config.experiment)
    assert isinstance(values, dict)
    told = {str(name): value for name, value in values.items()}
    entry_point = entry_point_of(told["kind"])
    assert entry_point is not None
    rows = experiment_rows(entry_point, told)
    if told["kind"] == "train":
        rows = [row for row in rows if row.key not in COMMON]
    lines = [
        f"| `{row.key}` | {row.value} | {_cell('; '.join(filter(None, (row.meaning, row.allowed))))} |" for row in rows
    ]
    return "\n".join(["| key | default | meaning and range |", "| --- | --- | --- |", *lines, ""])


def _cell(text: str) -> str:
    """Words in a cell: nothing in them is HTML or the end of the cell."""
    return text.replace("<", "&lt;").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
