"""`python -m landscapes.doctor [ENTRY_POINT KEY=VALUE ...]`: is everything here that a job will want?

Knows what jobs rely on (devices, caches, locks, disk, wandb, SLURM) and asks for each in the way that they do. With an
entry point and settings it also says what that job would take, and whether there is room for it.
"""

import argparse
import importlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from landscapes import commands, console, options, storage
from landscapes.config.compose import compose_job
from landscapes.config.job import Job
from landscapes.config.kinds import KINDS
from landscapes.errors import UserError
from landscapes.machine.folders import compilation_cache
from landscapes.machine.output import print_any_text
from landscapes.machine.runtime import set_up_runtime
from landscapes.machine.streams import as_command
from landscapes.tracking import has_login

_CONNECT_SECONDS = 3.0


class Finding(NamedTuple):
    """One line of the table. `problem` is what to do about it; empty where nothing is wrong."""

    what: str
    found: str
    problem: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the findings; 0 if jobs will run, 1 if something stands in their way, 2 for a mistake in the settings."""
    print_any_text()
    parser = argparse.ArgumentParser(prog="python -m landscapes.doctor", description=__doc__.splitlines()[0])
    parser.add_argument("entry_point", nargs="?", choices=sorted(KINDS), metavar="ENTRY_POINT")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="as that entry point takes them")
    parser.add_argument("--results-dir", help="as the key results_dir")
    chosen = options.parse(parser, arguments, with_settings=True)
    elsewhere = [] if chosen.results_dir is None else [commands.setting("results_dir", chosen.results_dir)]
    try:
        job = None if chosen.entry_point is None else compose_job(chosen.entry_point, [*chosen.settings, *elsewhere])
        results = storage.results_directory(chosen.results_dir if job is None else job.results_dir)
        compilation_cache(results)
    except UserError as error:
        console.one_line_error(error)
        return 2
    set_up_runtime(results)
    findings = [*_devices(), _cache(results), *_results(results), _wandb(), _slurm()]
    if job is not None:
        findings += _job(job, results)
    rows = [[finding.what, finding.found, finding.problem or "ok"] for finding in findings]
    console.print_table("What a job finds here", ["", "", ""], rows)
    return int(any(finding.problem for finding in findings))


def _devices() -> list[Finding]:
    try:
        import jax

        devices = jax.local_devices()
    except Exception as error:  # whatever a driver or plugin raises, it is what the user must see
        return [Finding("devices", "none", f"JAX does not start: {' '.join(str(error).split())[:300]}")]
    kind, platform = devices[0].device_kind, devices[0].platform
    precision = jax.config.values["jax_default_matmul_precision"]
    exact = precision in ("highest", "float32")
    unused = platform == "cpu" and shutil.which("nvidia-smi") is not None
    return [
        Finding(
            "devices",
            f"{len(devices)} x {kind} ({platform}), jax {jax.__version__}",
            "this machine has a GPU that JAX does not see: make install GPU=1" if unused else "",
        ),
        Finding(
            "precision of products",
            f"{precision} (TF32 off)" if exact else f"{precision}",
            "" if exact else "coarser products change measured landscapes: unset JAX_DEFAULT_MATMUL_PRECISION",
        ),
    ]


def _cache(results: Path) -> Finding:
    folder = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or compilation_cache(results))
    programs = sum(1 for _ in folder.glob("*-cache")) if folder.is_dir() else 0
    try:
        tempfile.TemporaryFile(dir=storage.nearest_present(folder)).close()
    except OSError as error:
        told = f"cannot be written ({error.strerror or error}); programs are compiled again: set LANDSCAPES_CACHE"
        return Finding("compiled programs", str(folder), told)
    return Finding("compiled programs", f"{programs} in {folder}")


def _results(results: Path) -> list[Finding]:
    try:
        storage.check_results_writable(results)
    except UserError as error:
        return [Finding("results", str(results), error.allowed)]
    present = storage.nearest_present(results)
    free = shutil.disk_usage(present).free
    return [
        Finding("results", f"{results}, {console.human_bytes(free)} free"),
        Finding("whole files", *_renames(present)),
        Finding("locks", *_locks(present)),
    ]


def _renames(folder: Path) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as name:
        path = Path(name) / "file.h5"
        try:
            for value in (1, 2):
                storage.write_hdf5(path, {}, {"value": value})
            whole = storage.read_attributes(path, "file")["value"] == 2
        except UserError as error:
            return "not possible", error.allowed
    return ("written, flushed, renamed, read back", "") if whole else ("not possible", "an old file was read back")


def _locks(folder: Path) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as name:
        path = Path(name) / "lock"
        first = FileLock(path, timeout=0, fallback_to_soft=False)
        try:
            first.acquire()
        except OSError as error:
            told = "let only one job at a time write to a run, or put results on another file system"
            return f"none on this file system ({error.strerror or error})", told
        try:
            FileLock(path, timeout=0, fallback_to_soft=False, is_singleton=False).acquire()
        except Timeout:
            return "a second writer waits", ""
        finally:
            first.release()
    return "without effect", "let only one job at a time write to a run, or put results on another file system"


def _wandb() -> Finding:
    if not has_login():
        return Finding("wandb", "no login: runs are logged offline, and uploaded by `wandb sync`")
    server = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    host, port = server.hostname or "", server.port or (80 if server.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return Finding("wandb", f"a login, but {host} is not reached ({error}): runs are logged offline")
    return Finding("wandb", f"a login, and {host} is reached: runs are logged online")


def _slurm() -> Finding:
    if shutil.which("srun") is None:
        return Finding("SLURM", "not here: job_config=local_default and local_multiprocessing do without")
    return Finding("SLURM", "srun is here: job_config=slurm and the presets on top of it")


def _job(job: Job, results: Path) -> list[Finding]:
    """What a training would take; other jobs write a few megabytes."""
    experiment = importlib.import_module(f"{job.entry_point}.experiments.{job.kind}")
    if not hasattr(experiment, "task"):
        return [Finding("this job", "a few megabytes on disk")]
    try:
        needed = experiment.task(job).estimate(job)
    except UserError as error:
        return [Finding("this job", "", str(job.error_as_typed(error)))]
    present = storage.nearest_present(results)
    free, on_disk = shutil.disk_usage(present).free, needed.checkpoints + needed.saves
    return [
        Finding(
            "disk for this job",
            f"{console.human_bytes(needed.checkpoints)} of checkpoints, {console.human_bytes(needed.saves)} of saves",
            "" if on_disk < free else f"only {console.human_bytes(free)} are free",
        ),
        Finding(
            "memory for this job",
            f"{console.human_bytes(needed.memory)}, of which replay logs {console.human_bytes(needed.logs)}",
        ),
    ]


if __name__ == "__main__":
    sys.exit(as_command(main))
