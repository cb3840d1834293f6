"""The report: what it says of a run, and that its page works in a browser that cannot reach anything else."""

import base64
import html
import json
import re
import shlex
import tomllib
import zlib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import chromium
import layouts
import numpy as np
import pytest
from PIL import Image
from recorded import HOSTILE, add_rollouts, make_results, walk
from viewer import FIRST, PAIRS, READY, at_start, canvas, choose, press, step_of

from landscapes.config.compose import compose_job
from landscapes.report import packing
from landscapes.report.__main__ import main
from landscapes.report.rollouts import Poses, Rollout, read_recorded
from landscapes.storage import OWN_RATE, Run, find_measurements

ROOT = Path(__file__).resolve().parents[2]
NASTY = "r\u00e9sultats d'or [a=b, c] ${x}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert main([run.name, "--out", str(out), "--results-dir", str(run.path.parent)]) == 0
    return out


def text_of(page: Path) -> str:
    """What is written on the page, without what it carries packed."""
    return re.sub(r"(?s)<(script|style)\b.*?</\1>|data:image/png;base64,[\w+/=]+", "", page.read_text())


# Files


def test_the_page_lies_in_the_run_and_its_path_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_results(tmp_path)
    assert main(["calm", "--results-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{run.path / 'report.html'}\n"
    first = (run.path / "report.html").read_bytes()
    assert main(["calm", "--results-dir", str(tmp_path)]) == 0
    assert (run.path / "report.html").read_bytes() == first, "the same files make the same page"
    assert len(first) < 2_000_000


def test_a_run_that_is_not_there_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clam", "--results-dir", str(run.path.parent)]) == 2
    assert "run=clam: there is no such run" in capsys.readouterr().err


def test_text_is_escaped(page: Path) -> None:
    assert HOSTILE not in page.read_text()
    assert "&lt;/script&gt;&lt;script&gt;document.title" in text_of(page)


def test_the_page_holds_tables_settings_and_pictures(page: Path) -> None:
    text = text_of(page)
    for words in (
        "calm, seed 0, 50,000 steps",
        "Return at the end of training",
        "95 % bootstrap intervals",
        "hopper (spring)",
        "reaches the time limit, step 120",
        "ends at step 40",
        "All settings of calm",
        "Learning curves",
        "Distributions of returns over training",
    ):
        assert words in text, words
    assert "Pairs: " not in text


def test_of_an_empty_run_the_page_says_which_commands_help(tmp_path: Path) -> None:
    results = tmp_path / NASTY
    run = layouts.make_run(results, algorithm={"name": "td3", "config": {}})
    for step in (1000, 2000):
        run.seed_directory(0).mkdir(exist_ok=True)
        run.checkpoint_path(0, step).touch()
    out = tmp_path / "report.html"
    assert main(["calm", "--out", str(out), "--results-dir", str(results)]) == 0
    text = text_of(out)
    assert "No roll-outs are recorded" in text and "There is nothing to draw yet" in text
    commands = re.findall(r"<pre><code>(python -m .*?)</code></pre>", text)
    assert {composed(command)[0] for command in commands} == {"eval_policy", "improve_ltp"}
    (made_by,) = re.findall(r"Made by <code>(.*?)</code>", text)
    assert composed(made_by) == ("landscapes.report", ["calm", "--results-dir", str(results)])
    for command in commands:
        assert compose_job(*composed(command)).results_dir == str(results)


@pytest.mark.parametrize("name, amount", [(layouts.AMOUNT, 3e-4), (OWN_RATE, None)])
def test_a_run_without_roll_outs_is_told_how_to_record_its_widest_distribution(
    tmp_path: Path, name: str, amount: float | None
) -> None:
    results = tmp_path / NASTY
    run = layouts.make_run(results)
    layouts.add_purd(run, 0, 50_000, layouts.purd(1, spread=100.0), amount=name)
    layouts.add_purd(run, 1, 90_000, layouts.purd(2, spread=900.0), amount=name)
    out = tmp_path / "report.html"
    assert main(["calm", "--out", str(out), "--results-dir", str(results)]) == 0
    (command,) = re.findall(r"<code>(python -m eval_policy .*record_trajectories.*?)</code>", text_of(out))
    settings = compose_job(*composed(command)).settings
    assert (settings.seed, settings.ckpt_indexes, settings.eval_episodes) == (1, [90_000], 200)
    assert (settings.noise_type, settings.noise_amounts, settings.record_trajectories) == (layouts.KIND, [amount], 2)


def test_the_widest_pair_is_told_how_to_be_recorded(tmp_path: Path) -> None:
    run = make_results(tmp_path)
    run.trajectories_path(0, 50_000).unlink()
    out = tmp_path / "report.html"
    assert main(["calm", "--out", str(out), "--results-dir", str(tmp_path)]) == 0
    text = text_of(out)
    assert "There is no such pair among the checkpoints whose roll-outs are recorded" in text
    (command,) = re.findall(r"<code>(python -m eval_policy .*record_trajectories.*?)</code>", text)
    settings = compose_job(*composed(command)).settings
    assert (settings.seed, settings.ckpt_indexes) == (0, [50_000])


def composed(command: str) -> tuple[str, list[str]]:
    """Entry point and arguments of a command line as it stands in the page."""
    words = shlex.split(html.unescape(command))
    assert words[:2] == ["python", "-m"]
    return words[2], words[3:]


def test_roll_outs_of_an_earlier_measurement_are_left_out(tmp_path: Path) -> None:
    run = layouts.make_run(tmp_path)
    returns = layouts.purd(1)
    layouts.add_purd(run, 0, 50_000, returns)
    add_rollouts(run, 0, 50_000, returns, off_by=1.0)
    recorded, problems = read_recorded(find_measurements(run))
    assert not recorded
    assert len(problems) == 1 and "of an earlier measurement" in problems[0]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    run = make_results(tmp_path)
    run.trajectories_path(0, 50_000).write_bytes(b"nothing")
    out = tmp_path / "report.html"
    assert main(["calm", "--out", str(out), "--results-dir", str(tmp_path)]) == 0
    assert re.search(r"trajectories_50000\.h5: is not an HDF5 file", text_of(out))


def test_the_package_takes_its_page_along() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    package = ROOT / "landscapes" / "report"
    files = [
        path.relative_to(package) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    others = [path for path in files if path.suffix != ".py"]
    assert len(others) >= 7
    assert all(any(fnmatch(str(path), pattern) for pattern in patterns["landscapes.report"]) for path in others)


# Packing


@pytest.mark.parametrize("num_steps, speed", [(1, 0.0), (2, 1.0), (301, 0.02), (1000, -3.0)])
def test_packed_roll_outs_come_back(num_steps: int, speed: float) -> None:
    positions, rotations, rewards = walk(num_steps, speed)
    rollout = Rollout(0, 0, Poses(positions, rotations), rewards, 1.0, 1.0, 0.004, terminated=True)
    packed = packing.packed(rollout)
    frames = packing.frames_of(rollout)
    assert packed["steps_per_frame"] == 5
    assert frames[0] == 0 and frames[-1] == num_steps - 1
    assert (np.diff(frames)[:-1] == 5).all() and (np.diff(frames) <= 5).all()

    steps = np.frombuffer(zlib.decompress(base64.b64decode(packed["poses"])), "<i2").reshape(14, len(frames))
    numbers = np.zeros((len(frames), 14))
    for column in range(14):
        total = 0
        for frame in range(len(frames)):
            total = (total + int(steps[column, frame]) + 2**15) % 2**16 - 2**15
            numbers[frame, column] = total
    numbers = numbers.reshape(len(frames), 2, 7)
    covered = max(np.ptp(positions[frames], axis=(0, 1)).max(), 1e-6)
    np.testing.assert_allclose(
        packed["centre"] + packed["metres"] * numbers[..., :3], positions[frames], atol=covered / 65_000
    )
    np.testing.assert_allclose(numbers[..., 3:] / 32767, rotations[frames], atol=2e-5)
    so_far = np.frombuffer(zlib.decompress(base64.b64decode(packed["returns_so_far"])), "<f4")
    np.testing.assert_allclose(so_far, np.cumsum(rewards)[frames], rtol=1e-4)


# The moving picture


def test_the_moving_picture_moves(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "talk.gif"
    assert main(["calm", "--gif", str(out), "--results-dir", str(run.path.parent)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with Image.open(out) as image:
        assert image.n_frames == 61  # 2.4 seconds of the longer roll-out at 25 frames a second, and its end
        frames = []
        for index in (0, 15, 40, 60):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB"), np.int64))
    left, right = np.split(np.array(frames), 2, axis=2)
    assert (left[:-1] != left[1:]).any(axis=(1, 2, 3)).all()
    assert (right[0] != right[1]).any()
    blue, red = ((half[0] - half[0].mean(axis=2, keepdims=True)) for half in (left, right))
    assert (blue[..., 2] > 60).sum() > 500 and (red[..., 0] > 60).sum() > 500


def test_a_checkpoint_may_be_chosen_for_the_moving_picture(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["calm", "--results-dir", str(run.path.parent), "--gif", str(tmp_path / "talk.gif")]
    assert main([*arguments, "--checkpoint", "1", "90000"]) == 0
    assert main([*arguments, "--checkpoint", "0", "90000"]) == 2
    assert "no roll-outs are recorded there" in capsys.readouterr().err


# The browser


def assert_shows(picture: np.ndarray, tone: str) -> None:
    """A body of the panel's colour on a scene of another."""
    colours = picture.reshape(-1, 3).astype(int)
    of_body = colours[:, 2] - colours[:, 0] > 80 if tone == "typical" else colours[:, 0] - colours[:, 2] > 80
    assert 0.003 < of_body.mean() < 0.5, tone
    assert len(np.unique(colours, axis=0)) > 100


@pytest.fixture
def opened(browser: chromium.Page, page: Path) -> Iterator[chromium.Page]:
    with at_start(browser, page, own=("data:", "blob:")):
        yield browser
    assert browser.run("document.title") == "Return landscapes: calm"


def test_the_viewers_show(opened: chromium.Page) -> None:
    for stage, tones in ((FIRST, ["typical", "tail"]), (PAIRS, ["typical", "tail"] * 2)):
        assert opened.run(f"document.querySelectorAll('{stage} canvas').length") == len(tones)
        for index, tone in enumerate(tones):
            assert_shows(opened.picture(canvas(stage, index)), tone)
    assert "seed 0, 50,000 steps" in opened.run(
        f"document.querySelector('{FIRST} [data-role=entry]').selectedOptions[0].text"
    ), "the widest distribution comes first"


def assert_alike(picture: np.ndarray, other: np.ndarray) -> None:
    """The same picture: a browser that draws it again may round an edge another way, by one of 255 levels."""
    assert picture.shape == other.shape
    assert np.abs(picture.astype(int) - other).max() <= 1


def test_the_viewers_play_and_pause(opened: chromium.Page) -> None:
    opened.run(f"document.querySelector('{FIRST}').scrollIntoView({{behavior: 'instant'}})")
    still = opened.picture(canvas(FIRST, 0))
    assert_alike(opened.picture(canvas(FIRST, 0)), still)
    press(opened, FIRST, "play")
    opened.wait_for(f"Number(document.querySelector('{FIRST}').dataset.step) > 20")
    press(opened, FIRST, "play")
    stopped = step_of(opened, FIRST)
    assert stopped > 20
    moved = opened.picture(canvas(FIRST, 0))
    assert np.abs(moved.astype(int) - still).max() > 50
    assert_alike(opened.picture(canvas(FIRST, 0)), moved)
    assert step_of(opened, FIRST) == stopped


def test_the_page_plays_by_itself_unless_asked_to_keep_still(browser: chromium.Page, page: Path) -> None:
    for still in (True, False):
        browser.open(page.as_uri(), still=still)
        browser.wait_for(READY)
        pressed = browser.run(f"document.querySelector('{FIRST} [data-role=play]').getAttribute('aria-pressed')")
        assert pressed == ("false" if still else "true")
    browser.run(f"document.querySelector('{FIRST}').scrollIntoView()")
    browser.wait_for(f"Number(document.querySelector('{FIRST}').dataset.step) > 5")


def test_a_roll_out_that_has_ended_says_so_and_stands_still(opened: chromium.Page) -> None:
    said = f"[...document.querySelectorAll('{FIRST} [data-role=now]')].map((element) => element.textContent)"
    choose(opened, f"{FIRST} [data-role=scrub]", "39", "input")
    assert opened.run(said) == ["return so far 8", "return so far 8"]  # 0.2 a step
    choose(opened, f"{FIRST} [data-role=scrub]", "41", "input")
    assert opened.run(said) == ["return so far 8", "ends at step 40"]
    ended = opened.picture(canvas(FIRST, 1))
    choose(opened, f"{FIRST} [data-role=scrub]", "100", "input")
    assert_alike(opened.picture(canvas(FIRST, 1)), ended)
    assert step_of(opened, FIRST) == 100


def test_without_the_loop_playing_ends(opened: chromium.Page) -> None:
    opened.run(f"document.querySelector('{FIRST}').scrollIntoView({{behavior: 'instant'}})")
    press(opened, FIRST, "loop")
    choose(opened, f"{FIRST} [data-role=speed]", "4")
    choose(opened, f"{FIRST} [data-role=scrub]", "110", "input")
    press(opened, FIRST, "play")
    opened.wait_for(f"document.querySelector('{FIRST} [data-role=play]').textContent === 'Play'")
    assert step_of(opened, FIRST) == 120


def test_checkpoints_and_roll_outs_are_chosen(opened: chromium.Page) -> None:
    caption = f"document.querySelector('{FIRST} [data-role=caption]').textContent"
    before = opened.run(caption)
    choose(opened, f"{FIRST} [data-role=which]", "1")
    opened.wait_for(f"{caption} !== {json.dumps(before)}")
    second = opened.run(caption)
    choose(opened, f"{FIRST} [data-role=entry]", "2")
    opened.wait_for(f"![{json.dumps(before)}, {json.dumps(second)}].includes({caption})")
    assert_shows(opened.picture(canvas(FIRST, 0)), "typical")


def test_the_keyboard_turns_the_camera(opened: chromium.Page) -> None:
    before = opened.picture(canvas(FIRST, 0))
    opened.run(f"document.querySelector('{canvas(FIRST, 0)}').focus()")
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft", windowsVirtualKeyCode=37)
    # The ring around what has the focus is outside the canvas.
    assert (opened.picture(canvas(FIRST, 0)) != before).mean() > 0.01


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_shows_all_of_it(browser: chromium.Page, page: Path, dark: bool) -> None:
    browser.complaints.clear()
    browser.open(page.as_uri(), width=390, height=800, dark=dark)
    browser.wait_for(READY)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert (browser.picture("h1").mean() < 128) == dark
    assert_shows(browser.picture(canvas(FIRST, 0)), "typical")
    assert browser.complaints == []


def test_a_page_without_roll_outs_has_no_programs(browser: chromium.Page, tmp_path: Path) -> None:
    run = layouts.make_run(tmp_path)
    layouts.add_curves(run)
    out = tmp_path / "report.html"
    assert main(["calm", "--out", str(out), "--results-dir", str(tmp_path)]) == 0
    assert "<script" not in out.read_text()
    browser.complaints.clear()
    browser.open(out.as_uri())
    assert browser.run("document.images.length") == 1
    assert browser.complaints == []


def test_without_webgl_the_page_says_so(tmp_path: Path, page: Path) -> None:
    path = chromium.find_browser()
    if path is None:
        pytest.skip("no Chromium is installed")
    with chromium.browser(path, tmp_path, "--disable-gpu", "--disable-3d-apis") as blind:
        blind.open(page.as_uri())
        blind.wait_for("document.documentElement.dataset.viewer === 'failed'")
        assert "cannot be shown in this browser" in blind.run("document.body.textContent")
