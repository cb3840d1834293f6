"""Strict mode: warnings and rank promotion are errors, no network, results in temporary folders.

Knows pytest and the environment variables of the libraries; imports no JAX, so that the variables come first, and of
ours only what knows XLA's flags.
"""

import gc
import ipaddress
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from landscapes.machine.xla_flags import LEVEL, compiler_flags

CACHE = Path(__file__).resolve().parent.parent / ".cache"

STRICT = {
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "MPLBACKEND": "Agg",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}
"""Set for every test and for every process a test starts, whatever the caller's are."""

DEFAULTS = {
    "JAX_PLATFORMS": "cpu",
    # As commands set them, but two devices, whatever the machine has: what is spread over devices is tested as such.
    # Tests compile much and compute little: LLVM at its lowest level, so that programs ask for no options of their own,
    # and none split for threads to compile.
    "XLA_FLAGS": compiler_flags(f"{LEVEL}=0 --xla_cpu_parallel_codegen_split_count=1", 2),
    # The second run on a machine, and the other test processes of the first, find most programs compiled.
    "JAX_COMPILATION_CACHE_DIR": str(CACHE / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
    # Nor is it written down for each operation of a program which line of which of a hundred callers it comes from.
    "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",
}
"""Set where the caller has not."""

if "jax" in sys.modules:
    raise RuntimeError("jax was imported before tests/conftest.py could set its environment variables")
os.environ.update(STRICT)
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)
os.environ.pop("WANDB_API_KEY", None)
# Containers often tell Python to keep nothing that it compiles: hundreds of processes would each compile JAX's modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Whether or not the tests run in the background or under nohup, whose signals are ignored and would be by jobs too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class NetworkBlockedError(RuntimeError):
    """A test reached for the network. Not an OSError, so that no handler of lost connections swallows it."""


def _is_local(host: object) -> bool:
    if isinstance(host, bytes | bytearray):
        host = host.decode()
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a path: AF_UNIX
            return
        host = address[0]
    else:
        return
    if not _is_local(host):
        raise NetworkBlockedError(f"no network in tests: {event} to {host!r}")


sys.addaudithook(_refuse_network)


@pytest.fixture(scope="session", autouse=True)
def _results_of_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Module and session fixtures that name no folder write here."""
    os.environ["LANDSCAPES_RESULTS"] = str(tmp_path_factory.mktemp("results"))
    os.environ["WANDB_DIR"] = str(tmp_path_factory.mktemp("wandb"))


@pytest.fixture(autouse=True)
def _results_of_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two tests that name no folder do not see each other's runs."""
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def shared_programs() -> Iterator[None]:
    """The jobs of a module share what they trace and compile: see `tests.support.shared_programs`."""
    from shared_programs import sharing

    with sharing():
        yield


@pytest.fixture
def own_programs(shared_programs: None) -> Iterator[None]:
    """In such a module, each job of the test traces and compiles its own."""
    from shared_programs import apart

    with apart():
        yield


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one finished run of each of `tiny_runs.RUNS`, to be read: what writes gets a copy.

    The first test process that wants it makes it, and the others wait for it.
    """
    import tiny_runs
    from filelock import FileLock
    from shared_programs import sharing

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all test processes
    results, done = folder / "trained", folder / "trained.done"
    with FileLock(folder / "trained.lock"):
        if not done.exists():
            with sharing():
                tiny_runs.train_all(results)
            done.touch()
    return results


MOST_MAPPINGS = 20_000
"""Of a process's memory: Linux grants 65530, a compiled program takes some thirty, and XLA crashes where one is denied.
"""

TESTS_BETWEEN_COUNTS = 10
_num_tests = 0


def pytest_runtest_teardown() -> None:
    """Programs that were compiled are let go where there have come to be many."""
    global _num_tests
    _num_tests += 1
    mappings = Path("/proc/self/maps")
    if _num_tests % TESTS_BETWEEN_COUNTS or "jax" not in sys.modules or not mappings.exists():
        return
    if mappings.read_bytes().count(b"\n") > MOST_MAPPINGS:
        import jax
        from shared_programs import forget

        forget()
        jax.clear_caches()
        gc.collect()


def pytest_collection_finish() -> None:
    """What was imported stays. Tracing makes the garbage collector go through it again and again, for a seventh of the
    time that tests take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000)


# With LANDSCAPES_NO_SKIP=1 (.ci/run) a skipped test has failed: there, all that tests want is installed.
if os.environ.get("LANDSCAPES_NO_SKIP") == "1":

    def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and LANDSCAPES_NO_SKIP=1 forbids that. {reason}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport() -> Iterator[None]:
        report = yield
        _fail_if_skipped(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report() -> Iterator[None]:
        report = yield
        _fail_if_skipped(report)
        return report
