"""The documentation: its examples run, its Python compiles, its command lines compose, its links lead somewhere.

Knows the files below docs/ and README.md; what the examples compute is checked only as far as it must hold.
"""

import ast
import importlib
import re
from pathlib import Path

import doc_blocks
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from doc_blocks import PAGES, ROOT, blocks, name_of

from landscapes import training
from landscapes.config.compose import compose_job, compose_sweep
from landscapes.envs import make_environment
from landscapes.errors import UserError
from landscapes.experience import rollout
from landscapes.loading import make_agent
from landscapes.studies import measurement
from landscapes.types import Agent, Environment

KIND = "one_step_optimization"


# The examples


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> tuple[Environment, Agent]:
    """Both, by the dotted paths that the documentation gives, as `python -m` finds them from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    env = make_environment("docs.examples.my_environment.make", "positional", 20)
    settings = {"learning_rate": 0.01, "hidden_width": 8}
    return env, make_agent("docs.examples.my_algorithm.make", settings, env)


def test_example_algorithm_trains_and_is_measured(example: tuple[Environment, Agent]) -> None:
    env, algorithm = example
    keys = training.member_keys(0, 2)
    trainer = training.make_trainer(algorithm)
    members = trainer.init(keys.init)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), members.joined())
    weights = members.policies().params
    members, tallies = trainer.advance(keys.train, members, trainer.blank(2), 0, 20)
    metrics = training.means(tallies)
    after = members.joined()

    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == shapes
    assert set(metrics) == {"reward", "actor_loss", "critic_loss"}
    assert all(np.isfinite(values).all() and values.shape == (2,) for values in metrics.values())
    assert trainer.finite(members).all()
    moved = jax.tree.map(lambda x, y: not np.array_equal(x, y), weights, after.learner.policy.params)
    assert all(jax.tree.leaves(moved))

    state = members.member(0)
    measure = measurement.make_measure(env, algorithm, measurement.Sampling(KIND, 7, amount_sets_rate=True), 3).measure
    purd = measure(jax.random.key(0), state, 0.3)
    assert purd.returns.shape == purd.lengths.shape == (7,)
    assert np.isfinite(purd.returns).all() and len(set(purd.returns.tolist())) > 1
    assert (purd.lengths <= 20).all() and (purd.returns <= purd.lengths).all()

    # A step of length 0 leads back to the policy itself.
    start = env.reset(jax.random.key(0), start_noise=0.0)
    own = rollout.episode_return(
        env, algorithm.act, algorithm.init_memory, jax.random.key(1), state.learner.policy, start
    )
    np.testing.assert_allclose(measure(jax.random.key(0), state, 0.0).returns, float(own.returns), rtol=1e-5)


def test_example_environment_keeps_the_contract(example: tuple[Environment, Agent]) -> None:
    env, _ = example
    key = jax.random.key(1)
    fixed, timestep = env.reset(key, start_noise=0.0)
    np.testing.assert_array_equal(timestep.obs, [1.0, 0.0, 0.0, 0.0])
    noisy = env.reset(key)[1].obs
    assert 0.0 < float(jnp.abs(noisy - timestep.obs).max()) <= 0.1

    def follow(action: list[float]) -> list[tuple[float, bool, bool]]:
        state, seen, step = fixed, [], jax.jit(env.step)
        for _ in range(20):
            state, now = step(state, jnp.array(action))
            np.testing.assert_array_equal(now.obs, now.next_obs)
            seen.append((float(now.reward), bool(now.terminated), bool(now.truncated)))
        return seen

    rest = follow([0.0, 0.0])
    np.testing.assert_allclose([reward for reward, _, _ in rest], np.exp(-1.0), rtol=1e-6)
    assert [truncated for _, _, truncated in rest] == [False] * 19 + [True]
    # x after n steps of force 1 is 1 + 0.01 n (n + 1) / 2, which passes 2 at n = 14; force 5 is clipped to 1.
    assert [terminated for _, terminated, _ in follow([5.0, 0.0])] == [False] * 13 + [True] * 7


def test_example_setting_that_is_misspelt_is_named(example: tuple[Environment, Agent]) -> None:
    with pytest.raises(UserError, match=r"learning_rte=1\.0: is not a setting here"):
        make_agent("docs.examples.my_algorithm.make", {"learning_rte": 1.0}, example[0])


# The pages


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block, str(page))


def test_every_file_has_an_example() -> None:
    openings = [block.splitlines()[0] for block in blocks(ROOT / "docs" / "files.md", "python")]
    assert openings == [
        "# results/calm/run.json",
        "# results/calm/curves.h5",
        "# results/calm/seed0/ckpt_50000.h5",
        "# results/calm/seed0/replay_0_50000.h5",
        "# results/calm/seed0/s0_returns_50000.h5",
        "# results/calm/seed0/trajectories_50000.h5",
        "# results/calm/seed0/policy_interpolation_purd.h5",
        "# results/calm/seed0/policy_interpolation.h5",
        "# results/calm/seed0/landscape_slice.h5",
        "# results/calm/seed0/td3_reject_ltp_50000.h5",
        "# results/calm_s0_c50000_0.1cvar_0/seed0/ckpt_0.h5",
        "# results/calm/resume/state.h5",
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash", "sh")], ids=name_of)
def test_command_lines_compose(page: Path) -> None:
    found = doc_blocks.page_commands(page)
    assert found
    for command in found:
        entry_point, arguments = command.module, command.settings
        if entry_point is None:
            continue
        if command.script is not None:  # its flags: tests/jobs/test_published_atari.py
            continue
        if entry_point.startswith("landscapes."):  # a command of ours without a configuration
            importlib.import_module(entry_point)
        elif any(word.startswith("hydra/sweeper=") for word in arguments):
            continue  # whose members are not known beforehand: tests/jobs/test_search.py runs it
        elif "--multirun" in arguments:
            # Composing every member of the largest sweep takes seconds: two of ten seeds stand for all.
            shorter = [re.sub(r"range\(\d+\)", "range(2)", word) for word in arguments if word != "--multirun"]
            assert compose_sweep(entry_point, shorter)
        elif "--config-dir" not in arguments:
            assert compose_job(entry_point, arguments)


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), target
        assert not anchor or anchor in anchors(leads_to), target


def test_modules_that_pages_name_are_there() -> None:
    """Whole paths from the root or from `landscapes/`; NAME stands for a reader's own."""
    below = ("", "landscapes/")
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:[\w-]+/)+[\w-]+\.py)`", page.read_text(encoding="utf-8")):
            if "NAME" not in path:
                assert any((ROOT / folder / path).exists() for folder in below), f"{name_of(page)}: {path}"
