"""What JAX finds in its environment."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from landscapes.config.runtime import compilation_cache, set_up_runtime

NAMES = (
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_DEFAULT_MATMUL_PRECISION",
    "XLA_FLAGS",
    "TF_CPP_MIN_LOG_LEVEL",
)


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
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
        str(compilation_cache()),
        "0.5",
        "highest",
        "--xla_cpu_use_fusion_emitters=false --xla_force_host_platform_device_count=3",
        "2",
    ]
    assert compilation_cache().parent == tmp_path
    assert compilation_cache().name.startswith("xla-")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("bare_environment")
def test_the_users_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    set_up_runtime()
    assert os.environ["XLA_FLAGS"] == (
        "--xla_a=1 --xla_cpu_use_fusion_emitters=false --xla_force_host_platform_device_count=3"
    )
    assert os.environ["JAX_DEFAULT_MATMUL_PRECISION"] == "float32"
    chosen = "--xla_force_host_platform_device_count=1 --xla_cpu_use_fusion_emitters=true"
    monkeypatch.setenv("XLA_FLAGS", chosen)
    set_up_runtime()
    assert os.environ["XLA_FLAGS"] == chosen


@pytest.mark.usefixtures("bare_environment")
def test_jax_that_is_imported_already_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}
    config = SimpleNamespace(update=told.__setitem__, jax_compilation_cache_dir=None)
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(config=config))
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    set_up_runtime()
    assert told == {
        "jax_compilation_cache_dir": str(compilation_cache()),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
    }


def test_the_names_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    for name in NAMES[:3]:
        assert hasattr(jax.config, name.lower())
