"""What was measured of a run is found by names alone: every kind of it, in order, and without what is damaged."""

import shutil
from pathlib import Path

import layouts
import pytest

from landscapes.storage import (
    NO_NOISE,
    PolicyName,
    create_run,
    find_measurements,
    find_result_files,
    merge_hdf5,
    open_run,
    read_hdf5,
    read_hdf5_names,
)


@pytest.fixture
def run(tmp_path):
    return layouts.make_run(tmp_path)


def test_nothing_is_found_where_nothing_was_measured(run):
    assert find_result_files(run) == ((), None, (), (), (), (), ())
    assert find_measurements(run) == (None, (), (), (), (), (), (), ())


def test_files_are_listed_by_their_names_and_never_opened(run):
    for seed in range(2):
        run.seed_directory(seed).mkdir()
    names = ("s0_returns_50000.h5", "s0_returns_100000.h5", "td3_reject_ltp_50000.h5", "trajectories_50000.h5")
    for name in (*names, "policy_interpolation_purd.h5", "landscape_slice.h5", "ckpt_50000.h5", ".s0_returns_1.h5.tmp"):
        (run.seed_directory(1) / name).write_text("not HDF5")
    files = find_result_files(run)
    assert [(file.seed, file.step) for file in files.purds] == [(1, 50_000), (1, 100_000)]
    assert [file.path.name for file in files.purds] == ["s0_returns_50000.h5", "s0_returns_100000.h5"]
    assert [(file.seed, file.step) for file in files.walks] == [(1, 50_000)]
    assert [(file.seed, file.step) for file in files.trajectories] == [(1, 50_000)]
    assert [file.path.name for file in files.paths] == ["policy_interpolation_purd.h5"]
    assert [file.path.name for file in files.slices] == ["landscape_slice.h5"]
    assert files.curves is None


def test_purds_in_the_order_of_seeds_checkpoints_and_amounts(run):
    layouts.add_purd(run, 1, 50_000)
    layouts.add_purd(run, 0, 100_000, amount="0.01")
    layouts.add_purd(run, 0, 100_000, amount="3e-05")
    layouts.add_purd(run, 0, 50_000, kind="action", amount="1")
    found = find_measurements(run).purds
    assert [(p.policy, p.kind, p.amount, p.num_samples) for p in found] == [
        (PolicyName("calm", 0, 50_000), "action", "1", 200),
        (PolicyName("calm", 0, 100_000), layouts.KIND, "3e-05", 200),
        (PolicyName("calm", 0, 100_000), layouts.KIND, "0.01", 200),
        (PolicyName("calm", 1, 50_000), layouts.KIND, layouts.AMOUNT, 200),
    ]
    for one in found:
        assert read_hdf5(one.path, "file")[0][one.dataset].shape == (200,)


def test_paths_of_every_form(run):
    one, two, far = ("calm", 0, 50_000), ("calm", 0, 100_000), ("other", 1, 7)
    layouts.add_path(run, one, far)
    layouts.add_path(run, one, two, noise="action/")
    layouts.add_path(run, one, two, noise="td3_optimization/learner_from_2/")
    layouts.add_plain_path(run, one, two)
    found = find_measurements(run).paths
    assert [(p.two, p.same_seed, p.kind, p.amount, p.num_samples, p.learner_from) for p in found] == [
        (two, True, NO_NOISE, "0", 1, None),
        (two, True, "action", "0.1", 40, None),
        (two, True, "td3_optimization", "0.1", 40, 2),
        (far, False, "init_parameter", "0.0003", 40, None),
    ]
    for path in found:
        datasets, _ = read_hdf5(path.path, "file")
        assert path.one == one and path.num_points == 11
        assert datasets[path.dataset].shape[-1] == datasets[path.alpha_dataset].shape[0] == 11


def test_slices_walks_and_trajectories(run):
    group = layouts.add_slice(run, 1, 50_000, num_y=1)
    (found,) = find_measurements(run).slices
    assert found.centre == PolicyName("calm", 1, 50_000) and found.group == group
    assert (found.directions, found.num_x, found.num_y) == ("random0_radius1.0", 7, 1)
    assert (found.kind, found.amount, found.num_samples) == ("init_parameter", "0.0003", 30)

    groups = [layouts.add_walk(run, walk_seed=2), layouts.add_walk(run, walk_seed=10)]
    walks = find_measurements(run).walks
    assert [walk.seed for walk in walks] == [2, 10]
    assert [walk.group for walk in walks] == groups
    assert walks[0][:4] == (PolicyName("calm", 0, 50_000), "0.1cvar", 1, 10)

    groups = [layouts.add_trajectory(run, role=role) for role in ("left_tail0", "left_tail1", "median0")]
    trajectories = find_measurements(run).trajectories
    assert [(t.role, t.rank) for t in trajectories] == [("left_tail", 0), ("left_tail", 1), ("median", 0)]
    assert [t.group for t in trajectories] == groups
    assert trajectories[0][:4] == (PolicyName("calm", 0, 50_000), layouts.KIND, layouts.AMOUNT, 200)


def test_a_group_that_lacks_a_part_is_left_out(run):
    folder = run.seed_directory(0)
    merge_hdf5(run.interpolation_purd_path(0), {"calm/0/1/calm/0/2/5/returns/0.0003/4": 1.0}, {})
    merge_hdf5(folder / "landscape_slice.h5", {"1/random0_radius1.0/2x2/action/0.1/3/returns": 1.0}, {})
    merge_hdf5(run.rejection_path(0, 1), {"0.1cvar/1check/40steps/seed0/means": 1.0}, {})
    merge_hdf5(run.returns_path(0, 1), {"td3_optimization/0.0003/9": 1.0, "lengths/td3_optimization/0.0003/9": 1.0}, {})
    assert find_measurements(run) == (None, (), (), (), (), (), (), ())


def test_damaged_files_are_named_and_the_others_read(run):
    layouts.add_purd(run, 0, 50_000)
    path = layouts.add_purd(run, 0, 100_000)
    image = bytearray(path.read_bytes())
    image[-1] ^= 1
    path.write_bytes(image)
    run.interpolation_path(0).write_text("not HDF5")
    found = find_measurements(run)
    assert [purd.policy.step for purd in found.purds] == [50_000]
    assert len(found.unreadable) == 2
    assert str(path) in found.unreadable[0] and "policy_interpolation.h5" in found.unreadable[1]


def test_the_run_of_a_walk_finds_its_walk_beside_its_root(tmp_path, run):
    layouts.add_walk(run, 1, 50_000, walk_seed=3)
    group = layouts.add_walk(run, 1, 50_000, walk_seed=4)
    record = {
        "num_seeds": 1,
        "parent": {"run": "calm", "seed": 1, "step": 50_000},
        "rejection": {"file": "/moved/since/then.h5", "group": group},
    }
    child = create_run(tmp_path, "improved", record, overwrite=False)
    assert find_measurements(child).walks == ()  # one of before, of which this run is not
    layouts.add_walk(run, 1, 50_000, walk_seed=4, child=child)
    (walk,) = find_measurements(open_run(tmp_path, "improved")).walks
    assert (walk.root, walk.seed, walk.path) == (PolicyName("calm", 1, 50_000), 4, run.rejection_path(1, 50_000))
    again = create_run(tmp_path, "improved", record, overwrite=True)
    assert find_measurements(again).walks == ()
    walk.path.unlink()
    assert find_measurements(child).walks == ()


def test_what_stands_on_a_run_that_was_replaced_is_left_out_and_named(tmp_path, run):
    other = layouts.make_run(tmp_path, "other")
    ends = ("calm", 0, 50_000), ("other", 1, 7)
    layouts.add_path(run, *ends)
    layouts.add_slice(run, others=(ends[1],))
    found = find_measurements(run)
    assert (found.paths, found.slices) == ((), ()), "they do not say of which run, so not of one that has an id"
    path, group = (
        layouts.add_path(run, *ends, on=[run, other]),
        layouts.add_slice(run, others=(ends[1],), on=[run, other]),
    )
    found = find_measurements(run)
    assert (len(found.paths), [one.group for one in found.slices], found.unreadable) == (1, [group], ())
    create_run(tmp_path, "other", dict(other.record), overwrite=True)
    found = find_measurements(run)
    assert (found.paths, found.slices) == ((), ())
    assert [line.split(": ") for line in found.unreadable] == [
        [str(file), "1 result stands on an earlier run other, since replaced"] for file in (path, run.slice_path(0))
    ]
    shutil.rmtree(tmp_path / "other")
    assert len(find_measurements(run).paths) == 1, "what is gone has not been replaced"


def test_names_are_read_without_values(run):
    path: Path = layouts.add_purd(run)
    name = f"{layouts.KIND}/{layouts.AMOUNT}/200"
    assert read_hdf5_names(path, "file") == [name, f"und_returns/{name}"]
