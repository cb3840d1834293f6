"""The jobs that measure paths between stored policies, end to end on a point mass."""

import json
import shutil
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from tiny_runs import launch

import landscapes
from eval_policy import interpolation
from landscapes import console, storage
from landscapes.studies import measurement, neighborhood

pytestmark = pytest.mark.usefixtures("shared_programs")

ENV = "tests.support.probes.line"
OFF_POLICY = [
    f"experiment.env_name={ENV}",
    "experiment.max_steps=60",
    "experiment.start_training=20",
    "experiment.eval_interval=60",
    "experiment.log_interval=60",
    "experiment.eval_episodes=1",
    "experiment.eval_episode_length=10",
    "experiment.reset_interval=10",
    "experiment.agent_log_starts=[40,60]",
    "experiment.num_seeds=2",
    "experiment.ddpg_config.hidden_dims=[8]",
    "experiment.sac_config.hidden_dims=[8]",
]
ON_POLICY = [
    "experiment=train_ppo",
    f"experiment.env_id={ENV}",
    "experiment.total_timesteps=256",
    "experiment.num_envs=8",
    "experiment.num_steps=8",
    "experiment.hidden_dims=[8]",
    "experiment.num_seeds=2",
    "experiment.agent_num_logs=2",
    "experiment.eval_episodes=1",
    "experiment.reset_interval=10",
    "experiment.eval_episode_length=10",
]
RUNS = {"td": OFF_POLICY, "sa": [*OFF_POLICY, "experiment.algo=sac"], "pp": ON_POLICY}
SEED = "experiment=policy_interpolation_seed"
PURD_FILE, PLAIN_FILE = "policy_interpolation_purd.h5", "policy_interpolation.h5"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("trained")
    for name, arguments in RUNS.items():
        assert launch("run_algorithm", results, f"run_name={name}", *arguments) == 0
    # A run of wider networks, as far as its record goes.
    record = Path(shutil.copytree(results / "td", results / "wide")) / "run.json"
    changed = json.loads(record.read_text())
    changed["algorithm"]["config"]["hidden_dims"] = [9]
    record.write_text(json.dumps(changed))
    return results


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "results"))


def interpolate(results: Path, *arguments: str) -> int:
    """Small, unless the arguments say otherwise."""
    small = {"num_points": 5, "num_purd_samples": 3, "episode_length": 10}
    given = {argument.partition("=")[0] for argument in arguments}
    fill = [f"experiment.{name}={value}" for name, value in small.items() if f"experiment.{name}" not in given]
    return launch("eval_policy", results, *fill, *arguments)


def along(results: Path, *arguments: str) -> int:
    """The pairs of one run and seed or two."""
    return interpolate(results, SEED, "experiment.first_half=null", *arguments)


def pair(one: tuple[str, int, int], two: tuple[str, int, int]) -> list[str]:
    """One path by its ends (run, seed, checkpoint)."""
    ends = zip(("run_names", "seeds", "ckpts"), one, two, strict=True)
    named = [f"experiment.{name}{i}=[{value}]" for name, *values in ends for i, value in enumerate(values, 1)]
    return ["experiment=policy_interpolation", *named]


def datasets(results: Path, run: str, seed: int, file: str) -> dict[str, np.ndarray]:
    return storage.read_hdf5(results / run / f"seed{seed}" / file, "file")[0]


def purds(results: Path, ends: list[tuple[str, int, int]], kind: str, amount: float) -> list[np.ndarray]:
    """Three samples around each of these policies, measured without a job."""
    loaded = [landscapes.load(*end, results_dir=results) for end in ends]
    env, algorithm, _ = loaded[0]
    rate = neighborhood.amount_sets_rate(algorithm, kind, amount)
    measure = measurement.make_measure(env, algorithm, measurement.Sampling(kind, 3, amount_sets_rate=rate), 3).measure
    return [measure(jax.random.key(4321), state, amount).returns for _, _, state in loaded]


# Which pairs


def paths_in(results: Path, run: str, seed: int) -> set[tuple[str, ...]]:
    return {tuple(name.split("/")[:6]) for name in datasets(results, run, seed, PURD_FILE) if "/returns/" in name}


def test_all_ordered_pairs_of_a_seed_in_two_halves(results: Path) -> None:
    same = ["experiment.run_name=td", "experiment.same_seed=true", "experiment.num_points=2"]
    expected = [("td", "0", "40", "td", "0", "60"), ("td", "0", "60", "td", "0", "40")]
    assert interpolate(results, SEED, *same) == 0  # the published default is the first half
    assert paths_in(results, "td", 0) == set(expected[:1])
    assert interpolate(results, SEED, *same, "experiment.first_half=false") == 0
    assert paths_in(results, "td", 0) == set(expected)
    plain = datasets(results, "td", 0, PLAIN_FILE)
    assert {name.rpartition("/")[0] for name in plain} == {"/".join(path) + "/2" for path in expected}


def test_pairs_of_two_seeds(results: Path) -> None:
    two = ["experiment.num_points=2", "experiment.run_name=td"]
    assert along(results, *two) == 0
    steps = ["40", "60"]
    assert paths_in(results, "td", 0) == {("td", "0", a, "td", "1", b) for a in steps for b in steps}
    assert along(results, *two, "experiment.seed=1", "experiment.other_seed=0", "experiment.ckpt_indexes=[60]") == 0
    assert paths_in(results, "td", 1) == {("td", "1", "60", "td", "0", "60")}


# What is measured


@pytest.mark.parametrize(
    "run, steps, kind, amount, place",
    [
        ("td", (60, 40), "init_parameter", "0.01", ""),
        ("td", (60, 40), "td3_optimization", "0.01", "td3_optimization/learner_from_1/"),
        ("pp", (192, 64), "ppo_optimization", "0", "ppo_optimization/learner_from_1/"),
        ("sa", (60, 40), "action", "0.1", "action/"),
    ],
)
def test_the_ends_of_a_path_are_the_purds_of_its_policies(
    results: Path, run: str, steps: tuple[int, int], kind: str, amount: str, place: str
) -> None:
    ends = [(run, 0, step) for step in steps]
    noise = [f"experiment.noise_type={kind}", f"experiment.noise_amount={amount}"]
    assert interpolate(results, *pair(*ends), *noise) == 0
    base = f"{run}/0/{steps[0]}/{run}/0/{steps[1]}/5"
    found = datasets(results, run, 0, PURD_FILE)
    returns = found[f"{base}/{place}returns/{amount}/3"]
    assert (returns.shape, returns.dtype) == ((3, 5), np.float32)
    assert len(np.unique(returns)) == returns.size
    np.testing.assert_array_equal(found[f"{base}/alpha"], np.linspace(0.0, 1.0, 5))
    one, two = purds(results, ends, kind, float(amount))
    np.testing.assert_allclose(returns[:, -1], one, rtol=1e-5)
    if "learner_from" not in place:  # else the updates there are not those of policy 2
        np.testing.assert_allclose(returns[:, 0], two, rtol=1e-5)
    plain = datasets(results, run, 0, PLAIN_FILE)[f"{base}/returns"]
    assert (plain.shape, plain.dtype) == ((5,), np.float32)
    if kind == "init_parameter":
        one, two = purds(results, ends, kind, 0.0)
        np.testing.assert_allclose(plain[[-1, 0]], [one[0], two[0]], rtol=1e-5)


def test_updates_take_their_data_from_the_end_that_is_named(results: Path) -> None:
    noise = ["experiment.noise_type=td3_optimization", "experiment.noise_amount=0.01"]
    ends = ("td", 0, 60), ("td", 1, 40)
    for learner in ("1", "2"):
        assert interpolate(results, *pair(*ends), *noise, f"experiment.learner_from={learner}") == 0
        assert interpolate(results, *pair(*ends[::-1]), *noise, f"experiment.learner_from={learner}") == 0
    there = datasets(results, "td", 0, PURD_FILE)
    back = datasets(results, "td", 1, PURD_FILE)
    name = "td3_optimization/learner_from_{}/returns/0.01/3"
    for one, two in (("1", "2"), ("2", "1")):
        forth = there["td/0/60/td/1/40/5/" + name.format(one)]
        mirrored = back["td/1/40/td/0/60/5/" + name.format(two)][:, ::-1]
        np.testing.assert_array_equal(np.delete(forth, 2, 1), np.delete(mirrored, 2, 1))
        np.testing.assert_allclose(forth, mirrored, rtol=1e-5)  # the middle to rounding
    first, second = (there["td/0/60/td/1/40/5/" + name.format(i)] for i in (1, 2))
    assert (first != second).any()
    one, two = purds(results, [("td", 0, 60), ("td", 1, 40)], "td3_optimization", 0.01)
    np.testing.assert_allclose(first[:, -1], one, rtol=1e-5)
    np.testing.assert_allclose(second[:, 0], two, rtol=1e-5)


def test_a_path_from_a_policy_to_itself_is_flat(results: Path) -> None:
    assert interpolate(results, *pair(("td", 0, 60), ("td", 0, 60))) == 0
    for file in (PURD_FILE, PLAIN_FILE):
        (returns,) = (np.atleast_2d(x) for name, x in datasets(results, "td", 0, file).items() if "alpha" not in name)
        np.testing.assert_array_equal(returns, np.broadcast_to(returns[:, :1], returns.shape))


def test_without_samples_only_the_policies_themselves_are_measured(results: Path) -> None:
    one = [*pair(("td", 0, 60), ("td", 1, 40)), "experiment.num_points=1"]
    assert interpolate(results, *one, "experiment.num_purd_samples=null") == 0
    assert interpolate(results, *one, "experiment.num_purd_samples=0") == 0
    assert not (results / "td" / "seed0" / PURD_FILE).exists()
    assert datasets(results, "td", 0, PLAIN_FILE)["td/0/60/td/1/40/1/returns"].shape == (1,)


def test_any_batch_size_gives_the_same_returns(results: Path) -> None:
    found = []
    for batch_size in ("1", "1000"):
        more = [f"experiment.batch_size={batch_size}", "overwrite=true"]
        assert interpolate(results, *pair(("td", 0, 60), ("td", 1, 40)), *more) == 0
        found.append(datasets(results, "td", 0, PURD_FILE)["td/0/60/td/1/40/5/returns/0.0003/3"])
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_data_sets_say_what_they_are(results: Path) -> None:
    assert interpolate(results, *pair(("td", 0, 60), ("td", 1, 40)), "experiment.noise_type=td3_optimization") == 0
    with h5py.File(results / "td" / "seed0" / PURD_FILE) as file:
        assert {"schema_version", "run_name", "config", "versions", "seed"} <= set(file.attrs)
        about = file["td/0/60/td/1/40/5/td3_optimization/learner_from_1/returns/0.0003/3"].attrs
        assert (about["axes"], about["units"]) == ("sample,point", "undiscounted return")
        assert (about["run1"], about["seed1"], about["ckpt1"]) == ("td", 0, 60)
        assert (about["run2"], about["seed2"], about["ckpt2"]) == ("td", 1, 40)
        assert (about["noise_type"], about["noise_amount"], about["learner_from"]) == ("td3_optimization", 3e-4, 1)
        assert {"random_seed", "keys", "episode_length", "program_shape", "config"} <= set(about)


# Going on


def test_what_was_measured_is_not_measured_again(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    same = ["experiment.run_name=td", "experiment.same_seed=true"]
    assert along(results, *same) == 0
    table = capsys.readouterr().out.partition("Paths of")[2].partition("Wrote")[0]
    assert table.count("td seed 0 checkpoint") == 4
    before = {file: (results / "td" / "seed0" / file).read_bytes() for file in (PURD_FILE, PLAIN_FILE)}
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement.rollout, "make_engine", None)  # whatever measures now fails
        assert along(results, *same) == 0
        assert interpolate(results, *pair(("td", 0, 40), ("td", 0, 60))) == 0  # the other experiment finds it too
    out = capsys.readouterr().out
    assert "40 of 40 roll-outs were measured before" in out
    assert table in out
    assert before == {file: (results / "td" / "seed0" / file).read_bytes() for file in before}
    assert along(results, *same, "experiment.num_purd_samples=2") == 0
    assert "10 of 30 roll-outs were measured before" in capsys.readouterr().out
    for other in ("random_seed=5", "experiment.episode_length=9"):
        assert along(results, *same, other) == 2
        error = capsys.readouterr().err
        assert error.startswith(other) and "overwrite=true" in error and error.count("\n") == 1


def test_a_path_is_on_disk_as_soon_as_it_is_measured(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    merge = storage.merge_hdf5

    def two_writes(path: Path, *arguments: object) -> Path:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        return merge(path, *arguments)  # type: ignore[arg-type]

    same = ["experiment.run_name=td", "experiment.same_seed=true"]
    with pytest.MonkeyPatch.context() as once:
        once.setattr(storage, "merge_hdf5", two_writes)
        assert along(results, *same) == 130
    assert written == [PLAIN_FILE, PURD_FILE]
    assert paths_in(results, "td", 0) == {("td", "0", "40", "td", "0", "60")}
    assert along(results, *same) == 0
    assert len(paths_in(results, "td", 0)) == 2


def test_a_path_that_was_stopped_goes_on_at_its_last_block(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolation, "MAX_POLICIES", 4)  # of the 15 roll-outs under noise
    ends = pair(("td", 0, 60), ("td", 1, 40))
    advance_to = console.Progress.advance_to

    def until(self: console.Progress, done: int, latest: str | None = None) -> None:
        advance_to(self, done, latest)
        if done >= 5 + 8:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as once:
        once.setattr(console.Progress, "advance_to", until)
        assert interpolate(results, *ends) == 130
    (waiting,) = (results / "td" / "seed0" / "unfinished").iterdir()
    begun = storage.read_hdf5(waiting, "file")[0]["returns"]
    assert 4 <= len(begun) < 15 and len(begun) % 4 == 0
    assert not (results / "td" / "seed0" / PURD_FILE).exists()
    assert interpolate(results, *ends) == 0
    assert not waiting.exists()
    name = "td/0/60/td/1/40/5/returns/0.0003/3"
    found = datasets(results, "td", 0, PURD_FILE)[name]
    np.testing.assert_array_equal(found.ravel()[: len(begun)], begun)
    assert interpolate(results, *ends, "overwrite=true") == 0
    np.testing.assert_array_equal(datasets(results, "td", 0, PURD_FILE)[name], found)


# Mistakes

MISTAKES = [
    ([SEED, "experiment.run_name=dt"], "experiment.run_name=dt", "td"),
    ([SEED, "experiment.run_name=td", "experiment.seed=2"], "experiment.seed=2", "seeds 0..1"),
    ([SEED, "experiment.run_name=td", "experiment.seed=1"], "experiment.other_seed=2", "seeds 0..1"),
    ([SEED, "experiment.run_name=td", "experiment.ckpt_indexes=[45]"], "experiment.ckpt_indexes=45", "40, 60"),
    (
        [SEED, "experiment.run_name=td", "experiment.same_seed=true", "experiment.ckpt_indexes=[40]"],
        "experiment.ckpt_indexes=[40]",
        "no pair",
    ),
    (
        [SEED, "experiment.run_name=td", "experiment.ckpt_indexes=[40]"],
        "experiment.first_half=true",
        "null takes them all",
    ),
    (
        [SEED, "experiment.run_name=td", "experiment.same_seed=true", "experiment.other_seed=1"],
        "experiment.other_seed=1",
        "experiment.same_seed=false",
    ),
    (
        [SEED, "experiment.run_name=td", "experiment.noise_type=sac_optimization"],
        "experiment.noise_type=sac_optimization",
        "td3_optimization",
    ),
    (pair(("td", 0, 60), ("sa", 0, 60)), "experiment.run_names2=sa", "algorithm name sac"),
    (pair(("td", 0, 60), ("wide", 0, 60)), "experiment.run_names2=wide", "bias is [8] in one and [9] in the other"),
    (pair(("td", 0, 60), ("td", 5, 60)), "experiment.seeds2=5", "seeds 0..1"),
    (pair(("td", 0, 6), ("td", 0, 60)), "experiment.ckpts1=6", "40, 60"),
    ([*pair(("td", 0, 60), ("td", 0, 40)), "experiment.ckpts2=[40,50]"], "experiment.ckpts2=[40,50]", "as many"),
]


@pytest.mark.parametrize("arguments, key, allowed", MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_is_one_line_and_changes_nothing(
    arguments: list[str], key: str, allowed: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(trained.rglob("*"))
    assert interpolate(trained, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(key) and allowed in error
    assert sorted(trained.rglob("*")) == before
