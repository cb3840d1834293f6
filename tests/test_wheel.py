"""A wheel of the tree: all that is in the packages and in conf/ is in it, and it works where there is no tree.

It is built without a network, by the setuptools of this environment, from a copy that holds what git would. Installed,
it sees the packages of this environment but not the tree; any interpreter that can run the tests can run this.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from landscapes import __version__, storage

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("landscapes", "run_algorithm", "eval_policy", "improve_ltp")
NO_FILES = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.swp")
TRAIN = (
    "run_name=first",
    "env=Pendulum-v1",
    "num_seeds=2",
    "steps=60",
    "checkpoints=[30,60]",
    "learning_starts=20",
    "hidden_dims=[8,8]",
    "eval_episodes=2",
    "eval_episode_length=10",
    "use_wandb=false",
)


def run(command: list[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """As a user would who knows nothing of the tree, in that folder."""
    ours = ("PYTHONPATH", "LANDSCAPES_RESULTS", "LANDSCAPES_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment | variables, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in (*PACKAGES, "conf"):
        shutil.copytree(ROOT / name, tree / name, ignore=NO_FILES)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist"]
    done = run([sys.executable, "-m", "pip", "wheel", *options, "."], tree)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (tree / "dist").glob("*.whl")
    built = built.rename(folder / built.name)
    shutil.rmtree(tree)
    return built


def test_every_file_is_in_the_wheel(wheel: Path) -> None:
    """And none that is not: tests, benchmarks and documentation stay outside."""
    assert wheel.name == f"landscapes-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        (told,) = (opened.read(name).decode() for name in opened.namelist() if name.endswith("entry_points.txt"))
    paths = [path for package in (*PACKAGES, "conf") for path in (ROOT / package).rglob("*") if path.is_file()]
    present = {str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts}
    assert names == {f"landscapes/{name}" if name.startswith("conf/") else name for name in present}
    assert "landscapes = landscapes.__main__:main" in told


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel, before whatever else this one has."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    done = run([sys.executable, "-m", "venv", "--without-pip", folder], folder.parent)
    assert done.returncode == 0, done.stderr
    python = folder / "bin" / "python"
    options = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    done = run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    (packages,) = folder.glob("lib/python*/site-packages")
    # Folders only: what else an editable installation there does to find the tree is not done.
    others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    others |= dict.fromkeys(path for path in sys.path if path.endswith("-packages"))
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in others))
    return python.parent


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_it_does_without_the_tree(installed: Path, empty: Path) -> None:
    program = (
        "import importlib; from landscapes.machine.folders import CONF, results_directory\n"
        f"for name in {PACKAGES}: print(importlib.import_module(name).__file__)\n"
        "print(CONF, results_directory(None), sep='\\n')"
    )
    done = run([installed / "python", "-c", program], empty)
    assert done.returncode == 0, done.stderr
    inside = installed.parent.resolve()
    *read, results = map(Path, done.stdout.splitlines())
    assert all(path.resolve().is_relative_to(inside) for path in read), done.stdout
    assert results.resolve() == empty.resolve() / "results"
    done = run([installed / "landscapes", "--version"], empty)
    assert (done.returncode, done.stdout) == (0, f"landscapes {__version__}\n"), done.stderr
    done = run([installed / "landscapes", "paper", "job_config=slrm"], empty)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "did you mean slurm?" in done.stderr
    done = run([installed / "landscapes", "completion", "words", "train", "experiment=train_t"], empty)
    assert done.stdout == "experiment=train_td3\n", done.stderr
    assert list(empty.iterdir()) == []


@pytest.mark.slow
def test_a_training_a_measurement_and_a_page_in_an_empty_folder(installed: Path, empty: Path) -> None:
    done = run([installed / "landscapes", "train", *TRAIN], empty)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run([installed / "python", "-m", "run_algorithm", *TRAIN], empty)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished" in done.stdout, "the same run by the other name"
    done = run(
        [installed / "landscapes", "measure", "run=first", "num_samples=4", "episode_length=10", "use_wandb=false"],
        empty,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run_folder = storage.open_run(empty / "results", "first")
    assert run_folder.record["git"] is None
    for seed in range(2):
        for step in (30, 60):
            returns = storage.read_hdf5(run_folder.returns_path(seed, step), "wheel")[0]
            assert returns["td3_optimization/own/4"].shape == (4,)
    done = run([installed / "landscapes", "report", "first"], empty)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run_folder.path / "report.html").stat().st_size > 100_000
    done = run([installed / "landscapes", "figures", "first", "only=purds", "format=png"], empty)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in empty.iterdir()] == ["results"]
