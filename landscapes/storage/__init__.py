"""Run folders, checkpoints, the replay log and HDF5: everything this project puts on disk or reads from it.

Knows files; knows no algorithm, network, environment or command line. Importing it imports no simulator.
"""

from landscapes.storage.checkpoints import (
    CHECKPOINT_SCHEMA_VERSION,
    checkpoint_attributes,
    load_checkpoint,
    save_checkpoint,
)
from landscapes.storage.hdf5 import merge_hdf5, read_attributes, read_dataset_attributes, read_hdf5, write_hdf5
from landscapes.storage.provenance import environment_record
from landscapes.storage.replay_log import SEGMENT_SCHEMA_VERSION, append_segment, link_prefix, load_log, log_end
from landscapes.storage.runs import (
    RUN_SCHEMA_VERSION,
    Run,
    check_checkpoint,
    check_results_writable,
    check_run_name,
    check_seed,
    create_run,
    differing_keys,
    open_run,
    results_directory,
    run_names,
    slurm_run_name,
    unique_run_name,
)
from landscapes.storage.trees import flatten_tree, restore_tree

__all__ = [
    "CHECKPOINT_SCHEMA_VERSION",
    "RUN_SCHEMA_VERSION",
    "SEGMENT_SCHEMA_VERSION",
    "Run",
    "append_segment",
    "check_checkpoint",
    "check_results_writable",
    "check_run_name",
    "check_seed",
    "checkpoint_attributes",
    "create_run",
    "differing_keys",
    "environment_record",
    "flatten_tree",
    "link_prefix",
    "load_checkpoint",
    "load_log",
    "log_end",
    "merge_hdf5",
    "open_run",
    "read_attributes",
    "read_dataset_attributes",
    "read_hdf5",
    "restore_tree",
    "results_directory",
    "run_names",
    "save_checkpoint",
    "slurm_run_name",
    "unique_run_name",
    "write_hdf5",
]
