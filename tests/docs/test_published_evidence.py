"""The evidence at the published size: its page of claims follows from the returns that lie beside it."""

import re
import shlex
from pathlib import Path

import doc_blocks

from landscapes.paper.__main__ import main
from landscapes.paper.study import make_study

RESULTS = doc_blocks.ROOT / "docs" / "results"
RUNS = (
    "paper_published_td3_hopper",
    "paper_published_td3_walker2d",
    "paper_published_td3_halfcheetah",
    "paper_published_ppo_hopper",
)


def test_the_claims_are_those_of_the_stored_returns(tmp_path: Path) -> None:
    out = tmp_path / "claims.md"
    assert main(["claims", *RUNS, f"out={out}", f"results_dir={RESULTS / 'published'}"]) == 0
    assert out.read_text(encoding="utf-8") == (RESULTS / "published_claims.md").read_text(encoding="utf-8")


def test_the_studies_that_made_them_are_taken() -> None:
    lines = re.findall(
        r'^make paper ARGS="(.*)"$', (RESULTS / "published.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    studies = [make_study(shlex.split(line)) for line in lines]
    assert [study.run_name(*training) for study in studies for training in study.trainings] == [*RUNS]


def test_no_machine_is_named() -> None:
    for path in (RESULTS / "published").rglob("*"):
        if path.is_file():
            assert b'results_dir": "' not in path.read_bytes(), path
            assert path.suffix != ".lock"
