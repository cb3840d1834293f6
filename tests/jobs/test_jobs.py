"""The three jobs end to end on a point mass: what they write, print, repeat and refuse."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
import trees

import landscapes
from landscapes import statistics, storage, training
from landscapes.config.launch import run_entry_point
from landscapes.studies import measurement
from run_algorithm.curves import Curves

pytestmark = pytest.mark.usefixtures("shared_programs")

ENV = "tests.support.probes.line"
TINY_TD3 = [
    f"experiment.env_name={ENV}",
    "experiment.max_steps=60",
    "experiment.start_training=20",
    "experiment.eval_interval=20",
    "experiment.log_interval=20",
    "experiment.eval_episodes=3",
    "experiment.eval_episode_length=10",
    "experiment.reset_interval=10",
    "experiment.agent_log_starts=[40,60]",
    "experiment.num_seeds=2",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.sac_config.hidden_dims=[8,8]",
]
TINY_PPO = [
    "experiment=train_ppo",
    f"experiment.env_id={ENV}",
    "experiment.total_timesteps=256",
    "experiment.num_envs=8",
    "experiment.num_steps=8",
    "experiment.hidden_dims=[8,8]",
    "experiment.num_seeds=2",
    "experiment.agent_num_logs=2",
    "experiment.eval_episodes=3",
    "experiment.reset_interval=10",
    "experiment.eval_episode_length=10",
]
RUNS = {"td": TINY_TD3, "sa": [*TINY_TD3, "experiment.algo=sac"], "pp": TINY_PPO}
CHECKPOINTS = {"td": (40, 60), "sa": (40, 60), "pp": (64, 192)}
UPDATE = {"td": "td3_optimization", "sa": "sac_optimization", "pp": "ppo_optimization"}


def launch(entry_point: str, results: Path, *arguments: str) -> int:
    quiet = [] if any(a.startswith(("use_wandb", "wandb.")) for a in arguments) else ["use_wandb=false"]
    return run_entry_point(entry_point, [*arguments, *quiet, f"results_dir={results}"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one finished run of each algorithm; tests that write get a copy."""
    results = tmp_path_factory.mktemp("trained")
    for name, arguments in RUNS.items():
        assert launch("run_algorithm", results, f"run_name={name}", *arguments) == 0
    return results


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "results"))


def purd(results: Path, name: str, *arguments: str, kind: str | None = None, amount: str = "0.001") -> int:
    return launch(
        "eval_policy",
        results,
        f"experiment.run_name={name}",
        f"experiment.ckpt_indexes=[{CHECKPOINTS.get(name, (0,))[-1]}]",
        f"experiment.noise_type={kind or UPDATE[name]}",
        f"experiment.noise_amounts=[{amount}]",
        "experiment.episode_length=10",
        *([] if any("eval_episodes" in a for a in arguments) else ["experiment.eval_episodes=6"]),
        *arguments,
    )


def returns(results: Path, name: str, step: int, dataset: str) -> np.ndarray:
    with h5py.File(results / name / "seed0" / f"s0_returns_{step}.h5") as file:
        return np.asarray(file[f"und_returns/{dataset}"])


# Training


def test_a_dead_seed_is_named_trains_on_and_is_stored(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A last layer so large that the tanh of every action is flat in float32; the published one leaves these alone."""
    assert json.loads((trained / "td" / "run.json").read_text())["dead"] == {}
    saturated = [*TINY_TD3, "experiment.ddpg_config.final_fc_init_scale=1e6"]
    assert launch("run_algorithm", tmp_path, "run_name=flat", *saturated) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "flat" / "run.json").read_text())
    assert record["dead"] == {"0": 40, "1": 40}, "40 is the first log point with updates before it"
    assert (record["diverged"], record["status"]) == ({}, "finished")
    for seed in range(2):
        assert out.count(f"seed {seed} is dead at step 40") == 1
        assert re.search(rf"^seed {seed} .*dead since step 40", out, re.MULTILINE)
        assert (tmp_path / "flat" / f"seed{seed}" / "ckpt_60.h5").exists()
    assert launch("run_algorithm", tmp_path, "run_name=flat", *saturated, "experiment.max_steps=80") == 0
    assert "is dead" not in capsys.readouterr().out, "what a run goes on from is known already"
    assert json.loads((tmp_path / "flat" / "run.json").read_text())["dead"] == {"0": 40, "1": 40}


def test_which_seeds_are_dead_follows_from_what_was_logged() -> None:
    """Columns: never, at the end, at first and then no more, never reported, between reports of nothing."""
    nan = np.nan
    curves = Curves(storage.Run(Path("none"), {}), 5)
    for step, norms in enumerate(
        [[1.0, 1.0, 0.0, nan, 0.0], [1.0, 1e-9, 1e-8, nan, nan], [2e-8, 0.0, 1e-3, nan, 0.0]], start=1
    ):
        curves.add_training(step * 1000, {"actor_grad_norm": np.array(norms)})
    assert curves.dead() == {1: 2000, 4: 1000}
    other = Curves(storage.Run(Path("none"), {}), 1)
    other.add_training(1000, {"grad_norm": np.zeros(1)})
    assert other.dead() == {}, "of an algorithm that does not report it, nothing is known"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_folder_is_whole(trained: Path, name: str) -> None:
    record = json.loads((trained / name / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["num_seeds"] == 2
    assert {"versions", "git", "machine", "config", "algorithm", "environment"} <= set(record)
    for seed in range(2):
        for step in CHECKPOINTS[name]:
            with h5py.File(trained / name / f"seed{seed}" / f"ckpt_{step}.h5") as file:
                assert file.attrs["step"] == step
                assert file.attrs["log_rows"] == (0 if name == "pp" else step)
    with h5py.File(trained / name / "curves.h5") as file:
        steps, curves = file["steps"][:], file["returns"][:]
        assert list(steps) == sorted(set(steps))
        assert steps[0] == 0
        assert curves.shape == (len(steps), 2)
        assert file["episode_returns"].shape == (len(steps), 2, 3)
        np.testing.assert_allclose(file["episode_returns"][:].mean(2), curves, rtol=1e-5)
        assert np.isfinite(curves).all()
        assert np.isfinite(file["training/steps"][:]).all()


@pytest.mark.parametrize(
    "name, metrics",
    [
        ("td", {"actor_loss", "critic_loss", "q1", "q2", "actor_grad_norm", "critic_grad_norm"}),
        ("sa", {"actor_loss", "critic_loss", "entropy", "temperature", "temperature_loss", "actor_grad_norm"}),
        ("pp", {"policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm", "learning_rate"}),
        ("pp", {f"{whose}_grad_norm{what}" for whose in ("actor", "critic") for what in ("", "_var", "_cv")}),
    ],
)
def test_every_loss_term_is_stored_for_every_seed(trained: Path, name: str, metrics: set[str]) -> None:
    with h5py.File(trained / name / "curves.h5") as file:
        stored = file["training"]
        assert metrics <= set(stored)
        for metric in metrics:
            assert stored[metric].shape == (len(stored["steps"]), 2)
            assert np.isfinite(stored[metric][:]).any(axis=0).all()


def test_the_stored_data_holds_both_ends_of_episodes(trained: Path) -> None:
    with h5py.File(trained / "td" / "seed0" / "replay_0_40.h5") as file:
        assert file["truncated"][:].any()
        assert not (file["truncated"][:] & file["terminated"][:]).any()
        obs, next_obs, ended = file["obs"][:], file["next_obs"][:], file["truncated"][:] | file["terminated"][:]
    follows = np.isclose(next_obs[:-1], obs[1:]).all(axis=1)
    assert follows[~ended[:-1]].all()
    assert not follows[ended[:-1]].any(), "the next observation after an end is the true one, not the fresh start"


def test_seeds_have_random_streams_of_their_own(trained: Path) -> None:
    with h5py.File(trained / "td/seed0/replay_0_40.h5") as one, h5py.File(trained / "td/seed1/replay_0_40.h5") as two:
        assert not np.isclose(one["action"][:], two["action"][:]).all(axis=1).any()
        assert not np.allclose(one["obs"][0], two["obs"][0])


@pytest.mark.usefixtures("own_programs")
def test_the_same_command_trains_the_same_numbers(trained: Path, tmp_path: Path) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=td", *TINY_TD3) == 0
    for name in ("seed0/ckpt_60.h5", "seed1/replay_40_60.h5", "curves.h5"):
        with h5py.File(trained / "td" / name) as one, h5py.File(tmp_path / "td" / name) as two:
            names: list[str] = []
            one.visititems(lambda n, x, names=names: names.append(n) if isinstance(x, h5py.Dataset) else None)
            assert names
            for dataset in names:
                np.testing.assert_array_equal(one[dataset][()], two[dataset][()], err_msg=dataset)


def test_a_diverged_seed_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [a for a in TINY_TD3 if "hidden_dims" not in a and "num_seeds" not in a and "start_training" not in a]
    arguments += ["experiment.algo=tests.support.poisoned.make", "experiment.num_seeds=4"]
    assert launch("run_algorithm", tmp_path, "run_name=sick", *arguments, "experiment.start_training=20") == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "sick" / "run.json").read_text())
    sick = {int(seed) for seed in record["diverged"]}
    keys = training.member_keys(record["random_seed"], 4).init
    own = jax.vmap(jax.random.split)(keys)[:, 0]  # the algorithm's; the other one starts the lanes
    expected = {i for i in range(4) if float(jax.random.uniform(own[i])) > 0.5}
    assert expected not in (set(), {0, 1, 2, 3}), "choose another seed: this test wants some of each"
    assert sick == expected
    for seed in range(4):
        assert (f"seed {seed} has diverged" in out) == (seed in sick)
        assert (tmp_path / "sick" / f"seed{seed}" / "ckpt_60.h5").exists() == (seed not in sick)
    with h5py.File(tmp_path / "sick" / "curves.h5") as file:
        healthy = [seed for seed in range(4) if seed not in sick]
        assert np.isfinite(file["returns"][:, healthy]).all()
    mean = np.mean([float(x) for x in re.findall(r"^seed \d\s+(-?[\d.]+)\s*$", out, re.MULTILINE)])
    assert float(re.findall(r"^mean\s+(-?[\d.]+)", out, re.MULTILINE)[0]) == pytest.approx(mean, abs=0.1)


def test_a_job_says_beforehand_what_it_will_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=plan", *TINY_TD3) == 0
    out = capsys.readouterr().out
    plan, rest = out[: out.index("Return after")], out[out.index("Return after") :]
    for word in ("seeds", "environment steps", "120 in all", "memory", "checkpoints", "device"):
        assert word in plan
    for file in ("run.json", "curves.h5", "ckpt_60.h5"):
        assert file in rest


# Measuring


@pytest.mark.parametrize(
    "name, kind, amount",
    [
        ("td", "td3_optimization", "0.0003"),
        ("td", "td3_opt_with_action", "0"),
        ("sa", "sac_optimization", "0.0003"),
        ("pp", "ppo_optimization", "0"),
        *[(name, kind, "0.1") for name in RUNS for kind in ("action", "parameter", "init_parameter", "init_state")],
    ],
)
def test_every_kind_measures(results: Path, name: str, kind: str, amount: str) -> None:
    assert purd(results, name, kind=kind, amount=amount) == 0
    values = returns(results, name, CHECKPOINTS[name][-1], f"{kind}/{amount}/6")
    assert values.shape == (6,)
    assert np.isfinite(values).all()
    assert len(set(values.tolist())) > 1


@pytest.mark.usefixtures("own_programs")
def test_the_same_command_measures_the_same_numbers(results: Path) -> None:
    measured = []
    for _ in range(2):
        assert purd(results, "td", "overwrite=true") == 0
        measured.append(returns(results, "td", 60, "td3_optimization/0.001/6"))
    np.testing.assert_array_equal(*measured)
    assert purd(results, "td", "random_seed=5", "overwrite=true") == 0
    assert (returns(results, "td", 60, "td3_optimization/0.001/6") != measured[0]).any()


def test_what_was_measured_is_not_measured_again(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purd(results, "td") == 0
    table = capsys.readouterr().out.partition("returns under")[2].partition("Wrote")[0]
    before = snapshot(results)
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement.rollout, "make_engine", None)  # whatever measures now fails
        assert purd(results, "td") == 0
    out = capsys.readouterr().out
    assert "1 of 1 were measured before" in out
    assert out.partition("returns under")[2].partition("Wrote")[0] == table
    assert {p: x for p, x in snapshot(results).items() if p.suffix == ".h5"} == {
        p: x for p, x in before.items() if p.suffix == ".h5"
    }
    assert purd(results, "td", amount="0.001,0.002") == 0
    assert "1 of 2 were measured before" in capsys.readouterr().out
    assert len(returns(results, "td", 60, "td3_optimization/0.002/6")) == 6


@pytest.mark.parametrize("other", ["random_seed=5", "experiment.episode_length=9", "experiment.discount=0.9"])
def test_what_was_measured_under_other_settings_is_not_replaced_unasked(
    results: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purd(results, "td") == 0
    before = snapshot(results)
    capsys.readouterr()
    assert purd(results, "td", other) == 2
    error = capsys.readouterr().err
    assert error.startswith(other) and "overwrite=true" in error and error.count("\n") == 1
    assert snapshot(results) == before


def test_any_batch_size_gives_the_same_distribution(results: Path) -> None:
    measured = {}
    for batch_size in (1, 4, 6, 100):
        assert purd(results, "td", f"experiment.batch_size={batch_size}", "overwrite=true") == 0
        measured[batch_size] = returns(results, "td", 60, "td3_optimization/0.001/6")
    for values in measured.values():
        np.testing.assert_allclose(values, measured[6], rtol=1e-5)


def test_measurements_of_one_checkpoint_share_a_file(results: Path) -> None:
    assert purd(results, "td") == 0
    assert purd(results, "td", "experiment.eval_episodes=1", kind="action", amount="0.1,2") == 0
    with h5py.File(results / "td" / "seed0" / "s0_returns_60.h5") as file:
        assert file["td3_optimization/0.001/6"].shape == (6,)
        assert file["action/0.1/1"].shape == file["und_returns/action/2/1"].shape == (1,)
        discounted, plain = file["action/2/1"], file["und_returns/action/2/1"]
        assert discounted[0] != plain[0]
        assert "program_shape" in plain.attrs


def test_an_update_of_length_zero_changes_nothing(results: Path) -> None:
    assert purd(results, "td", amount="0") == 0
    assert purd(results, "td", kind="action", amount="0") == 0
    still = returns(results, "td", 60, "td3_optimization/0/6")
    np.testing.assert_allclose(still, returns(results, "td", 60, "action/0/6"), rtol=1e-5)
    assert np.ptp(still) == 0


@pytest.mark.parametrize("name, same", [("td", "0.0003"), ("sa", "0"), ("pp", "0")])
def test_null_is_the_rate_of_the_run(results: Path, name: str, same: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert purd(results, name, amount="null") == 0
    assert re.search(rf"\b{CHECKPOINTS[name][-1]} +own ", capsys.readouterr().out)
    assert purd(results, name, amount=same) == 0
    step, kind = CHECKPOINTS[name][-1], UPDATE[name]
    own, given = (returns(results, name, step, f"{kind}/{amount}/6") for amount in ("own", same))
    np.testing.assert_allclose(own, given, rtol=1e-5)
    assert np.ptp(own) > 0
    assert purd(results, name, amount="null") == 0
    assert "1 of 1 were measured before" in capsys.readouterr().out


# Improving


REPEATS = pytest.mark.slow
"""What shows the same for another algorithm or option as the case beside it."""


@pytest.mark.parametrize(
    "name, heuristic",
    [
        *(("td", "cvar"), ("sa", "ltp"), ("pp", "none")),
        *(
            pytest.param(name, heuristic, marks=REPEATS)
            for name, heuristic in [
                ("td", "ltp"),
                ("td", "none"),
                ("sa", "cvar"),
                ("sa", "none"),
                ("pp", "cvar"),
                ("pp", "ltp"),
            ]
        ),
    ],
)
def test_a_walk_leaves_a_run_that_is_measured_like_any_other(
    results: Path, name: str, heuristic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = CHECKPOINTS[name][-1]
    assert walk(results, name, f"experiment.heuristic={heuristic}") == 0
    out = capsys.readouterr().out
    label = {"cvar": "0.1cvar", "none": "noreject"}.get(heuristic, heuristic)
    with h5py.File(results / name / "seed0" / f"td3_reject_ltp_{step}.h5") as file:
        group = file[f"{label}/1check/4steps/seed0"]
        assert group["purds"].shape == (5, 6)
        accepted, updates = group["accepted"][:], group["num_updates"][:]
        assert accepted[0]
        np.testing.assert_array_equal(updates, np.cumsum(accepted) - 1)
        if heuristic == "none":
            assert accepted.all()
        if heuristic == "cvar":
            np.testing.assert_array_equal(accepted[1:], group["cvars"][1:] >= group["incumbent_cvars"][1:])
        np.testing.assert_allclose(group["means"][:], group["purds"][:].mean(1), rtol=1e-5)
        np.testing.assert_allclose(group["cvars"][:], [statistics.cvar(x, 0.1) for x in group["purds"][:]], rtol=1e-5)
        assert {"root", "improved", "control"} == set(group["fresh"])
        if updates[-1] == 0:
            np.testing.assert_array_equal(group["fresh/root"][:], group["fresh/improved"][:])
    assert f"{int(updates[-1])} updates applied" in out
    child = f"{name}_s0_c{step}_{label}_0"
    record = json.loads((results / child / "run.json").read_text())
    assert record["parent"] == {"run": name, "seed": 0, "step": step, "id": storage.open_run(results, name).id}
    assert sorted({0, int(updates[-1])}) == landscapes_steps(results, child)
    assert purd(results, child, "experiment.ckpt_indexes=[0]", kind=UPDATE[name]) == 0
    assert purd(results, name) == 0
    # The child's root is the parent's checkpoint: data, moments and all.
    np.testing.assert_array_equal(
        returns(results, child, 0, f"{UPDATE[name]}/0.001/6"), returns(results, name, step, f"{UPDATE[name]}/0.001/6")
    )


def landscapes_steps(results: Path, name: str) -> list[int]:
    return sorted(int(p.stem.removeprefix("ckpt_")) for p in (results / name / "seed0").glob("ckpt_*.h5"))


def walk(results: Path, name: str, *arguments: str) -> int:
    return launch(
        "improve_ltp",
        results,
        "experiment=reject_ltp",
        f"experiment.root_policy_conf.run_name={name}",
        f"experiment.root_policy_conf.ckpt={CHECKPOINTS[name][-1]}",
        "experiment.eval_episodes=6",
        "experiment.max_steps=4",
        "experiment.episode_length=10",
        *arguments,
    )


def ending_at(call: int) -> Any:
    """`make_measure`, of whose measures the `call`-th block in all, from 0, is an interrupt."""
    make, calls = measurement.make_measure, iter(range(10**6))

    def begin_block() -> None:
        if next(calls) == call:
            raise KeyboardInterrupt

    def made(*arguments: Any, **settings: Any) -> measurement.Measure:
        measure = make(*arguments, **settings)

        def counted(*arguments: Any) -> measurement.Purd:
            *others, listeners = arguments
            left = len(arguments[4])  # `entries`

            def kept(block: measurement.Purd) -> None:
                nonlocal left
                listeners.keep(block)
                left -= len(block.returns)
                if left:
                    begin_block()

            begin_block()
            return measure.measure(*others, listeners._replace(keep=kept))

        return measure._replace(measure=counted)

    return made


def test_a_purd_that_was_ended_goes_on_from_its_last_block(results: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(results, tmp_path / "whole"))
    blocks = ["experiment.batch_size=2", "experiment.eval_episodes=6"]
    assert purd(whole, "td", *blocks) == 0
    for call in (2, 1):  # of three blocks one is left; it is the only one that is measured again
        with pytest.MonkeyPatch.context() as once:
            once.setattr(measurement, "make_measure", ending_at(call))
            assert purd(results, "td", *blocks) == (130 if call == 2 else 0)
        waiting = list((results / "td" / "seed0" / "unfinished").glob("*.h5"))
        assert len(waiting) == (1 if call == 2 else 0)
    one, two = (
        storage.read_hdf5(folder / "td" / "seed0" / "s0_returns_60.h5", "file")[0] for folder in (whole, results)
    )
    trees.assert_same(one, two)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], marks=REPEATS),
        ["experiment.store_every=1", "experiment.remeasure_incumbent=true"],
    ],
)
def test_a_walk_that_was_ended_goes_on_to_the_same_results(
    results: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options, "run_name=walk", "experiment.heuristic=none", "save_interval=1e-6"]
    whole = Path(shutil.copytree(results, tmp_path / "whole"))
    assert walk(whole, "td", *options) == 0
    ends = 0
    while True:
        with pytest.MonkeyPatch.context() as once:
            once.setattr(measurement, "make_measure", ending_at(2))
            if walk(results, "td", *options) == 0:
                break
        ends += 1
    assert ends >= 3
    assert "goes on after 2 of at most" in capsys.readouterr().out
    assert landscapes_steps(results, "walk") == landscapes_steps(whole, "walk")
    files = sorted(
        p.relative_to(whole) for p in [*(whole / "walk" / "seed0").glob("*.h5"), *whole.glob("td/seed0/td3*.h5")]
    )
    assert len(files) >= 3
    for file in files:
        one, two = (storage.read_hdf5(folder / file, "file")[0] for folder in (whole, results))
        trees.assert_same(one, two)
    assert walk(results, "td", *options) == 0
    assert "run walk is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option, label", [("common_random_numbers", "0.1cvar_crn"), ("remeasure_incumbent", "0.1cvar_remeasured")]
)
def test_walks_with_options_are_kept_apart(results: Path, option: str, label: str) -> None:
    assert walk(results, "td", f"experiment.{option}=true", "experiment.check_interval=3") == 0
    with h5py.File(results / "td" / "seed0" / "td3_reject_ltp_60.h5") as file:
        group = file[f"{label}/3check/4steps/seed0"]
        assert group["purds"].shape == (3, 6)  # the root, three updates, and the one that is left


def test_a_walk_may_refuse_before_all_samples_are_taken(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["experiment.eval_episodes=90", "experiment.episode_length=4", "experiment.fresh_purds=0"]
    assert walk(results, "td", *options, "experiment.sequential_error=0.1") == 0
    out = capsys.readouterr().out
    with h5py.File(results / "td" / "seed0" / "td3_reject_ltp_60.h5") as file:
        group = file["0.1cvar_seq0.1/1check/4steps/seed0"]
        purds, taken, accepted = group["purds"][:], group["num_samples"][:], group["accepted"][:]
        assert "nan beyond num_samples" in group["purds"].attrs["axes"]
    assert purds.shape == (5, 90) and {*taken} <= {64, 90}
    np.testing.assert_array_equal(np.isfinite(purds).sum(axis=1), taken)
    assert taken[0] == 90 and (taken[accepted] == 90).all()
    assert "after 64 samples, error at most 0.1" in out
    assert f"{int((taken < 90).sum())} refused early: {int(taken[1:].sum())} of 360 samples" in out
    assert "450/450 samples (100.0 %)" in out


def test_a_walk_whose_save_holds_parts_is_not_gone_on_with(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts of measurements, as the first version saved them, would be taken for measurements that ended early."""
    options = ["run_name=walk", "experiment.sequential_error=0.1", "save_interval=1e-6"]
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement, "make_measure", ending_at(2))
        assert walk(results, "td", *options) == 130
    run = storage.open_run(results, "walk")
    save = storage.read_save(run)
    assert save is not None
    storage.write_save(run, save.datasets, {})
    assert walk(results, "td", *options) == 2
    assert "run_name=walk: was stopped by an earlier version" in capsys.readouterr().err
    assert walk(results, "td", *options, "overwrite=true") == 0


# The Python door


def test_a_notebook_measures_a_checkpoint_in_ten_lines(results: Path) -> None:
    env, algorithm, state = landscapes.load("td", seed=0, step=60, results_dir=results)
    env = env._replace(episode_length=10)
    measure = measurement.make_measure(
        env, algorithm, measurement.Sampling("td3_optimization", 6, amount_sets_rate=True), 6
    )
    found = measure.measure(jax.random.key(4321), state, 0.001)
    assert purd(results, "td") == 0
    np.testing.assert_array_equal(found.returns, returns(results, "td", 60, "td3_optimization/0.001/6"))
    assert statistics.summarize(found.returns)["num_samples"] == 6


# Mistakes


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


MISTAKES = [
    ("run_algorithm", ["experiment.env_name=hoper"], "experiment.env_name=hoper", "hopper"),
    ("run_algorithm", ["experiment.env_name=nowhere.make"], "experiment.env_name=nowhere.make", "imported"),
    ("run_algorithm", ["experiment.env_name=hopper", "experiment.backend=warp"], "experiment.backend=warp", "spring"),
    ("run_algorithm", [*TINY_TD3, "experiment.algo=nowhere.make"], "experiment.algo=nowhere.make", "imported"),
    ("run_algorithm", [*TINY_TD3, "experiment.algo=tests.support.probes.no_algorithm"], "experiment.algo", "Algorithm"),
    (
        "run_algorithm",
        ["experiment.env_name=tests.support.probes.no_environment"],
        "experiment.env_name",
        "Environment",
    ),
    (
        "run_algorithm",
        ["run_name=td", *TINY_TD3, "experiment.ddpg_config.tau=0.5"],
        "run_name=td",
        "experiment.ddpg_config.tau",
    ),
    ("run_algorithm", ["run_name=td", *TINY_TD3, "experiment.max_steps=50"], "experiment.max_steps=50", "longer"),
    ("eval_policy", ["experiment.run_name=dt"], "experiment.run_name=dt", "td"),
    ("eval_policy", ["experiment.run_name=../td"], "experiment.run_name=../td", ""),
    ("eval_policy", ["experiment.run_name=td", "experiment.seed=2"], "experiment.seed=2", "seeds 0..1"),
    ("eval_policy", ["experiment.run_name=td", "experiment.ckpt_indexes=[50]"], "experiment.ckpt_indexes=50", "40, 60"),
    (
        "eval_policy",
        ["experiment.run_name=td", "experiment.ckpt_indexes=[60]", "experiment.noise_type=sac_optimization"],
        "experiment.noise_type=sac_optimization",
        "td3_optimization",
    ),
    (
        "eval_policy",
        ["experiment.run_name=pp", "experiment.ckpt_indexes=[64]", "experiment.noise_type=td3_optimization"],
        "experiment.noise_type=td3_optimization",
        "ppo_optimization",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=nope"],
        "experiment.root_policy_conf.run_name=nope",
        "td",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=td", "experiment.root_policy_conf.seed=7"],
        "experiment.root_policy_conf.seed=7",
        "seeds 0..1",
    ),
    (
        "improve_ltp",
        ["experiment.root_policy_conf.run_name=td", "experiment.root_policy_conf.ckpt=650000"],
        "experiment.root_policy_conf.ckpt=650000",
        "40, 60",
    ),
    *[
        (
            "improve_ltp",
            [f"experiment.root_policy_conf.run_name={name}", f"experiment.root_policy_conf.ckpt={step}"],
            "experiment=td3_reject_ltp",
            "experiment=reject_ltp is for all",
        )
        for name, step in (("pp", 192), ("sa", 60))
    ],
    (
        "eval_policy",
        ["experiment.run_name=td", "experiment.ckpt_indexes=[60]", "experiment.noise_amounts=[0.1,null]"],
        "experiment.noise_amounts=null",
        "must be a number with action",
    ),
    (
        "eval_policy",
        [
            "experiment.run_name=pp",
            "experiment.ckpt_indexes=[64]",
            "experiment.noise_type=ppo_optimization",
            "experiment.noise_amounts=[0,null]",
        ],
        "experiment.noise_amounts=[0,null]",
        "are the same with ppo_optimization",
    ),
]


@pytest.mark.parametrize("entry_point, arguments, key, allowed", MISTAKES, ids=[m[2] + m[1][-1] for m in MISTAKES])
def test_a_mistake_is_one_line_and_changes_nothing(
    entry_point: str, arguments: list[str], key: str, allowed: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(results)
    assert launch(entry_point, results, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert key in error
    assert allowed in error
    assert snapshot(results) == before


@pytest.mark.parametrize("damaged", ["ckpt_60.h5", "replay_40_60.h5"])
def test_a_truncated_file_is_one_line(results: Path, damaged: str, capsys: pytest.CaptureFixture[str]) -> None:
    cut(results / "td" / "seed0" / damaged)
    before = snapshot(results)
    assert purd(results, "td") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert damaged in error
    assert snapshot(results) == before


def test_results_that_cannot_be_written_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert launch("run_algorithm", tmp_path / "file" / "results", "run_name=td", *TINY_TD3) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "results_dir" in error


# wandb


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("offline")
def test_training_is_recorded_by_wandb_without_an_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=seen", *TINY_TD3, "wandb.mode=offline") == 0
    record = json.loads((tmp_path / "seen" / "run.json").read_text())
    assert record["wandb_id"]
    logs = list((tmp_path / "seen" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(logs) == 1
    content = logs[0].read_bytes()
    for word in (b"seed0/return", b"seed1/return", b"return/iqm", b"return/mean", b"result_dir", b"mean/critic_loss"):
        assert word in content
    assert "wandb sync" in capsys.readouterr().out


@pytest.mark.usefixtures("offline")
def test_a_walk_is_recorded_by_wandb(results: Path) -> None:
    assert walk(results, "td", "wandb.mode=offline") == 0
    logs = list((results / "td_s0_c60_0.1cvar_0" / "wandb").glob("offline-run-*/*.wandb"))
    content = logs[0].read_bytes()
    for word in (b"PURD mean", b"PURD LTP", b"PURD CVaR"):
        assert word in content
