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
from landscapes.storage.replay_log import (
    SEGMENT_SCHEMA_VERSION,
    append_segment,
    discard_log,
    link_prefix,
    load_log,
    log_end,
)
from landscapes.storage.runs import (
    RUN_SCHEMA_VERSION,
    Run,
    check_checkpoint,
    check_results_writable,
    check_run_name,
    check_same_settings,
    check_seed,
    create_run,
    differing_keys,
    find_run,
    hold_run,
    open_run,
    results_directory,
    run_names,
    slurm_run_name,
    starts_over,
    unique_run_name,
)
from landscapes.storage.saves import (
    Save,
    append_tail,
    drop_tail,
    load_logs,
    read_save,
    write_save,
)
from landscapes.storage.sweeps import Sweep, open_sweep, sweep_names, sweeps_folder
from landscapes.storage.trees import flatten_tree, restore_tree

__all__ = [
    "CHECKPOINT_SCHEMA_VERSION",
    "RUN_SCHEMA_VERSION",
    "SEGMENT_SCHEMA_VERSION",
    "Run",
    "Save",
    "Sweep",
    "append_segment",
    "append_tail",
    "check_checkpoint",
    "check_results_writable",
    "check_run_name",
    "check_same_settings",
    "check_seed",
    "checkpoint_attributes",
    "create_run",
    "differing_keys",
    "discard_log",
    "drop_tail",
    "environment_record",
    "find_run",
    "flatten_tree",
    "hold_run",
    "link_prefix",
    "load_checkpoint",
    "load_log",
    "load_logs",
    "log_end",
    "merge_hdf5",
    "open_run",
    "open_sweep",
    "read_attributes",
    "read_dataset_attributes",
    "read_hdf5",
    "read_save",
    "restore_tree",
    "results_directory",
    "run_names",
    "save_checkpoint",
    "slurm_run_name",
    "starts_over",
    "sweep_names",
    "sweeps_folder",
    "unique_run_name",
    "write_hdf5",
    "write_save",
]
