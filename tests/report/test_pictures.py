"""Roll-outs that are shown as pictures: packed, played without WebGL or network, beside bodies, as a GIF."""

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import chromium
import layouts
import numpy as np
import pytest
from PIL import Image
from recorded import make_results
from viewer import FIRST, READY, at_start, canvas, choose, press

from landscapes.report import packing
from landscapes.report.__main__ import main
from landscapes.report.rollouts import Frames, Rollout, read_recorded
from landscapes.storage import Run, find_measurements, merge_hdf5

PAPER, BALL, WALL = (240, 240, 240), (213, 94, 0), (0, 114, 178)
CELLS = 10
SECONDS = 0.1
NUM_STEPS = {"median": 30, "left_tail": 12}


def moving(num_steps: int, size: tuple[int, int] = (CELLS, CELLS)) -> np.ndarray:
    """Pictures `[T, height, width, 3]` of a ball that is in column `step % width` after a step, above a wall."""
    pictures = np.full((num_steps, *size, 3), PAPER, np.uint8)
    pictures[:, -1] = WALL
    for step in range(num_steps):
        pictures[step, 1, step % size[1]] = BALL
    return pictures


def make_pictured(results: Path, name: str = "cells", mean: float = 20.0) -> Run:
    """A run with one measured checkpoint of which two roll-outs of each role are recorded as pictures."""
    environment = {"name": "Breakout-MinAtar", "backend": "gymnax", "episode_length": 30}
    run = layouts.make_run(results, name, environment=environment, algorithm={"name": "ppo", "config": {}})
    returns = np.linspace(mean - 8.0, mean + 8.0, 40).astype(np.float32)
    layouts.add_purd(run, 0, 2000, returns)
    datasets = {"scene": np.array(json.dumps({"picture": [CELLS, CELLS], "seconds_per_step": SECONDS}))}
    attributes = {}
    for role, samples in (("median", (20, 19)), ("left_tail", (0, 1))):
        for rank, sample in enumerate(samples):
            group = f"{layouts.KIND}/{layouts.AMOUNT}/{len(returns)}/{role}{rank}"
            datasets[f"{group}/frames"] = moving(NUM_STEPS[role])
            datasets[f"{group}/rewards"] = np.ones(NUM_STEPS[role], np.float32)
            attributes[group] = {
                "sample": sample,
                "return": float(returns[sample]),
                "stored_return": float(returns[sample]),
                "seconds_per_step": SECONDS,
                "terminated": role == "left_tail",
            }
    merge_hdf5(run.trajectories_path(0, 2000), datasets, {"schema_version": 1}, attributes)
    return run


def rollout_of(pictures: np.ndarray, seconds_per_step: float) -> Rollout:
    rewards = np.arange(len(pictures), dtype=np.float32)
    return Rollout(0, 0, Frames(pictures), rewards, 1.0, 1.0, seconds_per_step, terminated=False)


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def shown(packed: dict, num_frames: int) -> np.ndarray:
    """The pictures that a page has, `[frames, height, width, 3]`, as its own program unpacks them."""
    changes = unpacked(packed["pictures"]).reshape(num_frames, -1)
    numbers = np.cumsum(changes, axis=0, dtype=np.int64) % 256
    colours = unpacked(packed["colours"]).reshape(-1, 3)
    return colours[numbers].reshape(num_frames, packed["height"], packed["width"], 3)


@pytest.mark.parametrize("seconds, apart", [(0.1, 1), (0.004, 5)])
def test_packed_pictures_come_back(seconds: float, apart: int) -> None:
    pictures = np.random.default_rng(1).choice(np.arange(0, 251, 50), (23, 4, 6, 3)).astype(np.uint8)
    packed = packing.packed(rollout_of(pictures, seconds))
    frames = packing.frames_of(rollout_of(pictures, seconds))
    assert packed["steps_per_frame"] == apart and frames[-1] == 22
    np.testing.assert_array_equal(shown(packed, len(frames)), pictures[frames])


def test_of_many_colours_the_nearest_are_taken() -> None:
    ramp = np.stack(np.meshgrid(np.arange(0, 256, 4), np.arange(0, 256, 4), [128]), axis=-1)
    pictures = ramp.reshape(1, 64, 64, 3).astype(np.uint8)
    back = shown(packing.packed(rollout_of(pictures, 0.1)), 1)
    assert len(np.unique(back.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(back.astype(int) - pictures).mean() < 8


def test_frames_are_stored_small(tmp_path: Path) -> None:
    """Uncompressed they would take 480 kB each."""
    path = tmp_path / "trajectories_1.h5"
    merge_hdf5(path, {"a/frames": moving(500, (16, 20))}, {})
    assert path.stat().st_size < 40_000


def test_damaged_frames_are_named(tmp_path: Path) -> None:
    run = make_pictured(tmp_path)
    group = f"{layouts.KIND}/{layouts.AMOUNT}/40/median0"
    merge_hdf5(run.trajectories_path(0, 2000), {f"{group}/frames": moving(3)}, {})
    recorded, problems = read_recorded(find_measurements(run))
    assert not recorded and len(problems) == 1
    assert "pictures (3, 10, 10, 3) and rewards (30,) disagree" in problems[0]


def test_the_moving_picture_has_sharp_cells(tmp_path: Path) -> None:
    make_pictured(tmp_path)
    out = tmp_path / "cells.gif"
    assert main(["cells", "--gif", str(out), "--results-dir", str(tmp_path)]) == 0
    with Image.open(out) as image:
        assert image.n_frames == 31  # one for each step, and the end
        columns = []
        for index in (0, 9, 24):
            image.seek(index)
            half = np.split(np.asarray(image.convert("RGB"), np.int64), 2, axis=1)[0]
            ball = np.abs(half - BALL).max(axis=2) < 12
            assert 700 < ball.sum() < 1000  # one cell of 30 by 30 pixels
            columns.append(int(np.median(np.nonzero(ball)[1])))
    assert columns[1] - columns[0] == pytest.approx(9 * 30, abs=2)
    assert columns[2] - columns[0] == pytest.approx(4 * 30, abs=2)


# The browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    make_pictured(results)
    out = results / "report.html"
    assert main(["cells", "--out", str(out), "--results-dir", str(results)]) == 0
    return out


@pytest.fixture
def opened(browser: chromium.Page, page: Path) -> Iterator[chromium.Page]:
    with at_start(browser, page, own=("data:",)):
        yield browser


def where(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """The middle of a colour, across and down, as shares of the square in which cells are drawn; and its share."""
    height, width = picture.shape[:2]
    found = np.abs(picture.astype(int) - colour).max(axis=2) < 20
    rows, columns = np.nonzero(found)
    return (columns.mean() - (width - height) / 2) / height, rows.mean() / height, found.sum() / height**2


def test_a_page_of_pictures_carries_no_library(page: Path) -> None:
    text = page.read_text()
    assert "three.js (" not in text and 'id="three"' not in text and "to turn the camera" not in text
    assert len(text) < 400_000


def test_the_cells_are_seen_where_they_are(opened: chromium.Page) -> None:
    for step in (0, 7):
        choose(opened, f"{FIRST} [data-role=scrub]", str(step), "input")
        for index in (0, 1):
            picture = opened.picture(canvas(FIRST, index))
            across, down, share = where(picture, BALL)
            assert across == pytest.approx((step + 0.5) / CELLS, abs=0.02)
            assert down == pytest.approx(1.5 / CELLS, abs=0.02)
            assert share == pytest.approx(0.01, abs=0.003), "one cell of a hundred, with sharp edges"
            assert where(picture, WALL)[2] == pytest.approx(0.1, abs=0.02)


def test_pictures_play_and_an_ended_one_stands_still(opened: chromium.Page) -> None:
    opened.run(f"document.querySelector('{FIRST}').scrollIntoView({{behavior: 'instant'}})")
    still = opened.picture(canvas(FIRST, 0))
    press(opened, FIRST, "play")
    opened.wait_for(f"Number(document.querySelector('{FIRST}').dataset.step) > 3")
    press(opened, FIRST, "play")
    assert (opened.picture(canvas(FIRST, 0)) != still).any()
    said = f"[...document.querySelectorAll('{FIRST} [data-role=now]')].map((element) => element.textContent)"
    choose(opened, f"{FIRST} [data-role=scrub]", "14", "input")
    assert opened.run(said) == ["return so far 15", "ends at step 12"]
    ended = opened.picture(canvas(FIRST, 1))
    choose(opened, f"{FIRST} [data-role=scrub]", "25", "input")
    np.testing.assert_array_equal(opened.picture(canvas(FIRST, 1)), ended)


def test_without_webgl_pictures_are_shown(tmp_path: Path, page: Path) -> None:
    path = chromium.find_browser()
    if path is None:
        pytest.skip("no Chromium is installed")
    with chromium.browser(path, tmp_path, "--disable-gpu", "--disable-3d-apis") as blind:
        blind.open(page.as_uri())
        blind.wait_for(READY)
        assert where(blind.picture(canvas(FIRST, 0)), BALL)[2] == pytest.approx(0.01, abs=0.003)


def test_bodies_and_pictures_share_a_page(browser: chromium.Page, tmp_path: Path) -> None:
    """One panel shows the one, then the other, then the first again."""
    make_results(tmp_path)
    make_pictured(tmp_path)
    out = tmp_path / "report.html"
    assert main(["calm", "cells", "--out", str(out), "--results-dir", str(tmp_path)]) == 0
    browser.complaints.clear()
    browser.open(out.as_uri())
    browser.wait_for(READY)
    labels = browser.run(
        f"[...document.querySelector('{FIRST} [data-role=entry]').options].map((option) => option.text)"
    )
    cells = next(index for index, label in enumerate(labels) if label.startswith("cells"))
    kind = f"document.querySelector('{canvas(FIRST, 0)}').dataset.kind"
    for entry, expected in ((cells, "pictures"), (0, "bodies"), (cells, "pictures")):
        choose(browser, f"{FIRST} [data-role=entry]", str(entry))
        browser.wait_for(f"{kind} === '{expected}'")
        ball = np.abs(browser.picture(canvas(FIRST, 0)).astype(int) - BALL).max(axis=2) < 20
        assert (ball.mean() > 0.003) == (expected == "pictures")
    assert browser.complaints == []
