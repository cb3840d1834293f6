"""What an evaluation finds measured already, so that it measures only the rest.

Knows result files, the configuration that each data set was made under and the policies that it stands on; knows no
experiment's own names.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landscapes import storage
from landscapes.errors import UserError

REPLACES = "overwrite=true replaces it"
"""What helps where a result cannot be used."""


def measured_before(
    path: Path, names: Mapping[str, Iterable[storage.Run]], config: Mapping[str, Any], decisive: Iterable[str]
) -> dict[str, np.ndarray]:
    """Those of the data sets `names` that lie in `path` already; none where there is no such file.

    `names` says of each the runs whose policies it stands on. `config` is the job's whole resolved configuration,
    `decisive` are the keys in it that change the numbers, as in `experiment.discount`. Raises UserError naming the run
    where a data set was made from an earlier one of its name, or the key where it was made under another value of one.
    """
    if not path.exists():
        return {}
    datasets, attributes = storage.read_hdf5_nodes(path, "file")
    found = {name: datasets[name] for name in names if name in datasets}
    for name in found:
        under: Any = attributes[name]["config"]
        storage.check_not_replaced(attributes[name].get(storage.STANDS_ON), names[name], f"{path}: {name}", REPLACES)
        for key in decisive:
            before, now = _value(under, key), _value(config, key)
            if before != now:
                raise UserError(key, now, f"{path} has {name} measured with {before}; {REPLACES}")
    return found


def _value(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
