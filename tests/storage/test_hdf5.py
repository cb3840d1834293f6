"""HDF5 files: what goes in comes out, whole or not at all, and damage is one line."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from landscapes.errors import UserError
from landscapes.storage import merge_hdf5, read_attributes, read_hdf5, read_hdf5_nodes, reader, write_hdf5

DATASETS = {
    "learner/policy/kernel": np.arange(60, dtype=np.float32).reshape(20, 3),
    "learner/count": np.uint32(7),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 4), np.float32),
    "big": np.linspace(0, 1, 200_001),
    "names": np.array(["td3", "Größe"]),
}
ATTRIBUTES = {
    "text": "Hopper-v4",
    "looks_like_json": "[1, 2]",
    "quoted": '"',
    "truth": True,
    "step": 2**40,
    "rate": 3e-4,
    "none": None,
    "array": np.arange(3.0),
    "config": {"b": {"lr": 0.1, "dims": [256, 256]}, "a": None},
    "sizes": [1, 2],
    "long": {"text": "x" * 100_000},
}


def assert_equal_datasets(found, expected):
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        values = np.asarray(values)
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values)


def assert_damaged(path):
    with pytest.raises(UserError) as caught:
        read_hdf5(path, "run_name")
    line = str(caught.value)
    assert line.startswith(f"run_name={path}: ") and "\n" not in line


def start_python(script, *arguments):
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=root, stderr=subprocess.PIPE)


def test_round_trip(tmp_path):
    path = write_hdf5(tmp_path / "file.h5", DATASETS, ATTRIBUTES)
    datasets, attributes = read_hdf5(path, "file")
    assert_equal_datasets(datasets, DATASETS)
    np.testing.assert_array_equal(attributes.pop("array"), np.arange(3.0))
    assert attributes == {name: value for name, value in ATTRIBUTES.items() if name != "array"}
    assert isinstance(attributes["truth"], bool) and isinstance(attributes["step"], int)
    assert list(read_attributes(path, "file")) == sorted(ATTRIBUTES)


def test_any_hdf5_reader_sees_plain_names_and_text(tmp_path):
    path = write_hdf5(tmp_path / "file.h5", DATASETS, ATTRIBUTES)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["learner/policy/kernel"][:], DATASETS["learner/policy/kernel"])
        assert list(file["names"].asstr()) == ["td3", "Größe"]
        assert file.attrs["text"] == "Hopper-v4"
        assert file.attrs["config"] == '{"a": null, "b": {"dims": [256, 256], "lr": 0.1}}'


def test_a_reader_reads_a_file_once_while_its_records_follow_each_other(tmp_path):
    one, other = (write_hdf5(tmp_path / f"{name}.h5", {"x": np.arange(n)}, {}) for n, name in ((2, "a"), (3, "b")))
    read = reader("file")
    first = read(one)
    one.unlink()
    assert read(one) is first and len(read(other)["x"]) == 3
    with pytest.raises(UserError):
        read(one)


def test_equal_content_gives_equal_bytes(tmp_path):
    first = write_hdf5(tmp_path / "first.h5", DATASETS, ATTRIBUTES)
    backwards = (dict(reversed(entries.items())) for entries in (DATASETS, ATTRIBUTES))
    second = write_hdf5(tmp_path / "second.h5", *backwards)
    merged = tmp_path / "merged.h5"
    for name, values in DATASETS.items():
        merge_hdf5(merged, {name: values}, ATTRIBUTES)
    assert first.read_bytes() == second.read_bytes() == merged.read_bytes()


def test_no_time_is_stored(tmp_path):
    path = write_hdf5(tmp_path / "file.h5", {"a/b": np.zeros(3)}, {})
    with h5py.File(path, "r") as file:
        assert [h5py.h5o.get_info(file[name].id).mtime for name in ("a", "a/b")] == [0, 0]


def test_writing_replaces_and_merging_keeps(tmp_path):
    path = tmp_path / "file.h5"
    merge_hdf5(
        path, {"a/x": np.zeros(2), "a/y": np.ones(2)}, {"one": 1, "two": 2}, {"a/x": {"unit": "m"}, "a": {"k": 0}}
    )
    merge_hdf5(path, {"a/z": np.ones(1), "a/y": np.zeros(5)}, {"two": 3}, {"a/z": {"unit": "s"}})
    datasets, attributes = read_hdf5(path, "file")
    assert_equal_datasets(datasets, {"a/x": np.zeros(2), "a/y": np.zeros(5), "a/z": np.ones(1)})
    assert attributes == {"one": 1, "two": 3}
    _, nodes = read_hdf5_nodes(path, "file")
    assert nodes == {"": attributes, "a/x": {"unit": "m"}, "a/z": {"unit": "s"}, "a": {"k": 0}}
    merge_hdf5(path, {"a/x": np.ones(1)}, {})
    assert "a/x" not in read_hdf5_nodes(path, "file")[1]
    write_hdf5(path, {"only": np.zeros(1)}, {})
    datasets, attributes = read_hdf5(path, "file")
    assert list(datasets) == ["only"] and attributes == {}


def test_two_processes_merging_lose_nothing(tmp_path):
    path = tmp_path / "file.h5"
    script = """
import sys, pathlib, numpy as np
from landscapes.storage import merge_hdf5
for i in range(8):
    merge_hdf5(pathlib.Path(sys.argv[1]), {f"{sys.argv[2]}/{i}": np.full(100, i)}, {f"{sys.argv[2]}{i}": i})
"""
    processes = [start_python(script, path, name) for name in ("first", "second")]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    datasets, attributes = read_hdf5(path, "file")
    assert sorted(datasets) == sorted(f"{name}/{i}" for name in ("first", "second") for i in range(8))
    assert len(attributes) == 16


def test_merging_goes_on_where_the_file_system_has_no_locks(tmp_path, monkeypatch, caplog):
    import fcntl

    def no_flock(descriptor, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_flock)
    merge_hdf5(tmp_path / "file.h5", {"a": np.zeros(1)}, {})
    assert list(read_hdf5(tmp_path / "file.h5", "file")[0]) == ["a"]
    assert "no locks" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 511, 512, 600, 2000, -1])
def test_truncated_file_is_one_line(tmp_path, size):
    path = write_hdf5(tmp_path / "file.h5", DATASETS, ATTRIBUTES)
    path.write_bytes(path.read_bytes()[:size])
    assert_damaged(path)


def test_every_flipped_bit_is_noticed(tmp_path):
    path = write_hdf5(tmp_path / "file.h5", {"a": np.arange(20.0)}, {"config": {"a": 1}})
    image = path.read_bytes()
    for position in range(512, len(image), 5):
        damaged = bytearray(image)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        assert_damaged(path)


def test_other_files_are_one_line_and_are_not_merged_into(tmp_path):
    path = tmp_path / "file.h5"
    assert_damaged(path)
    assert_damaged(tmp_path)
    path.write_text("not HDF5\n" * 1000)
    assert_damaged(path)
    with pytest.raises(UserError):
        merge_hdf5(path, {"a": np.zeros(1)}, {})
    assert path.read_text().startswith("not HDF5")


def test_hdf5_of_other_origin_is_read(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["a/b"] = np.arange(3)
        file["text"] = ["x", "ü"]
        file["bytes"] = np.array([b"x"])
        file.create_group("empty").attrs["note"] = "kept by nobody"
        file.attrs["name"] = np.bytes_("x")
    expected = {"a/b": np.arange(3), "text": np.array(["x", "ü"]), "bytes": np.array([b"x"])}
    datasets, attributes = read_hdf5(path, "file")
    assert_equal_datasets(datasets, expected)
    assert attributes == {"name": "x"}
    merge_hdf5(path, {"c": np.zeros(1)}, {})
    assert_equal_datasets(read_hdf5(path, "file")[0], {**expected, "c": np.zeros(1)})


@pytest.mark.parametrize("moment", ["os.fsync", "os.replace", "pathlib.Path.write_bytes"])
def test_kill_while_writing_leaves_the_old_file(tmp_path, moment):
    path = write_hdf5(tmp_path / "file.h5", {"a": np.arange(4.0)}, {})
    script = """
import os, pathlib, signal, sys, numpy as np
from landscapes.storage import write_hdf5
def write_half(self, data):
    with self.open("wb") as file:
        file.write(data[: len(data) // 2])
    die()
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
exec(f"{sys.argv[2]} = {'write_half' if 'write' in sys.argv[2] else 'die'}")
write_hdf5(pathlib.Path(sys.argv[1]), {"a": np.zeros(10000)}, {})
"""
    process = start_python(script, path, moment)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -9, errors
    assert_equal_datasets(read_hdf5(path, "file")[0], {"a": np.arange(4.0)})
    assert len(os.listdir(tmp_path)) == 2  # the stray temporary file does no harm
    merge_hdf5(path, {"b": np.zeros(2)}, {})
    assert sorted(read_hdf5(path, "file")[0]) == ["a", "b"]


def test_failed_write_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_hdf5(tmp_path / "file.h5", {"a": np.arange(4.0)}, {})
    before = path.read_bytes()

    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match=r"cannot be written: No space left on device$"):
            write_hdf5(path, {"a": np.zeros(1)}, {})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["file.h5"]
    with pytest.raises(UserError, match="cannot be written"):
        write_hdf5(path / "below" / "file.h5", {"a": np.zeros(1)}, {})
    with pytest.raises(UserError, match="cannot be locked"):
        merge_hdf5(path / "below" / "file.h5", {"a": np.zeros(1)}, {})


@pytest.mark.parametrize("name", ["", "/", "a//b", "../a", "a/./b", "a\0b"])
def test_impossible_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="is not a name"):
        write_hdf5(tmp_path / "file.h5", {name: np.zeros(1)}, {})


def test_impossible_values_are_refused(tmp_path):
    path = tmp_path / "file.h5"
    with pytest.raises(TypeError):
        write_hdf5(path, {"a": np.array([object()])}, {})
    with pytest.raises(TypeError):
        write_hdf5(path, {}, {"a": object()})
    with pytest.raises(TypeError):
        write_hdf5(path, {}, {"a": {"b": object()}})
    with pytest.raises(ValueError, match="cannot lie below"):
        write_hdf5(path, {"a": np.zeros(1), "a/b/c": np.zeros(1)}, {})
    assert os.listdir(tmp_path) == []
