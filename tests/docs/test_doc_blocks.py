"""Every block of code of the documentation runs, page by page in its order, as a reader would go through it.

Point masses stand in for the simulators, and `doc_blocks` says what is made smaller. What cannot be run here is listed
with the reason; the README and the page about clusters have tests of their own.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import doc_blocks
import pytest
from doc_blocks import PAGES, ROOT, blocks, name_of

from landscapes.config.launch import run_entry_point
from landscapes.envs import brax
from tests.docs.test_published_commands import LINES, SMALL, SMALL_PPO
from tests.jobs import test_published_atari

pytestmark = pytest.mark.usefixtures("shared_programs")

TRAINING = "run_name=calm experiment.env=hopper experiment.checkpoints=[15,30,45,60,195]"
"""The run that pages speak of, with the checkpoints that 50000, 100000, 150000, 200000 and 650000 become."""
COPIES = ("noisy", "long", "hopper", "hopper_sac")
"""The others: that one under their names."""
PREPARED = {
    "docs/files.md": [
        (
            "eval_policy",
            "experiment.run_name=calm experiment.ckpt_indexes=[15] experiment.noise_type=td3_optimization "
            "experiment.noise_amounts=[3e-4] experiment.record_trajectories=1",
            "",
        ),
        (
            "eval_policy",
            "experiment=policy_interpolation_seed experiment.run_name=calm experiment.same_seed=true "
            "experiment.ckpt_indexes=[15,45] experiment.first_half=null",
            "experiment.num_points=21 experiment.num_purd_samples=50",
        ),
        (
            "eval_policy",
            "experiment=landscape_slice experiment.run_name=calm experiment.ckpt=15",
            "experiment.num_x=21 experiment.num_samples=8",
        ),
        (
            "improve_ltp",
            "experiment.root_policy_conf.run_name=calm experiment.root_policy_conf.ckpt=15",
            "experiment.max_steps=40",
        ),
    ],
    "docs/gallery.md": [
        (
            "run_algorithm",
            "run_name=td3_hopper experiment.env=hopper experiment.checkpoints=[7,9,12]",
            "experiment.num_seeds=2",
        )
    ],
}
"""What a page supposes to have been run beside the training: entry point, settings, and those that stay as they are."""

TESTED_ELSEWHERE = {
    "README.md": "tests/docs/test_readme.py",
    "docs/cluster.md": "tests/cluster/test_cluster_docs.py, on a real SLURM",
    "docs/paper.md": "tests/paper/, smaller: hours as they stand",
    "docs/published.md": "tests/paper/test_published.py, smaller: hours as they stand",
    "docs/search.md": "tests/jobs/test_search.py, with a real sweeper",
}
NOT_RUN = {
    "wandb": "needs a server: tests/tracking/test_wandb_server.py uploads to one of its own",
    "tensorboard": "serves until it is ended: tests/tracking/test_local_trackers.py reads the files by its own reader",
    "make": "measures for most of an hour: tests/test_benchmarks.py runs the workloads",
    "source": "sets up a shell: tests/cli/test_completion.py does it in a real one",
}
"""Programs whose commands are only read."""
SLOW = (
    "docs/behaviour_cloning.md",
    "docs/command_line.md",
    "docs/figures.md",
    "docs/files.md",
    "docs/gallery.md",
    "docs/host_environments.md",
    "docs/neighborhoods.md",
    "docs/paths.md",
    "docs/python.md",
    "docs/results/published.md",
    "docs/testing.md",
)
"""Their commands are of kinds that other pages have, or tests/studies/, tests/figures/ and tests/jobs/; so is what is
called from Python."""


def run_pages() -> Iterator[object]:
    """Pages with code that is run here."""
    for page in PAGES:
        if blocks(page, "bash", "sh", "python") and name_of(page) not in TESTED_ELSEWHERE:
            yield pytest.param(page, marks=[pytest.mark.slow] if name_of(page) in SLOW else [])


def run_job(entry_point: str, settings: str, last: str) -> None:
    words = settings.split()
    assert run_entry_point(entry_point, [*words, *doc_blocks.small_settings(entry_point, words), *last.split()]) == 0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `calm`, four seeds of TD3, and its copies, none of them measured."""
    folder = tmp_path_factory.mktemp("documented") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brax, "make", doc_blocks.stand_in)
        patch.setenv("LANDSCAPES_RESULTS", str(folder))
        run_job("run_algorithm", TRAINING, "experiment.steps=200")
    for name in COPIES:
        shutil.copytree(folder / "calm", folder / name)
        record = json.loads((folder / name / "run.json").read_text())
        (folder / name / "run.json").write_text(json.dumps(record | {"name": name}))
    return folder


@pytest.fixture
def reader(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: a clone of the repository, as far as `docs/`, with a `results/` of one's own."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    shutil.copytree(results, tmp_path / "results", dirs_exist_ok=True)
    monkeypatch.setattr(brax, "make", doc_blocks.stand_in)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "results"))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_shell(block: str) -> None:
    for command in doc_blocks.commands(block):
        if is_published(command):
            continue
        if command.module is None:
            assert command.program in NOT_RUN, f"neither run nor listed: {command}"
            continue
        settings = [doc_blocks.smaller(word) for word in command.settings]
        assert doc_blocks.run(command.module, settings) == 0, command


def keys_of(settings: Sequence[str]) -> frozenset[str]:
    return frozenset(word.partition("=")[0] for word in settings)


def published() -> set[tuple[str, frozenset[str]]]:
    """Entry point and keys of the published commands, without what `test_published_commands.py` adds to training."""
    added = {"run_name", *keys_of(SMALL), *keys_of(SMALL_PPO)}
    return {
        (entry_point, keys_of(arguments) - (added if entry_point == "run_algorithm" else set()))
        for entry_point, arguments in LINES
    }


def is_published(command: doc_blocks.Command) -> bool:
    """Whether it is one of those, which that test runs with smaller numbers, told by its keys, or a script on Atari."""
    if command.script is not None:
        return True
    return (command.folder, keys_of(command.settings)) in published()


def run_page(page: Path) -> None:
    """Its blocks in their order; those of Python share their names, as in one notebook."""
    names: dict[str, object] = {"__name__": "notebook"}
    for language, block in doc_blocks.all_blocks(page):
        if language in ("bash", "sh"):
            run_shell(block)
        elif language == "python":
            exec(compile(doc_blocks.smaller(block), name_of(page), "exec"), names)
        else:
            assert language in ("text", "bibtex"), f"a language that nothing runs: {language}"


@pytest.mark.parametrize("page", list(run_pages()), ids=name_of)
def test_every_block_of_a_page_runs(page: Path, reader: Path) -> None:
    for job in PREPARED.get(name_of(page), ()):
        run_job(*job)
    run_page(page)


def test_the_published_commands_are_those_that_are_run() -> None:
    found = filter(is_published, doc_blocks.page_commands(ROOT / "docs" / "command_line.md"))
    assert {(command.folder, keys_of(command.settings)) for command in found} == published()


def test_the_published_scripts_are_those_that_are_run() -> None:
    found = doc_blocks.page_commands(ROOT / "docs" / "host_environments.md")
    told = {command.script: (command.folder, command.settings) for command in found if command.script is not None}
    tested = test_published_atari.LINES.items()
    assert told == {script: (test_published_atari.FOLDERS[script], line.split()) for script, line in tested}
