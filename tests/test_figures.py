"""Figures drawn from small result files of the test's own: that they are drawn, and that what cannot be is refused.

Knows the layout of result files and reads the drawn pixels; what the pictures should look like is for eyes.
"""

import subprocess
import sys
from pathlib import Path

import h5py
import matplotlib.image
import numpy as np
import pytest

from landscapes import statistics
from landscapes.errors import UserError
from landscapes.figures import learning_curves, purd_histograms, rejection_figure, style

UNDISCOUNTED = "und_returns/td3_optimization/0.0003/1000"
DISCOUNTED = "td3_optimization/0.0003/1000"
GROUP = "cvar/1check/40steps/seed0"


def purd(seed: int, peak: float = 1500.0, num_samples: int = 200) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (peak - generator.gamma(0.6, 400.0, num_samples)).astype(np.float32)


def s0_returns(folder: Path, checkpoint: int = 50_000, returns: np.ndarray | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"s0_returns_{checkpoint}.h5"
    with h5py.File(path, "w") as file:
        file[UNDISCOUNTED] = purd(checkpoint) if returns is None else returns
        file[DISCOUNTED] = purd(checkpoint, 90.0)
    return path


def rejection_file(path: Path, control: bool = True, num_proposals: int = 10) -> Path:
    purds = np.stack([purd(i) for i in range(num_proposals + 1)])
    with h5py.File(path, "w") as file:
        group = file.create_group(GROUP)
        group["purds"] = purds
        group["means"] = purds.mean(axis=1)
        group["cvars"] = [statistics.cvar(one) for one in purds]
        group["ltps"] = [np.nan, *(statistics.left_tail_probability(one) for one in purds[1:])]
        group["accepted"] = np.arange(num_proposals + 1) % 3 == 0
        for name in ("root", "improved", *(["control"] if control else [])):
            group[f"fresh/{name}"] = purd(len(name))
    return path


def curves_file(path: Path, num_seeds: int = 5, num_steps: int = 8) -> Path:
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["steps"] = np.arange(num_steps) * 50_000
        file["returns"] = np.sort(generator.normal(1000.0, 300.0, (num_steps, num_seeds)), axis=0)
    return path


def pixels(path: Path) -> np.ndarray:
    """The picture `[height, width, 3]` in 0..1; fails where it is not one, or next to empty."""
    picture = matplotlib.image.imread(path)[:, :, :3]
    assert min(picture.shape[:2]) > 300
    ink = (picture < 0.95).any(axis=2).mean()
    assert 0.01 < ink < 0.7
    return picture


def share_of(picture: np.ndarray, colour: str) -> float:
    """The share of pixels of exactly this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return float((np.round(picture * 255) == wanted).all(axis=2).mean())


def test_importing_figures_starts_no_simulator_and_no_display():
    program = (
        "import sys, landscapes.figures; print([m for m in ('jax', 'brax', 'matplotlib.pyplot') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parent.parent
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("num_panels", [1, 3, 5, 12])
def test_purds_are_drawn(tmp_path, num_panels):
    entries = [(f"seed {i}", s0_returns(tmp_path / f"seed{i}"), UNDISCOUNTED) for i in range(num_panels)]
    path = purd_histograms(entries, tmp_path / "figures" / "purds.png")
    assert path == tmp_path / "figures" / "purds.png"
    assert share_of(pixels(path), style.BLUE) > 0
    assert [file.name for file in path.parent.iterdir()] == ["purds.png"], "no half-written file is left"


def test_checkpoints_of_one_seed_share_its_panel(tmp_path):
    entries = [
        (f"seed {seed}", s0_returns(tmp_path / f"seed{seed}", checkpoint), UNDISCOUNTED)
        for seed in range(2)
        for checkpoint in (50_000, 450_000, 950_000)
    ]
    pixels(purd_histograms(entries, tmp_path / "purds.png"))


def test_discounted_returns_have_their_own_axis(tmp_path):
    path = s0_returns(tmp_path)
    pixels(purd_histograms([("seed 0", path, DISCOUNTED)], tmp_path / "purds.png"))
    with pytest.raises(UserError, match="all discounted or all undiscounted"):
        purd_histograms([("a", path, DISCOUNTED), ("b", path, UNDISCOUNTED)], tmp_path / "mixed.png")
    assert not (tmp_path / "mixed.png").exists()


@pytest.mark.parametrize(
    "returns",
    [
        np.full(50, 7.0),
        np.array([3.0]),
        np.array([1.0, np.nan, 3.0]),
        np.full(4, np.nan),
        -purd(0, -100.0),
        purd(0, -100.0),
    ],
    ids=["equal", "single", "one nan", "all nan", "positive", "negative"],
)
def test_unusual_returns_are_drawn_and_not_dropped(tmp_path, returns):
    entries = [("usual", s0_returns(tmp_path / "a"), UNDISCOUNTED)]
    entries += [("unusual", s0_returns(tmp_path / "b", returns=returns), UNDISCOUNTED)]
    pixels(purd_histograms(entries, tmp_path / "purds.png"))


def test_what_is_missing_is_named(tmp_path):
    path = s0_returns(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        purd_histograms([("a", tmp_path / "absent.h5", UNDISCOUNTED)], tmp_path / "purds.png")
    with pytest.raises(UserError, match=r"dataset=und_returns/none: .*td3_optimization/0.0003/1000"):
        purd_histograms([("a", path, "und_returns/none")], tmp_path / "purds.png")
    with pytest.raises(UserError, match="1 to 12"):
        purd_histograms([(str(i), path, UNDISCOUNTED) for i in range(13)], tmp_path / "purds.png")
    with pytest.raises(UserError, match="1 to 12"):
        purd_histograms([], tmp_path / "purds.png")
    with pytest.raises(UserError, match=r"\.png, \.pdf, \.svg"):
        purd_histograms([("a", path, UNDISCOUNTED)], tmp_path / "purds.bmp")


@pytest.mark.parametrize("control", [True, False])
def test_a_rejection_study_is_drawn(tmp_path, control):
    path = rejection_figure(rejection_file(tmp_path / "study.h5", control), GROUP, tmp_path / "rejection.png")
    picture = pixels(path)
    assert share_of(picture, style.BLUE) > 0, "accepted"
    assert share_of(picture, style.RED) > 0, "refused"
    assert (share_of(picture, style.ORANGE) > 0) == control


def test_a_rejection_study_without_fresh_samples_shows_its_traces(tmp_path):
    path = rejection_file(tmp_path / "study.h5")
    with h5py.File(path, "a") as file:
        del file[f"{GROUP}/fresh"]
    pixels(rejection_figure(path, GROUP, tmp_path / "rejection.png"))


def test_a_missing_study_is_named(tmp_path):
    path = rejection_file(tmp_path / "study.h5")
    with pytest.raises(UserError, match=r"group=ltp/1check: .*cvar/1check/40steps/seed0"):
        rejection_figure(path, "ltp/1check", tmp_path / "rejection.png")
    with h5py.File(path, "a") as file:
        del file[f"{GROUP}/accepted"]
    with pytest.raises(UserError, match="holds no accepted"):
        rejection_figure(path, GROUP, tmp_path / "rejection.png")


def test_learning_curves_of_two_runs_are_drawn(tmp_path):
    files = [curves_file(tmp_path / "a.h5"), curves_file(tmp_path / "b.h5", num_seeds=1)]
    picture = pixels(learning_curves(files, ["TD3", "SAC"], tmp_path / "curves.png"))
    assert share_of(picture, style.BLUE) > 0
    assert share_of(picture, style.ORANGE) > 0


def test_a_diverged_seed_leaves_a_gap_in_the_mean(tmp_path):
    path = curves_file(tmp_path / "a.h5")
    whole = pixels(learning_curves(path, "TD3", tmp_path / "whole.png"))
    with h5py.File(path, "a") as file:
        file["returns"][4:, 0] = np.nan
    gap = pixels(learning_curves(path, "TD3", tmp_path / "gap.png"))
    assert share_of(gap, style.BLUE) < share_of(whole, style.BLUE)


def test_curves_that_are_not_curves_are_refused(tmp_path):
    path = curves_file(tmp_path / "a.h5")
    with pytest.raises(UserError, match="one for each of 1 files"):
        learning_curves([path], ["TD3", "SAC"], tmp_path / "curves.png")
    with h5py.File(path, "a") as file:
        del file["steps"]
        file["steps"] = np.arange(3)
    with pytest.raises(UserError, match=r"steps \(3,\) and returns \(8, 5\)"):
        learning_curves(path, "TD3", tmp_path / "curves.png")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_data_give_the_same_bytes(tmp_path, suffix):
    path = curves_file(tmp_path / "a.h5")
    one, two = (learning_curves(path, "TD3", tmp_path / f"{name}.{suffix}") for name in "ab")
    assert one.read_bytes() == two.read_bytes()
