"""The tables of docs/data.md are those of the code: every kind, every column, and what each holds.

Knows the page and `tables.KINDS`; that its commands run is tested with those of the other pages.
"""

from doc_blocks import ROOT

from landscapes.storage.tables import KINDS

PAGE = ROOT / "docs" / "data.md"


def kinds_table() -> str:
    rows = [f"| `{name}` | {kind.what} | {', '.join(kind.columns)} |" for name, kind in KINDS.items()]
    return "\n".join(["| kind | a row is | columns |", "| --- | --- | --- |", *rows])


def columns_table() -> str:
    """Each column once for each meaning that it has, with the kinds in which it has that."""
    meanings: dict[tuple[str, str], list[str]] = {}
    for name, kind in KINDS.items():
        for column, meaning in kind.columns.items():
            meanings.setdefault((column, meaning), []).append(name)
    rows = [f"| `{column}` | {', '.join(kinds)} | {meaning} |" for (column, meaning), kinds in meanings.items()]
    return "\n".join(["| column | in | holds |", "| --- | --- | --- |", *rows])


def test_the_page_has_the_tables_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in (kinds_table(), columns_table()):
        assert table in page, f"docs/data.md should have this table:\n{table}"
