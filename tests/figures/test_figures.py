"""Figures drawn from small result files: that they are drawn, that nothing overlaps, that what cannot be is refused.

Knows the layout of result files, and reads the pixels and the words of what was drawn; whether a picture pleases is for
eyes.
"""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import h5py
import layouts
import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from landscapes.errors import UserError
from landscapes.figures import (
    gradient_norms,
    learning_curves,
    mean_against_spread,
    paths_figure,
    purd_histograms,
    purd_ridges,
    rejection_figure,
    same_mean_pairs,
    slice_figure,
    style,
)
from landscapes.storage import Run, find_measurements, merge_hdf5

ROOT = Path(__file__).resolve().parents[2]
UNDISCOUNTED = f"und_returns/{layouts.KIND}/{layouts.AMOUNT}/200"
DISCOUNTED = f"{layouts.KIND}/{layouts.AMOUNT}/200"


@pytest.fixture
def run(tmp_path):
    return layouts.make_run(tmp_path, num_seeds=5)


@pytest.fixture
def words(monkeypatch):
    """Every text drawn so far, with the box that it took; checks at the end that none was cut or covered by another.

    Boxes are `[2, 2]`, the lower left and the upper right corner as shares of the figure.
    """
    drawn = {}
    draw = Text.draw

    def noted(text, renderer, *rest, **options):
        if text.get_visible() and text.get_text().strip():
            size = text.get_figure(root=True).bbox.max
            drawn[text] = text.get_window_extent(renderer).get_points() / size
        return draw(text, renderer, *rest, **options)

    monkeypatch.setattr(Text, "draw", noted)
    yield drawn
    assert drawn
    for text, box in drawn.items():
        assert box.min() >= -0.002 and box.max() <= 1.002, f"cut: {text.get_text()!r}"
    for (one, first), (two, second) in itertools.combinations(drawn.items(), 2):
        if one.get_figure(root=True) is two.get_figure(root=True):
            overlap = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
            assert overlap.min() <= 0.002, f"{one.get_text()!r} overlaps {two.get_text()!r}"


def said(words) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in words)


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


def purds(run: Run, num_seeds: int = 2, num_steps: int = 3):
    for seed, index in itertools.product(range(num_seeds), range(num_steps)):
        returns = layouts.purd(seed + 7 * index, 500.0 + 300.0 * index, spread=100.0 + 150.0 * seed)
        layouts.add_purd(run, seed, 50_000 * (index + 1), returns)
    return find_measurements(run).purds


# --- the package


def test_importing_figures_starts_no_simulator_and_no_display():
    program = (
        "import sys, landscapes.figures, landscapes.figures.__main__\n"
        "print([m for m in ('jax', 'brax', 'matplotlib.pyplot') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted((ROOT / "landscapes" / "figures").glob("*.py")), ids=lambda path: path.stem)
def test_figures_hold_no_statistics_of_their_own(path):
    """Means, spreads, quantiles and histograms come from `landscapes.statistics`, whoever draws them."""
    forbidden = {"mean", "nanmean", "std", "var", "median", "quantile", "percentile", "average", "histogram", "hist"}
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    found = [f for f in calls if isinstance(f, ast.Attribute) and f.attr in forbidden]
    assert [ast.unparse(f) for f in found if ast.unparse(f.value) != "statistics"] == []


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_data_give_the_same_bytes(run, tmp_path, suffix):
    path = layouts.add_curves(run)
    one, two = (learning_curves(path, "TD3", tmp_path / f"{name}.{suffix}") for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_several_formats_hold_the_same_picture(run, tmp_path):
    """Where a figure is saved several times, one save must not move what the next one shows."""
    layouts.add_slice(run, others=(("calm", 1, 8000),))
    layouts.add_curves(run)
    (found,) = find_measurements(run).slices
    for name, draw in (
        ("slice", lambda out: slice_figure(found, out, title="calm")),
        ("curves", lambda out: learning_curves(run.curves_path, "TD3", out)),
    ):
        alone = draw(tmp_path / f"{name}.png")
        pdf, png = draw([tmp_path / f"{name}_both.pdf", tmp_path / f"{name}_both.png"])
        assert pdf.read_bytes().startswith(b"%PDF")
        assert png.read_bytes() == alone.read_bytes()


def test_what_cannot_be_written_is_one_line(run, tmp_path):
    path = layouts.add_curves(run)
    with pytest.raises(UserError, match=r"\.png, \.pdf, \.svg"):
        learning_curves(path, "TD3", tmp_path / "curves.bmp")
    with pytest.raises(UserError, match="cannot be written"):
        learning_curves(path, "TD3", path / "below_a_file.png")


# --- histograms


@pytest.mark.parametrize("num_panels", [1, 3, 12])
def test_purds_are_drawn(tmp_path, num_panels, words):
    run = layouts.make_run(tmp_path, num_seeds=num_panels)
    entries = [(f"seed {i}", layouts.add_purd(run, i), UNDISCOUNTED) for i in range(num_panels)]
    path = purd_histograms(entries, tmp_path / "figures" / "purds.png")
    assert path == tmp_path / "figures" / "purds.png"
    assert share_of(pixels(path), style.BLUE) > 0
    assert [file.name for file in path.parent.iterdir()] == ["purds.png"], "no half-written file is left"


def test_checkpoints_of_one_seed_share_its_panel(run, tmp_path):
    entries = [
        (f"seed {seed}", layouts.add_purd(run, seed, checkpoint), UNDISCOUNTED)
        for seed in range(2)
        for checkpoint in (50_000, 450_000, 950_000)
    ]
    pixels(purd_histograms(entries, tmp_path / "purds.png"))


def test_discounted_returns_have_their_own_axis(run, tmp_path):
    path = layouts.add_purd(run)
    pixels(purd_histograms([("seed 0", path, DISCOUNTED)], tmp_path / "purds.png"))
    with pytest.raises(UserError, match="all discounted or all undiscounted"):
        purd_histograms([("a", path, DISCOUNTED), ("b", path, UNDISCOUNTED)], tmp_path / "mixed.png")
    assert not (tmp_path / "mixed.png").exists()


UNUSUAL = {
    "equal": np.full(50, 7.0),
    "single": np.array([3.0]),
    "one nan": np.array([1.0, np.nan, 3.0]),
    "all nan": np.full(4, np.nan),
    "positive": -layouts.purd(0, -100.0),
    "negative": layouts.purd(0, -100.0),
}


@pytest.mark.parametrize("which", [list(UNUSUAL), ["equal"], ["all nan"]], ids=["together", "equal", "all nan"])
def test_unusual_returns_are_drawn_and_not_dropped(run, tmp_path, which, words):
    for step, name in enumerate(which):
        layouts.add_purd(run, 0, step, UNUSUAL[name])
    found = find_measurements(run).purds
    pixels(purd_histograms([(str(p.policy.step), p.path, p.dataset) for p in found], tmp_path / "purds.png"))
    pixels(purd_ridges(found, tmp_path / "ridges.png"))
    pixels(mean_against_spread(found, tmp_path / "spread.png"))
    assert same_mean_pairs(found, tmp_path / "pairs.png") is None
    wrong = {name: int(np.isnan(UNUSUAL[name]).sum()) for name in which}
    for name in which:
        said_so = f"{wrong[name]} of {len(UNUSUAL[name])} not finite" in said(words)
        assert said_so == (wrong[name] > 0)
    assert (f"left out: {np.count_nonzero(list(wrong.values()))} with returns not finite" in said(words)) == any(
        wrong.values()
    )


def test_what_is_missing_is_named(run, tmp_path):
    path = layouts.add_purd(run)
    with pytest.raises(UserError, match="no such file"):
        purd_histograms([("a", tmp_path / "absent.h5", UNDISCOUNTED)], tmp_path / "purds.png")
    with pytest.raises(UserError, match=r"dataset=und_returns/none: .*td3_optimization/0.0003/200"):
        purd_histograms([("a", path, "und_returns/none")], tmp_path / "purds.png")
    for entries in ([(str(i), path, UNDISCOUNTED) for i in range(13)], []):
        with pytest.raises(UserError, match="1 to 12"):
            purd_histograms(entries, tmp_path / "purds.png")


# --- ridges


@pytest.mark.parametrize("num_seeds, num_steps", [(1, 1), (1, 10), (3, 2)])
def test_ridges_over_training(run, tmp_path, num_seeds, num_steps, words):
    found = purds(run, num_seeds, num_steps)
    pixels(purd_ridges(found, tmp_path / "ridges.png", title="calm, hopper (spring)"))
    seeds = "1 seed" if num_seeds == 1 else f"{num_seeds} seeds"
    assert f"{num_seeds * num_steps} checkpoint" in said(words)
    assert f"of {seeds}; 200 samples each" in said(words)
    assert f"{50_000 * num_steps:,}" in said(words)


def test_of_many_checkpoints_some_are_drawn_and_that_is_said(run, tmp_path, words):
    found = purds(run, 1, 30)
    purd_ridges(found, tmp_path / "ridges.png")
    assert "12 of 30 checkpoints drawn" in said(words)
    assert "50,000" in said(words) and "1,500,000" in said(words)


def test_too_many_seeds_for_one_page_of_ridges(run, tmp_path):
    with pytest.raises(UserError, match="1 to 4"):
        purd_ridges(purds(run, 5, 1), tmp_path / "ridges.png")
    with pytest.raises(UserError, match="1 to 4"):
        purd_ridges([], tmp_path / "ridges.png")


# --- mean against spread


def test_one_run_has_a_colour_for_each_seed(run, tmp_path, words):
    picture = pixels(mean_against_spread(purds(run), tmp_path / "spread.png", title="calm, hopper (spring)"))
    assert share_of(picture, style.BLUE) > 0 and share_of(picture, style.ORANGE) > 0
    assert "6 checkpoints of 2 seeds; 200 samples each" in said(words)
    assert "seed 0" in said(words) and "left out" not in said(words)


def test_several_runs_have_a_colour_each(run, tmp_path, words):
    other = layouts.make_run(tmp_path, "a-run-with-a-name-that-is-much-too-long-for-any-legend-of-a-figure")
    found = [*purds(run), *purds(other, 1, 1)]
    picture = pixels(mean_against_spread(found, tmp_path / "spread.png"))
    assert share_of(picture, style.BLUE) > 0 and share_of(picture, style.ORANGE) > 0
    assert "7 checkpoints of 3 seeds of 2 runs" in said(words)


def test_an_undefined_left_tail_is_left_out_and_said(run, tmp_path, words):
    layouts.add_purd(run, 0, 50_000, -layouts.purd(0))
    layouts.add_purd(run, 0, 100_000)
    mean_against_spread(find_measurements(run).purds, tmp_path / "spread.png")
    assert "left out: 1 not defined" in said(words)
    with pytest.raises(UserError, match="at least one"):
        mean_against_spread([], tmp_path / "none.png")


# --- pairs


def test_a_same_mean_pair_is_drawn(run, tmp_path, words):
    # By hand: means 1000 and 1010 agree within 2 %, stds are 10 and 300; the third is far from both.
    for step, mean, std in ((1, 1000.0, 10.0), (2, 1010.0, 300.0), (3, 3000.0, 1.0)):
        layouts.add_purd(run, 0, step, mean + std * np.tile(np.float32([-1, 1]), 50))
    picture = pixels(same_mean_pairs(find_measurements(run).purds, tmp_path / "pairs.png", title="calm"))
    assert share_of(picture, style.BLUE) > 0 and share_of(picture, style.ORANGE) > 0
    assert "seed 0 at 1: mean 1,000, std 10, " in said(words)
    assert "seed 0 at 2: mean 1,010, std 300, " in said(words)
    assert "chosen among 3 checkpoints of 1 seed" in said(words)
    assert "pair 2" not in said(words)


def test_no_pair_is_no_picture(run, tmp_path):
    layouts.add_purd(run)
    assert same_mean_pairs(find_measurements(run).purds, tmp_path / "pairs.png") is None
    assert not (tmp_path / "pairs.png").exists()


# --- paths


def test_paths_within_and_across_seeds(run, tmp_path, words):
    one, two, three = ("calm", 0, 5), ("calm", 0, 8), ("calm", 1, 8)
    layouts.add_path(run, one, two)
    layouts.add_path(run, one, three, valley=700.0)
    picture = pixels(paths_figure(find_measurements(run).paths, tmp_path / "paths.png", title="calm"))
    assert share_of(picture, style.BLUE) > 0
    assert "seed 0 at 8 to 5: no valley" in said(words)
    assert "seed 1 at 8 to seed 0 at 5: valley 509 (54 %)" in said(words)
    assert "2 paths between 3 checkpoints of 2 seeds; 40 samples at each of 11 points" in said(words)


def test_only_one_side_says_what_is_missing(run, tmp_path, words):
    layouts.add_plain_path(run, ("calm", 0, 5), ("noisy-run-with-quite-a-long-name", 0, 8))
    pixels(paths_figure(find_measurements(run).paths, tmp_path / "paths.png"))
    assert "not measured: paths within one seed" in said(words)
    assert "1 sample at each" in said(words) and "band" not in said(words)


def test_of_many_paths_three_have_bands(run, tmp_path, words):
    for step in range(9):
        layouts.add_path(run, ("calm", 0, step), ("calm", 1, step), valley=300.0 + 100.0 * step)
    pixels(paths_figure(find_measurements(run).paths, tmp_path / "paths.png"))
    assert "the other 6" in said(words)
    for step in (0, 4, 8):
        assert f"seed 1 at {step} to seed 0 at {step}: " in said(words)


def test_a_path_with_a_hole_says_so(run, tmp_path, words):
    path = layouts.add_path(run, ("calm", 0, 5), ("calm", 0, 8))
    (found,) = find_measurements(run).paths
    with h5py.File(path) as file:
        returns = file[found.dataset][:]
    returns[3, 4] = np.nan
    merge_hdf5(path, {found.dataset: returns}, {})
    pixels(paths_figure([found], tmp_path / "paths.png"))
    assert "1 points not finite" in said(words)


def test_data_that_are_no_path_are_refused(run, tmp_path):
    path = layouts.add_path(run, ("calm", 0, 5), ("calm", 0, 8))
    (found,) = find_measurements(run).paths
    merge_hdf5(path, {found.alpha_dataset: np.zeros(3)}, {})
    with pytest.raises(UserError, match=r"returns \(40, 11\) and alpha \(3,\)"):
        paths_figure([found], tmp_path / "paths.png")
    with pytest.raises(UserError, match="at least one"):
        paths_figure([], tmp_path / "paths.png")


# --- slices


@pytest.mark.parametrize("num_y, num_samples", [(1, 1), (1, 30), (2, 4), (6, 1), (6, 30)])
def test_slices_are_drawn(run, tmp_path, num_y, num_samples, words):
    layouts.add_slice(run, num_y=num_y, num_samples=num_samples, others=(("calm", 1, 8000), ("noisy", 0, 9000)))
    (found,) = find_measurements(run).slices
    picture = pixels(slice_figure(found, tmp_path / "slice.png", title="calm"))
    assert share_of(picture, style.RED) > 0, "the centre is marked"
    samples = "1 sample" if num_samples == 1 else f"{num_samples} samples"
    assert f"{'7 × ' + str(num_y) if num_y > 1 else '7'} points, {samples} at each" in said(words)
    assert "calm seed 1 at 8,000" in said(words) and "noisy seed 0 at 9,000" in said(words)
    assert "random direction 1 (layer norms of the weights)" in said(words)
    assert ("CVaR" in said(words)) == (num_samples > 1)
    assert ("LTP (share of policies)" in said(words)) == (num_samples > 1)
    assert ("0.25" in said(words)) >= (num_samples == 4), "CVaR of four samples is that of the lowest"


@pytest.mark.parametrize("which, num_y", [*((which, 5) for which in UNUSUAL), ("one nan", 1), ("all nan", 1)])
def test_unusual_slices_are_drawn(run, tmp_path, num_y, which, words):
    returns = UNUSUAL[which]
    group = layouts.add_slice(run, num_y=num_y, num_samples=3)
    (found,) = find_measurements(run).slices
    plane = np.resize(returns, (7, num_y, 3)).astype(np.float32)
    merge_hdf5(found.path, {f"{group}/returns": plane}, {})
    slice_figure(found, tmp_path / "slice.png")
    num_wrong = int(np.isnan(plane).any(axis=2).sum())
    assert (f"{num_wrong} points with returns not finite" in said(words)) == (num_wrong > 0)
    assert "first direction" in said(words), "labels were lost with the attributes"
    assert "std (return)" in said(words), "instead of a left tail that says nothing"
    whole = plane[np.isfinite(plane).all(axis=2)]
    assert ("LTP nowhere defined" in said(words)) == bool(whole.max(initial=-1.0) <= 0)


@pytest.mark.parametrize("num_y", [1, 5])
def test_a_policy_outside_the_slice_is_said_to_be(run, tmp_path, num_y, words):
    group = layouts.add_slice(run, num_y=num_y, others=(("calm", 1, 8000),))
    (found,) = find_measurements(run).slices
    names = [{"run": "calm", "seed": seed, "ckpt": 8000} for seed in range(2)]
    places = {f"{group}/policies": np.array([[0.0, 0.0], [1.5, 0.0]])}
    merge_hdf5(found.path, places, {}, {f"{group}/policies": {"policies": names}})
    slice_figure(found, tmp_path / "slice.png")
    assert "outside: calm seed 1 at 8,000" in said(words)
    assert said(words).count("seed 1") == 1, "it has no marker"


def test_data_that_are_no_slice_are_refused(run, tmp_path):
    group = layouts.add_slice(run)
    (found,) = find_measurements(run).slices
    merge_hdf5(found.path, {f"{group}/x": np.zeros(3)}, {})
    with pytest.raises(UserError, match=r"returns \(7, 5, 30\), x \(3,\)"):
        slice_figure(found, tmp_path / "slice.png")


# --- rejection


@pytest.mark.parametrize("control", [True, False])
def test_a_rejection_study_is_drawn(run, tmp_path, control, words):
    group = layouts.add_walk(run, control=control)
    path = run.rejection_path(0, 50_000)
    picture = pixels(rejection_figure(path, group, tmp_path / "rejection.png", title="a walk from calm"))
    assert share_of(picture, style.BLUE) > 0, "accepted"
    assert share_of(picture, style.RED) > 0, "refused"
    assert (share_of(picture, style.ORANGE) > 0) == control
    assert "10 proposals, 200 samples each" in said(words) and "n = 200" in said(words)
    assert "accepted (3)" in said(words) and "refused (7)" in said(words)


def test_a_rejection_study_without_fresh_samples_shows_its_traces(run, tmp_path):
    group = layouts.add_walk(run)
    path = run.rejection_path(0, 50_000)
    with h5py.File(path, "a") as file:
        del file[f"{group}/fresh"]
        file[f"{group}/ltps"][:] = 0.0
    pixels(rejection_figure(path, group, tmp_path / "rejection.png"))
    with h5py.File(path, "a") as file:
        file[f"{group}/ltps"][:] = np.nan
    pixels(rejection_figure(path, group, tmp_path / "rejection.png"))


def test_a_missing_study_is_named(run, tmp_path):
    group = layouts.add_walk(run)
    path = run.rejection_path(0, 50_000)
    with pytest.raises(UserError, match=r"group=ltp/1check: .*0.1cvar/1check/10steps/seed0"):
        rejection_figure(path, "ltp/1check", tmp_path / "rejection.png")
    with h5py.File(path, "a") as file:
        del file[f"{group}/accepted"]
    with pytest.raises(UserError, match="holds no accepted"):
        rejection_figure(path, group, tmp_path / "rejection.png")


# --- learning curves


def test_learning_curves_of_two_runs_are_drawn(run, tmp_path, words):
    curves = [layouts.add_curves(run), layouts.add_curves(layouts.make_run(tmp_path, "other", num_seeds=1))]
    picture = pixels(learning_curves(curves, ["TD3", "SAC"], tmp_path / "curves.png", title="hopper (spring)"))
    assert share_of(picture, style.BLUE) > 0
    assert share_of(picture, style.ORANGE) > 0
    assert "TD3 (5 seeds)" in said(words) and "SAC (1 seed)" in said(words)


def test_a_diverged_seed_leaves_a_gap_in_the_mean(run, tmp_path, words):
    path = layouts.add_curves(run)
    whole = pixels(learning_curves(path, "TD3", tmp_path / "whole.png"))
    with h5py.File(path, "a") as file:
        file["returns"][4:, 0] = np.nan
    gap = pixels(learning_curves(path, "TD3", tmp_path / "gap.png"))
    assert share_of(gap, style.BLUE) < share_of(whole, style.BLUE)
    assert "5 seeds, 1 not finite" in said(words)


def test_steps_are_called_what_their_file_calls_them(run, tmp_path, words):
    other = layouts.add_curves(layouts.make_run(tmp_path, "other", num_seeds=1))
    trained = layouts.add_curves(run)
    for path, steps in ((trained, "environment steps of one seed"), (other, "updates of one clone")):
        with h5py.File(path, "a") as file:
            file.attrs["steps_are"] = steps
    learning_curves(other, "cloned", tmp_path / "curves.png")
    assert "updates of one clone" in said(words) and "environment" not in said(words)
    learning_curves([trained, other], ["TD3", "cloned"], tmp_path / "both.png")
    assert "environment" not in said(words)


def test_curves_that_are_not_curves_are_refused(run, tmp_path):
    path = layouts.add_curves(run)
    with pytest.raises(UserError, match="one for each of 1 files"):
        learning_curves([path], ["TD3", "SAC"], tmp_path / "curves.png")
    with pytest.raises(UserError, match="at least one"):
        learning_curves([], [], tmp_path / "curves.png")
    with h5py.File(path, "a") as file:
        del file["steps"]
        file["steps"] = np.arange(3)
    with pytest.raises(UserError, match=r"steps \(3,\) and returns \(8, 5\)"):
        learning_curves(path, "TD3", tmp_path / "curves.png")


def test_returns_of_sampled_actions_are_dashed(run, tmp_path, words):
    path = layouts.add_curves(run)
    alone = pixels(learning_curves(path, "PPO", tmp_path / "alone.png"))
    assert "dashed" not in said(words)
    with h5py.File(path, "a") as file:
        file["sampled/returns"] = file["returns"][()] - 900.0
    both = pixels(learning_curves(path, "PPO", tmp_path / "both.png"))
    assert "dashed: actions sampled from the policy" in said(words)
    assert both.shape == alone.shape and (both != alone).mean() > 0.005


# --- norms of gradients


def drawn_lines(monkeypatch):
    """The points of every line drawn from now on, those without any left out."""
    lines = []
    plot = Axes.plot

    def noted(axis, x, y, **options):
        lines.append((axis, np.asarray(x), np.asarray(y), options["linewidth"]))
        return plot(axis, x, y, **options)

    monkeypatch.setattr(Axes, "plot", noted)
    return lines


def test_gradient_norms_of_two_runs_are_drawn(run, tmp_path, words):
    curves = [layouts.add_gradients(run), layouts.add_gradients(layouts.make_run(tmp_path, "other", num_seeds=1))]
    picture = pixels(gradient_norms(curves, ["none", "batch"], tmp_path / "norms.png", title="hopper (spring)"))
    assert share_of(picture, style.BLUE) > 0 and share_of(picture, style.ORANGE) > 0
    for network in ("actor", "critic"):
        for measure in ("mean", "variance", "coefficient of variation"):
            assert f"{network}: {measure}" in said(words)
    assert "none (5 seeds)" in said(words) and "batch (1 seed)" in said(words)


def test_gradient_norms_are_those_of_the_file(run, tmp_path, monkeypatch):
    path = layouts.add_gradients(run)
    lines = drawn_lines(monkeypatch)
    gradient_norms(path, "PPO", tmp_path / "norms.png")
    with h5py.File(path) as file:
        for index, name in enumerate(f"{n}_grad_norm{end}" for n in ("actor", "critic") for end in ("", "_var", "_cv")):
            values = file[f"training/{name}"][()]
            _, steps, thin, _ = lines[2 * index]
            np.testing.assert_array_equal(steps, file["training/steps"][()])
            np.testing.assert_array_equal(thin, values)
            middle = np.sort(values, axis=1)[:, 1:4]  # a quarter of five seeds is one, which leaves at each end
            np.testing.assert_allclose(lines[2 * index + 1][2], middle.mean(axis=1), rtol=1e-6)


def test_many_log_points_are_averaged_and_that_is_said(run, tmp_path, monkeypatch, words):
    path = layouts.add_gradients(run, num_steps=250)
    lines = drawn_lines(monkeypatch)
    gradient_norms(path, "PPO", tmp_path / "norms.png")
    assert "each point: up to 3 log points" in said(words)
    with h5py.File(path) as file:
        norms = file["training/actor_grad_norm"][()]
    _, steps, means, _ = lines[0]
    assert steps.shape == (84,) and steps[0] == 2000.0 and steps[-1] == 250_000.0
    np.testing.assert_allclose(means[0], norms[:3].mean(axis=0))
    np.testing.assert_allclose(means[-1], norms[249])


def test_norms_without_their_spread_have_one_column(run, tmp_path, words):
    path = layouts.add_gradients(run, with_spread=False)
    gradient_norms(path, "TD3", tmp_path / "norms.png")
    assert "actor: mean" in said(words) and "variance" not in said(words)


def test_curves_without_norms_are_refused(run, tmp_path):
    path = layouts.add_curves(run)
    merge_hdf5(path, {"training/steps": np.arange(3), "training/reward": np.ones((3, 5))}, {})
    with pytest.raises(UserError, match="has none of actor_grad_norm, critic_grad_norm"):
        gradient_norms(path, "PPO", tmp_path / "norms.png")
    with pytest.raises(UserError, match="one for each of 1 files"):
        gradient_norms([layouts.add_gradients(run)], ["a", "b"], tmp_path / "norms.png")


@pytest.mark.parametrize(
    "names, expected",
    [
        (["a_b", "a_c"], ["a_b", "a_c"]),
        (["advantage_normalization_laptop_hopper_none"], ["advantage_normaliz…aptop_hopper_none"]),
        (
            [f"advantage_normalization_laptop_hopper_{how}" for how in ("none", "batch")],
            ["…none", "…batch"],
        ),
        (["x" * 40, "y" * 40], ["x" * 18 + "…" + "x" * 17, "y" * 18 + "…" + "y" * 17]),
        (["a" * 40 + "_b", "a" * 40], ["a" * 18 + "…" + "a" * 15 + "_b", "a" * 18 + "…" + "a" * 17]),
    ],
)
def test_long_names_in_a_legend_say_where_they_differ(names: list[str], expected: list[str]) -> None:
    assert style.told_apart(names) == expected
