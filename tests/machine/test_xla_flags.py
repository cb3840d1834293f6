"""XLA's flags beside the installed jaxlib, which is asked for each."""

import jax
import jax.numpy as jnp
import pytest

from landscapes.machine import devices, xla_flags

OURS = (f"{xla_flags.EMITTERS}=false", f"{xla_flags.EXTRA_OPTIONS}={xla_flags.LOOPS}", f"{xla_flags.HOST_DEVICES}=3")
NEVER = "--xla_there_never_was_such_a_flag=1"


def test_what_is_given_is_what_this_jaxlib_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--xla_backend_optimization_level=1",)
    assert {flag: xla_flags.accepts([flag]) for flag in (*OURS, *options, NEVER)} == {
        **{flag: flag in xla_flags.taken((*OURS, *options)) for flag in (*OURS, *options)},
        NEVER: False,
    }
    assert xla_flags.accepts(xla_flags.compiler_flags("", 3).split())
    assert xla_flags.compiler_flags("--xla_a=1", 3).split() == ["--xla_a=1", *xla_flags.taken(OURS)]
    monkeypatch.setenv("XLA_FLAGS", xla_flags.compiler_flags("", 3))
    chooses = xla_flags.accepts(OURS[:1])
    assert devices.compiler_options(of_networks=True) == ({"xla_cpu_use_fusion_emitters": True} if chooses else None)
    assert devices.compiler_options(of_networks=False) is None
    assert devices.compiler_options_once() == {"xla_backend_optimization_level": 1}
    monkeypatch.setenv("XLA_FLAGS", xla_flags.compiler_flags(f"{xla_flags.LEVEL}=0", 3))
    assert devices.compiler_options(of_networks=True) is None, "the caller's flags say how much to optimize"
    assert devices.compiler_options_once() is None


def test_a_small_loop_is_one_function() -> None:
    """Which `xla_backend_extra_options` asks for (jaxlib 0.12 does it by itself). A name unknown there XLA ignores."""

    def f(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 50, lambda _, x: jnp.cumsum(jnp.sin(x))[::-1] * 0.1 + x, x)

    assert " call(" in jax.jit(f).lower(jnp.ones(4000)).compile().as_text()


@pytest.mark.parametrize("version", ["0.99", "0.11.0.dev20260101", "0.3.25"])
def test_a_jaxlib_that_is_not_known_is_asked(
    version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"jaxlib": version}.__getitem__)
    good = f"{xla_flags.HOST_DEVICES}={len(version)}"
    assert xla_flags.taken((good,)) == (good,)
    assert caplog.messages == []
    for _ in range(2):
        assert xla_flags.taken((good, NEVER, OURS[1])) == (good, OURS[1])
    (said,) = caplog.messages
    assert said.startswith(f"jaxlib {version} does not take {NEVER}: left out")
    xla_flags.taken.cache_clear()


@pytest.mark.parametrize("version, given", [("0.10.2", OURS), ("0.11.0", OURS[1:]), ("0.12.0.1", OURS[1:])])
def test_a_jaxlib_that_is_known_costs_no_process(
    version: str, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"jaxlib": version}.__getitem__)
    monkeypatch.delattr(xla_flags, "accepts")
    xla_flags.taken.cache_clear()
    assert xla_flags.taken(OURS) == given
    xla_flags.taken.cache_clear()
