"""What JAX finds in its environment."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from landscapes.machine.folders import REPOSITORY, compilation_cache, results_directory
from landscapes.machine.runtime import set_up_runtime
from landscapes.machine.xla_flags import compiler_flags

NAMES = (
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "XLA_FLAGS",
    "TF_CPP_MIN_LOG_LEVEL",
)

MEMORY, FORMERLY = "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*NAMES, MEMORY, FORMERLY):
        # Set first, so that what the test leaves behind is undone too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANDSCAPES_CACHE", str(tmp_path))
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)


@pytest.mark.usefixtures("bare_environment")
def test_defaults(tmp_path: Path) -> None:
    set_up_runtime()
    set_up_runtime()
    assert [os.environ[name] for name in NAMES] == [
        str(compilation_cache(tmp_path)),
        "0.5",
        "highest",
        compiler_flags("", num_devices=3),
        "2",
    ]
    assert compilation_cache(tmp_path).parent == tmp_path
    assert compilation_cache(tmp_path).name.startswith("xla-")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("bare_environment")
def test_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    set_up_runtime()
    assert os.environ["XLA_FLAGS"] == f"--xla_a=1 {compiler_flags('', num_devices=3)}"
    assert os.environ["JAX_DEFAULT_MATMUL_PRECISION"] == "float32"
    chosen = "--xla_force_host_platform_device_count=1 --xla_cpu_use_fusion_emitters=true"
    chosen += " --xla_backend_extra_options=xla_b=1"
    monkeypatch.setenv("XLA_FLAGS", chosen)
    set_up_runtime()
    assert os.environ["XLA_FLAGS"] == chosen


def test_results_lie_in_the_root_of_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDSCAPES_RESULTS")
    assert (REPOSITORY / "pyproject.toml").is_file()
    assert results_directory(None) == REPOSITORY / "results"


@pytest.mark.usefixtures("bare_environment")
def test_programs_are_kept_beside_the_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LANDSCAPES_CACHE")
    set_up_runtime(tmp_path / "there")
    assert Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).parent == tmp_path / "there" / ".cache"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "elsewhere"))
    set_up_runtime()
    assert Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).parent == tmp_path / "elsewhere" / ".cache"


@pytest.mark.usefixtures("bare_environment")
@pytest.mark.parametrize(
    "given, fraction, found",
    [
        ({}, None, {}),
        ({}, 0.3, {MEMORY: "0.3"}),
        ({MEMORY: "0.5"}, 0.3, {MEMORY: "0.5"}),
        ({FORMERLY: "0.5"}, 0.3, {FORMERLY: "0.5"}),  # JAX refuses both together
    ],
)
def test_the_share_of_a_gpu(
    given: dict[str, str], fraction: float | None, found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    set_up_runtime(gpu_memory_fraction=fraction)
    assert {name: os.environ[name] for name in (MEMORY, FORMERLY) if name in os.environ} == found


@pytest.mark.usefixtures("bare_environment")
def test_jax_that_is_imported_already_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: dict[str, object] = {}
    config = SimpleNamespace(update=told.__setitem__, jax_compilation_cache_dir=None)
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(config=config))
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    set_up_runtime()
    assert told == {
        "jax_compilation_cache_dir": str(compilation_cache(tmp_path)),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
    }


def test_the_names_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    for name in NAMES[:3]:
        assert hasattr(jax.config, name.lower())
