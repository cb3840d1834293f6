"""HDF5 files as plain mappings from names to arrays: written whole, checked when read, equal bytes for equal content.

Knows HDF5 and attributes; knows neither run folders nor what the arrays mean.

The first 512 bytes of a file (HDF5's user block, which every reader skips) hold a checksum of the rest. It is checked
before HDF5 sees a byte: damage is an error and not a silently different number, and HDF5 never runs astray in it.
"""

import functools
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar

import h5py
import numpy as np

from landscapes.errors import UserError
from landscapes.storage.files import locked, write_whole

Datasets = dict[str, np.ndarray]
Attributes = dict[str, object]

_FORMAT = ("v110", "v110")
_BLOCK_BYTES = 512  # the smallest user block
_CHECKSUM = re.compile(rb"landscapes crc32 of all bytes after this block: ([0-9a-f]{8})\n\0*")
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError)
_ROOT = ""
_Value = TypeVar("_Value")


class _Content(NamedTuple):
    """All of one file: data sets by name, and the attributes of the nodes that have any (`""` is the file)."""

    datasets: Mapping[str, np.ndarray]
    attributes: Mapping[str, Mapping[str, object]]


def write_hdf5(path: Path, datasets: Mapping[str, np.ndarray], attributes: Mapping[str, object]) -> Path:
    """`path`, now holding exactly these data sets and file attributes; replaced whole, or left as it was.

    Names of data sets may contain '/'. Attributes are str, bool, int, float, None, arrays, or dicts and lists of these
    (stored as JSON text). Raises UserError where the file cannot be written, ValueError for a name that HDF5 cannot
    hold and TypeError for a value that it cannot (objects, bfloat16).
    """
    return _write(path, _Content(_as_arrays(datasets), {_ROOT: attributes}))


def merge_hdf5(
    path: Path,
    datasets: Mapping[str, np.ndarray],
    attributes: Mapping[str, object],
    dataset_attributes: Mapping[str, Mapping[str, object]] | None = None,
) -> Path:
    """`path`, with these data sets and attributes added or replaced and everything else kept as it was.

    A replaced data set loses its old attributes; `dataset_attributes` gives new ones by name. Processes adding to the
    same file wait for each other. Raises as `write_hdf5`, and UserError where the present file is damaged.
    """
    added = _as_arrays(datasets)
    with locked(path):
        present = _read(path, "file", _content) if path.exists() else _Content({}, {})
        kept = {name: values for name, values in present.attributes.items() if name not in added}
        merged = {_clean(name): values for name, values in (dataset_attributes or {}).items()}
        merged[_ROOT] = {**present.attributes.get(_ROOT, {}), **attributes}
        return _write(path, _Content({**present.datasets, **added}, {**kept, **merged}))


def read_hdf5(path: Path, key_for_errors: str) -> tuple[Datasets, Attributes]:
    """All data sets of a file by their full names, and the attributes of the file itself.

    Raises UserError under `key_for_errors` where the file is missing, truncated, damaged or not HDF5.
    """
    datasets, attributes = read_hdf5_nodes(path, key_for_errors)
    return datasets, attributes.get(_ROOT, {})


def reader(key_for_errors: str) -> Callable[[Path], Datasets]:
    """All data sets of a file, as `read_hdf5` reads them; keeps the last, as records of one file follow each other."""
    return functools.lru_cache(maxsize=1)(lambda path: read_hdf5(path, key_for_errors)[0])


def read_hdf5_nodes(path: Path, key_for_errors: str) -> tuple[Datasets, dict[str, Attributes]]:
    """As `read_hdf5`, with the attributes of every node that has any by its full name; `""` is the file itself."""
    datasets, attributes = _read(path, key_for_errors, _content)
    return dict(datasets), {name: dict(values) for name, values in attributes.items()}


def read_attributes(path: Path, key_for_errors: str) -> Attributes:
    """The attributes of the file itself, without reading any data set; raises as `read_hdf5`."""
    return _read(path, key_for_errors, _node_attributes)


def read_node_attributes(path: Path, key_for_errors: str, names: Iterable[str]) -> dict[str, Attributes]:
    """The attributes of these nodes, which must be there, without reading any values; raises as `read_hdf5`."""
    return _read(path, key_for_errors, lambda file: {name: _node_attributes(file[name]) for name in names})


def read_hdf5_names(path: Path, key_for_errors: str) -> list[str]:
    """The full names of all data sets, sorted, without reading their values; raises as `read_hdf5`."""
    return _read(path, key_for_errors, _names)


# Writing


def _write(path: Path, content: _Content) -> Path:
    _check_nesting(content.datasets)
    image = _image(content)
    return write_whole(path, lambda temporary: temporary.write_bytes(image))


def _image(content: _Content) -> bytes:
    # Built in memory: HDF5 itself may crash the process where a disk is full, and locks what has our lock already.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=_FORMAT, userblock_size=_BLOCK_BYTES) as file:
        for name in sorted(content.datasets):  # the order of creation shows in the bytes
            _write_dataset(file, name, content.datasets[name])
        for name in sorted(content.attributes):
            _write_attributes(file[name] if name else file, content.attributes[name])
    # No view of the buffer leaves here: where writing fails, Python 3.13 may drop the buffer first, and complains.
    with buffer.getbuffer() as view:
        line = b"landscapes crc32 of all bytes after this block: %08x\n" % zlib.crc32(view[_BLOCK_BYTES:])
        view[:_BLOCK_BYTES] = line.ljust(_BLOCK_BYTES, b"\0")
    return buffer.getvalue()


def _as_arrays(datasets: Mapping[str, np.ndarray]) -> Datasets:
    arrays = {_clean(name): np.asarray(value) for name, value in datasets.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcSU":
            raise TypeError(f"data set {name!r}: {array.dtype} cannot be stored")
    return arrays


def _clean(name: str) -> str:
    name = name.strip("/")
    if any(part in ("", ".", "..") or "\0" in part for part in name.split("/")):
        raise ValueError(f"{name!r} is not a name for a data set")
    return name


def _check_nesting(datasets: Mapping[str, np.ndarray]) -> None:
    for name in datasets:
        for parent in PurePath(name).parents:
            if str(parent) in datasets:
                raise ValueError(f"{parent} is a data set, so {name} cannot lie below it")


def _write_dataset(file: h5py.File, name: str, array: np.ndarray) -> None:
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
        array = array.astype(h5py.string_dtype("utf-8", max(array.dtype.itemsize, 1)))
    # A roll-out's pictures are nearly all alike: compressed they take a hundredth or less.
    packed = {"compression": "gzip"} if name.endswith("/frames") and array.size else {}
    file.create_dataset(name, data=array, track_times=False, **packed)


def _write_attributes(node: h5py.HLObject, attributes: Mapping[str, object]) -> None:
    for name in sorted(attributes):
        node.attrs[name] = _encode(attributes[name])


def _encode(value: object) -> object:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=plain, sort_keys=True)
    if isinstance(value, PurePath):
        return _encode(str(value))
    if isinstance(value, str):
        # Text that looks like JSON is itself stored as JSON, so that it comes back as text.
        return json.dumps(value) if value[:1] in ("{", "[", '"') else value
    if value is None:
        return h5py.Empty("f4")
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{type(value).__name__} cannot be stored as an attribute")
    return array


def plain(value: object) -> object:
    """A value for `json`: paths as text, arrays and their scalars as lists and numbers; raises TypeError for others."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{type(value).__name__} cannot be stored as JSON")
    return array.tolist()


# Reading


def _read(path: Path, key: str, read: Callable[[h5py.File], _Value]) -> _Value:
    try:
        image = path.read_bytes()
    except OSError as error:
        raise UserError(key, path, f"cannot be read: {error.strerror or error}") from error
    try:
        _check(image)
        with h5py.File(io.BytesIO(image), "r") as file:
            return read(file)
    except _DAMAGE as error:
        raise UserError(key, path, f"is not an HDF5 file, or truncated or damaged ({error})") from error


def _check(image: bytes) -> None:
    """Raises ValueError where a checksum does not fit; a file of other origin has none."""
    checksum = _CHECKSUM.fullmatch(image[:_BLOCK_BYTES])
    if checksum and int(checksum[1], 16) != zlib.crc32(memoryview(image)[_BLOCK_BYTES:]):
        raise ValueError("its checksum does not fit; another program may have changed it")


def _content(file: h5py.File) -> _Content:
    datasets: Datasets = {}
    attributes: dict[str, Attributes] = {_ROOT: _node_attributes(file)}

    def visit(name: str, node: h5py.HLObject) -> None:
        if isinstance(node, h5py.Dataset):
            datasets[name] = _array(node)
        if len(node.attrs):
            attributes[name] = _node_attributes(node)

    file.visititems(visit)
    # A group is there for the data sets below it; one that is empty is not written again.
    names = {_ROOT, *datasets, *(str(parent) for name in datasets for parent in PurePath(name).parents)}
    return _Content(datasets, {name: values for name, values in attributes.items() if name in names})


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []

    def visit(name: bytes, about: h5py.h5o.ObjInfo) -> None:
        if about.type == h5py.h5o.TYPE_DATASET:
            names.append(name.decode())

    # Half the time of `file.visititems`, which opens every node; lists of hundreds of runs come through here.
    h5py.h5o.visit(file.id, visit, info=True)
    return sorted(names)


def _array(dataset: h5py.Dataset) -> np.ndarray:
    text = h5py.check_string_dtype(dataset.dtype)
    values = dataset[()]
    if text is None or (text.length is not None and text.encoding != "utf-8"):
        return np.asarray(values)
    if text.length is None:
        return np.asarray(dataset.asstr()[()], dtype=np.str_)
    return np.char.decode(np.asarray(values), "utf-8")


def _node_attributes(node: h5py.HLObject) -> Attributes:
    return {name: _decode(value) for name, value in node.attrs.items()}


def _decode(value: object) -> object:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return json.loads(value) if value[:1] in ("{", "[", '"') else value
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value
