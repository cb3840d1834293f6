"""The stored log: segments that follow each other, and the ring that they fill."""

import os
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.errors import UserError
from landscapes.experience.replay import insert, make_replay
from landscapes.spaces import Box, Spaces
from landscapes.storage import append_segment, create_run, link_prefix, load_log, log_end, save_checkpoint
from landscapes.types import TrainState, Transition


def rows(first, end, salt=0.0):
    number = np.arange(first, end, dtype=np.float32) + np.float32(salt)
    return Transition(
        obs=np.stack([number, -number], axis=1),
        action=number[:, None] / 10,
        reward=number * 2,
        next_obs=np.stack([number + 1, -number - 1], axis=1),
        terminated=number % 3 == 0,
        truncated=number % 5 == 0,
    )


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path, "one", {"num_seeds": 2}, overwrite=False)


@pytest.fixture
def filled(run):
    for first, end in ((0, 4), (4, 5), (5, 12)):
        append_segment(run, 0, first, rows(first, end))
    return run


def segments(run, seed=0):
    return sorted(name for name in os.listdir(run.seed_directory(seed)) if name.startswith("replay"))


def spaces(size):
    return Spaces(Box((size,)), Box((1,), -1.0, 1.0))


def state_that_saw(count):
    return TrainState((), make_replay(spaces(2), 8)._replace(count=jnp.uint32(count)), ())


def test_segments_are_named_by_their_rows(filled):
    assert segments(filled) == ["replay_0_4.h5", "replay_4_5.h5", "replay_5_12.h5"]
    assert log_end(filled, 0) == 12 and log_end(filled, 1) == 0


@pytest.mark.parametrize("count", [1, 4, 7, 12])
@pytest.mark.parametrize("capacity", [3, 5, 12, 20])
def test_ring_is_as_inserting_one_by_one(filled, count, capacity):
    replay = make_replay(spaces(2), capacity)
    everything = rows(0, count)
    for i in range(count):
        replay = insert(replay, Transition(*(values[i : i + 1] for values in everything)))
    loaded = load_log(filled, 0, count, capacity)
    for name, found, expected in zip(Transition._fields, loaded.data, replay.data, strict=True):
        assert isinstance(found, np.ndarray) and found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=name)
    assert loaded.count == count and loaded.count.dtype == np.uint32


def test_no_rows_need_a_template(filled):
    template = make_replay(spaces(2), 3)
    loaded = load_log(filled, 1, 0, 3, template)
    assert loaded.count == 0 and loaded.data.obs.shape == (3, 2) and not loaded.data.obs.any()
    with pytest.raises(UserError, match="shapes are unknown"):
        load_log(filled, 1, 0, 3)
    with pytest.raises(UserError, match=r"its next_obs are float32 rows of shape \(2,\); the log needs .* \(9,\)"):
        load_log(filled, 0, 12, 3, make_replay(spaces(9), 3))


def test_missing_rows_are_named(filled):
    with pytest.raises(UserError, match=r"rows 12\.\.19 are missing$"):
        load_log(filled, 0, 20, 5)
    (filled.seed_directory(0) / "replay_4_5.h5").unlink()
    assert log_end(filled, 0) == 4
    with pytest.raises(UserError, match=r"rows 4\.\.11 are missing$"):
        load_log(filled, 0, 12, 20)


def test_damaged_segments_are_one_line(filled):
    folder = filled.seed_directory(0)
    path = folder / "replay_5_12.h5"
    image = path.read_bytes()
    path.write_bytes(image[:-10])
    with pytest.raises(UserError, match=r"replay_5_12\.h5: .*truncated or damaged"):
        load_log(filled, 0, 12, 20)
    assert load_log(filled, 0, 5, 20).count == 5
    path.unlink()
    (folder / "replay_5_11.h5").write_bytes(image)
    with pytest.raises(UserError, match="does not hold the 6 rows that its name says"):
        load_log(filled, 0, 11, 20)


def test_stray_files_do_no_harm(filled):
    for name in (".replay_12_20.h5.1-ab.tmp", "replay_12_20.h5.lock", "replay_3_3.h5", "replay_12_12.h5"):
        (filled.seed_directory(0) / name).touch()
    assert log_end(filled, 0) == 12


def test_resumed_job_draws_rows_after_its_checkpoint_again(filled):
    """The first job appended 5 .. 11 and died before its next checkpoint; the second saves at other steps."""
    save_checkpoint(filled, 0, 5, state_that_saw(5), {})
    append_segment(filled, 0, 5, rows(5, 8, salt=0.5))
    assert segments(filled) == ["replay_0_4.h5", "replay_4_5.h5", "replay_5_8.h5"]
    np.testing.assert_array_equal(load_log(filled, 0, 8, 3).data.reward, np.array([13, 15, 11], np.float32))
    save_checkpoint(filled, 0, 8, state_that_saw(8), {})
    with pytest.raises(ValueError, match="checkpoint 8 of seed 0 sees rows from 5 on"):
        append_segment(filled, 0, 5, rows(5, 7))
    assert log_end(filled, 0) == 8
    append_segment(filled, 0, 5, rows(5, 8, salt=0.5))  # the very same rows may be stored once more
    assert segments(filled) == ["replay_0_4.h5", "replay_4_5.h5", "replay_5_8.h5"]


def test_rows_behind_a_gap_never_come_back(filled):
    append_segment(filled, 0, 12, rows(12, 15))
    (filled.seed_directory(0) / "replay_5_12.h5").unlink()
    append_segment(filled, 0, 5, rows(5, 12))
    assert log_end(filled, 0) == 12


@pytest.mark.parametrize("first", [3, 6, 13])
def test_segments_must_follow_each_other(filled, first):
    with pytest.raises(ValueError, match=f"none begins at row {first}"):
        append_segment(filled, 0, first, rows(first, first + 2))
    assert log_end(filled, 0) == 12


def test_segments_need_rows(run):
    with pytest.raises(ValueError, match=r"not \[0\]"):
        append_segment(run, 0, 0, rows(0, 0))
    with pytest.raises(ValueError, match=r"not \[1, 2\]"):
        append_segment(run, 0, 0, rows(0, 2)._replace(reward=np.zeros(1)))


@pytest.mark.parametrize("links", [True, False])
def test_child_stands_alone(filled, tmp_path, monkeypatch, links):
    child = create_run(tmp_path, "child", {"num_seeds": 1}, overwrite=False)
    if not links:

        def refuse(source, target):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):  # a resumed child asks again
        paths = link_prefix(filled, 0, child, 0, 5)
        assert [path.name for path in paths] == segments(child) == ["replay_0_4.h5", "replay_4_5.h5"]
    assert all((path.stat().st_nlink == 2) is links for path in paths)
    append_segment(child, 0, 5, rows(5, 9, salt=100))
    shutil.rmtree(filled.path)
    assert log_end(child, 0) == 9
    np.testing.assert_array_equal(load_log(child, 0, 6, 2).data.reward, np.array([8, 210], np.float32))


@pytest.mark.parametrize("end", [3, 6, 13])
def test_prefix_ends_with_a_segment(filled, tmp_path, end):
    child = create_run(tmp_path, "child", {"num_seeds": 1}, overwrite=False)
    with pytest.raises(UserError, match=f"{end - 1} are missing or not a segment of their own"):
        link_prefix(filled, 0, child, 0, end)
    assert os.listdir(child.path) == ["run.json"]


def test_empty_prefix(filled, tmp_path):
    child = create_run(tmp_path, "child", {"num_seeds": 1}, overwrite=False)
    assert link_prefix(filled, 0, child, 0, 0) == []
