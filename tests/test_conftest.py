"""Strict mode bites: each rule of conftest.py is broken once."""

import os
import socket
import threading
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

pytest_plugins = ["pytester"]


def test_warnings_are_errors() -> None:
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_rank_promotion_raises() -> None:
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.zeros((4, 3)) + jnp.zeros(3)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_connecting_to_another_machine_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(RuntimeError, match="no network in tests"):
        client.connect((host, 80))


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no network in tests"):
        socket.create_connection(("example.org", 80))


def test_connecting_to_this_machine_is_allowed(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server:
        accept = threading.Thread(target=lambda: server.accept()[0].close())
        accept.start()
        socket.create_connection(server.getsockname()).close()
        accept.join()


def test_results_go_to_a_temporary_folder(tmp_path: Path) -> None:
    assert Path(os.environ["LANDSCAPES_RESULTS"]).parent == tmp_path


def test_compiled_programs_are_kept() -> None:
    assert jax.config.jax_compilation_cache_dir == os.environ["JAX_COMPILATION_CACHE_DIR"]


def test_a_skip_is_a_failure_where_skips_are_forbidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDSCAPES_NO_SKIP", "1")
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makepyfile(
        test_marked="import pytest\n@pytest.mark.skip(reason='no reason')\ndef test(): ...",
        test_called="import pytest\ndef test(): pytest.skip('no reason')",
        test_xfail="import pytest\n@pytest.mark.xfail\ndef test(): assert False",
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, errors=1, xfailed=1)  # a marked test is skipped in its setup
    result.stdout.fnmatch_lines(["*LANDSCAPES_NO_SKIP=1 forbids that. *no reason*"])


def test_a_skipped_module_is_an_error_where_skips_are_forbidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDSCAPES_NO_SKIP", "1")
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_package')")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(errors=1)
