"""Run folders, checkpoints, the replay log and HDF5: everything this project puts on disk or reads from it.

Knows files; knows no algorithm, network, environment or command line. Importing it imports neither a simulator
nor JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

from landscapes.machine.folders import results_directory
from landscapes.storage.best import Best, best_checkpoint, best_checkpoints, check_best, find_checkpoint
from landscapes.storage.hdf5 import (
    merge_hdf5,
    read_attributes,
    read_hdf5,
    read_hdf5_names,
    read_hdf5_nodes,
    read_node_attributes,
    reader,
    write_hdf5,
)
from landscapes.storage.identity import STANDS_ON, check_not_replaced, check_still_there, footing, replaced_run
from landscapes.storage.measurements import find_measurements, find_purds, find_result_files
from landscapes.storage.outputs import Output
from landscapes.storage.provenance import environment_record, package_versions
from landscapes.storage.records import (
    NO_NOISE,
    OWN_RATE,
    TEST_KINDS,
    Measurements,
    PathRecord,
    PolicyName,
    PurdRecord,
    ResultFile,
    ResultFiles,
    SliceRecord,
    TrajectoryRecord,
    WalkRecord,
    amount_name,
    typed_amount,
)
from landscapes.storage.runs import (
    RUN_SCHEMA_VERSION,
    Run,
    check_checkpoint,
    check_results_writable,
    check_same_settings,
    check_seed,
    create_run,
    differing_keys,
    find_run,
    flat_settings,
    hold_run,
    nearest_present,
    open_run,
    run_names,
    starts_over,
)
from landscapes.storage.unfinished import Unfinished

if TYPE_CHECKING:
    from landscapes.storage.checkpoints import (
        CHECKPOINT_SCHEMA_VERSION,
        checkpoint_attributes,
        load_checkpoint,
        save_checkpoint,
    )
    from landscapes.storage.replay_log import (
        SEGMENT_SCHEMA_VERSION,
        append_segment,
        discard_log,
        link_prefix,
        load_log,
        log_end,
    )
    from landscapes.storage.saves import (
        Save,
        append_tail,
        drop_tail,
        load_logs,
        read_save,
        write_save,
    )
    from landscapes.storage.trees import flatten_tree, restore_tree

__all__ = [
    "CHECKPOINT_SCHEMA_VERSION",
    "NO_NOISE",
    "OWN_RATE",
    "RUN_SCHEMA_VERSION",
    "SEGMENT_SCHEMA_VERSION",
    "STANDS_ON",
    "TEST_KINDS",
    "Best",
    "Measurements",
    "Output",
    "PathRecord",
    "PolicyName",
    "PurdRecord",
    "ResultFile",
    "ResultFiles",
    "Run",
    "Save",
    "SliceRecord",
    "TrajectoryRecord",
    "Unfinished",
    "WalkRecord",
    "amount_name",
    "append_segment",
    "append_tail",
    "best_checkpoint",
    "best_checkpoints",
    "check_best",
    "check_checkpoint",
    "check_not_replaced",
    "check_results_writable",
    "check_same_settings",
    "check_seed",
    "check_still_there",
    "checkpoint_attributes",
    "create_run",
    "differing_keys",
    "discard_log",
    "drop_tail",
    "environment_record",
    "find_checkpoint",
    "find_measurements",
    "find_purds",
    "find_result_files",
    "find_run",
    "flat_settings",
    "flatten_tree",
    "footing",
    "hold_run",
    "link_prefix",
    "load_checkpoint",
    "load_log",
    "load_logs",
    "log_end",
    "merge_hdf5",
    "nearest_present",
    "open_run",
    "package_versions",
    "read_attributes",
    "read_hdf5",
    "read_hdf5_names",
    "read_hdf5_nodes",
    "read_node_attributes",
    "read_save",
    "reader",
    "replaced_run",
    "restore_tree",
    "results_directory",
    "run_names",
    "save_checkpoint",
    "starts_over",
    "typed_amount",
    "write_hdf5",
    "write_save",
]

_WITH_JAX = ("checkpoints", "replay_log", "saves", "trees")
"""Modules that import JAX, which takes longer than listing hundreds of runs: imported when a name of theirs is used."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _WITH_JAX:
            found = getattr(importlib.import_module(f"landscapes.storage.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
