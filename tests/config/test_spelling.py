"""Keys without `experiment.`, the published spelling beside ours, and experiments of the user's own."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from landscapes.config import compose, showing
from landscapes.config.compose import CONF, compose_job, compose_sweep
from landscapes.config.experiments import experiments_of
from landscapes.config.job import Job
from landscapes.config.launch import run_entry_point
from landscapes.config.published import KEYS, Spelled, published_keys, spelling_of
from landscapes.config.training import COMMON, Training, own_keys
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS

TRAIN = "run_algorithm"


def trained(*arguments: str) -> dict[str, Any]:
    return compose_job(TRAIN, arguments).resolved["experiment"]


def members(*arguments: str) -> list[Training]:
    found = [job.settings for job in compose_sweep(TRAIN, arguments)]
    assert all(isinstance(each, Training) for each in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    "entry_point, short, full",
    [
        (TRAIN, "env=hopper num_seeds=3 seed=5 tqdm=false", "env=hopper num_seeds=3 seed=5 tqdm=false"),
        (TRAIN, "env_name=hopper ddpg_config.tau=0.1", "env_name=hopper ddpg_config.tau=0.1"),
        ("eval_policy", "ckpt_indexes=[5] noise_type=parameter", "ckpt_indexes=[5] noise_type=parameter"),
        ("improve_ltp", "root_policy_conf.ckpt=5 cvar_alpha=0.2", "root_policy_conf.ckpt=5 cvar_alpha=0.2"),
    ],
)
def test_keys_of_experiments_need_no_prefix(entry_point: str, short: str, full: str) -> None:
    which = {
        TRAIN: [],
        "eval_policy": ["experiment.run_name=calm"],
        "improve_ltp": ["experiment.root_policy_conf.run_name=a"],
    }
    plain = compose_job(entry_point, which[entry_point])
    shortly = compose_job(entry_point, [*which[entry_point], *short.split()])
    fully = compose_job(entry_point, [*which[entry_point], *(f"experiment.{word}" for word in full.split())])
    assert shortly.resolved == fully.resolved != plain.resolved


def test_keys_that_all_jobs_share_keep_their_meaning() -> None:
    job = compose_job("eval_policy", ["run_name=mine", "experiment.run_name=calm"])
    assert (job.run_name, job.settings.run_name) == ("mine", "calm")  # type: ignore[union-attr]


def test_a_key_may_be_given_twice_in_one_spelling() -> None:
    assert trained("steps=2e5", "steps=3e5")["steps"] == 300_000
    assert trained("algo=sac", "algo=td3")["algorithm"] == "td3"


def test_every_published_key_stands_for_one_that_there_is() -> None:
    for experiment, names in KEYS.items():
        if not experiment.startswith("train"):
            continue  # the other way round: there the keys of today stand for the published ones
        algorithm = experiment.removeprefix("train_")
        there = {*COMMON, *(each.name for each in own_keys(algorithm))} if algorithm in ALGORITHMS else {*COMMON}
        assert set(names.values()) <= there
        assert not names.keys() & there, "a published key that means another one of ours"
        assert len(set(names.values())) == len(names)
    assert published_keys("improve_ltp", "reject_ltp") == []


def test_a_sweep_over_algorithms() -> None:
    td3, sac = members("algo=td3,sac", "env=hopper", "tau=0.1", "ddpg_config.discount=0.9", "sac_config.temp_lr=1e-2")
    assert [(each.algorithm, each.env, each.settings["tau"]) for each in (td3, sac)] == [
        ("td3", "hopper", 0.1),
        ("sac", "hopper", 0.1),
    ]
    # What was published for the other algorithm is let pass, and does nothing.
    assert (td3.settings["gamma"], sac.settings["gamma"]) == (0.9, 0.99)
    assert "temperature_lr" not in td3.settings and sac.settings["temperature_lr"] == 0.01
    assert td3.settings["exploration_noise"] == 0.1


@pytest.mark.parametrize("chosen", [["experiment=train_jaxrl"], [], ["experiment=train_jaxrl", "experiment.algo=ddpg"]])
def test_published_keys_of_the_other_algorithm_are_let_pass(chosen: list[str]) -> None:
    assert trained(*chosen, "experiment.sac_config.tau=0.5") == trained()
    with pytest.raises(UserError, match=r"^experiment.sac_config.tuu=0.5: no such key"):
        trained(*chosen, "experiment.sac_config.tuu=0.5")


def test_a_sweep_over_experiments_takes_what_all_have_in_common() -> None:
    td3, ppo = members("experiment=train_td3,train_ppo", "steps=2e5", "gamma=0.9", "checkpoints=3")
    assert [(each.algorithm, each.steps, each.settings["gamma"], each.checkpoints) for each in (td3, ppo)] == [
        ("td3", 200_000, 0.9, 3),
        ("ppo", 200_000, 0.9, 3),
    ]
    assert (td3.num_seeds, ppo.num_seeds) == (1, 3)
    with pytest.raises(UserError, match=r"^policy_delay=3: no such key; .*\(member 1 of the sweep\)$"):
        members("experiment=train_td3,train_ppo", "policy_delay=3")


def test_members_of_a_sweep_over_algorithms_do_not_meet() -> None:
    """Each has its own values, in whatever order they come, and so have those after a member of another algorithm."""
    found = members("algo=td3,ppo,sac,my.own.make", "seed=1,2", "env=hopper,ant")
    assert [(each.algorithm, each.seed, each.env) for each in found] == [
        (algorithm, seed, env)
        for algorithm in ("td3", "ppo", "sac", "my.own.make")
        for seed in (1, 2)
        for env in ("hopper", "ant")
    ]
    assert [each.num_seeds for each in found] == 4 * [1] + 4 * [3] + 8 * [1]


def test_what_hydra_is_told_may_use_keys_that_all_jobs_share(jobs: list[Job], tmp_path: Path) -> None:
    folder = "hydra.sweep.dir=${results_dir}/${run_name}"
    arguments = ["-m", "random_seed=1,2", f"results_dir={tmp_path}", "run_name=mine", folder]
    assert run_entry_point(TRAIN, arguments) == 0
    assert [job.sweep_folder for job in jobs] == ["mine", "mine"]


def test_a_key_within_a_longer_one_is_left_alone() -> None:
    spelled = Spelled([], {"experiment.env": "env_id", "experiment.steps": "experiment.max_steps"})
    text = "experiment.env, experiment.env_key and experiment.steps_so_far.x, of experiment.steps[1]."
    assert spelled.as_typed(text) == text.replace("experiment.env,", "env_id,").replace(
        "experiment.steps[1]", "experiment.max_steps[1]"
    )


def test_how_a_sweep_was_typed_is_known_from_its_keys() -> None:
    keys = ["experiment", "job_config", "run_name", "hydra.sweep.dir", "experiment.max_steps", "tau", "experiment.seed"]
    shared = ("run_name", "job_config")
    found = spelling_of(TRAIN, "train_td3", keys, shared).typed
    assert found == {"experiment.steps": "experiment.max_steps", "experiment.tau": "tau"}
    assert spelling_of("improve_ltp", "reject_ltp", ["max_steps"], shared).typed == {
        "experiment.max_steps": "max_steps"
    }


def test_a_published_group_may_be_given_whole() -> None:
    whole = trained("ddpg_config={hidden_dims: [8, 4], discount: 0.9, tau: 1e-2}", "experiment.sac_config={tau: 1}")
    assert whole == trained("hidden_dims=[8,4]", "gamma=0.9", "tau=0.01")
    own = compose_job(
        TRAIN,
        ["algo=my.own.make", "+experiment.algo_config={rate: 1e-3, way: 'a b', on: true, off: null, dims: [1,2]}"],
    ).settings
    assert isinstance(own, Training)
    assert own.settings == {"rate": 1e-3, "way": "a b", "on": True, "off": None, "dims": [1, 2]}
    assert trained("ddpg_config={}") == trained()
    with pytest.raises(UserError, match=r"^ddpg_config.tau=0.2: is tau in another spelling"):
        trained("tau=0.1", "ddpg_config={tau: 0.2}")


def test_published_keys_that_an_algorithm_of_ones_own_does_not_read_are_let_pass() -> None:
    plain = ["experiment.algo=my.own.make", "experiment.env_name=hopper"]
    idle = ["experiment.start_training=1", "experiment.replay_buffer_size=10", "experiment.sac_config.tau=0.5"]
    assert trained(*plain, *idle) == trained(*plain)
    with pytest.raises(UserError, match=r"^learning_starts=1: no such key; .*settings of an algorithm of your own"):
        trained(*plain, "learning_starts=1")
    with pytest.raises(UserError, match=r"^start_training=1: no such key"):
        trained("experiment=train", "algorithm=my.own.make", "start_training=1")


# Experiments of the user's own

MINE = """
defaults:
  - train_td3
  - _self_
env: hopper
steps: 2e5
tau: 0.01
"""
POINTS = """
defaults:
  - train
  - _self_
algorithm: my.own.make
env: hopper
width: 3
"""
OFTEN = """
defaults:
  - mine
  - _self_
num_seeds: 7
"""


@pytest.fixture
def own_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ with experiments of the user's own."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    for name, text in {"mine": MINE, "points": POINTS, "often": OFTEN}.items():
        (folder / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
    for name, text in {"broken": "[", "aimless": "steps: 3\n", "circle": "defaults:\n  - circle\n"}.items():
        (folder / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(compose.hydra_loader.__wrapped__, "__defaults__", (folder, None))  # type: ignore[attr-defined]
    monkeypatch.setattr(showing, "CONF", folder)
    return folder


@pytest.mark.usefixtures("own_conf")
def test_an_experiment_of_the_users_own(jobs: list[Job], capsys: pytest.CaptureFixture[str]) -> None:
    job = compose_job(TRAIN, ["experiment=mine", "num_seeds=2", "experiment.gamma=0.9"])
    assert (job.experiment_name, job.kind) == ("mine", "train")
    plain = trained("env=hopper", "steps=2e5", "tau=0.01", "num_seeds=2", "gamma=0.9")
    assert job.resolved["experiment"] == plain
    assert trained("experiment=often") == trained("env=hopper", "steps=2e5", "tau=0.01", "num_seeds=7")
    own = compose_job(TRAIN, ["experiment=points", "experiment.width=5"])
    assert isinstance(own.settings, Training)
    assert (own.settings.algorithm, own.settings.settings) == ("my.own.make", {"width": 5})
    both = compose_sweep(TRAIN, ["experiment=mine,train_sac", "seed=1,2"])
    assert [(each.experiment_name, each.settings.seed) for each in both] == [
        ("mine", 1),
        ("mine", 2),
        ("train_sac", 1),
        ("train_sac", 2),
    ]
    assert run_entry_point(TRAIN, ["experiment=often", "--cfg", "job"]) == 0
    assert "num_seeds: 7" in capsys.readouterr().out
    assert run_entry_point(TRAIN, ["experiment=often", "--help"]) == 0
    out = capsys.readouterr().out
    assert "\nexperiment=often\n" in out and "  policy_delay " in out


@pytest.mark.usefixtures("own_conf")
def test_experiments_of_the_users_own_are_listed_with_their_kind() -> None:
    with compose.hydra_loader(TRAIN) as loader:
        assert experiments_of(loader, TRAIN) == [
            *("mine", "often", "points", "train"),
            *("train_bc", "train_ppo", "train_sac", "train_td3", "train_vpg"),
        ]


@pytest.mark.usefixtures("own_conf")
@pytest.mark.parametrize(
    "entry_point, arguments, said",
    [
        (TRAIN, ["experiment=mien"], "experiment=mien: no such experiment; run_algorithm has mine, often"),
        ("eval_policy", ["experiment=often"], "experiment=often: belongs to run_algorithm; eval_policy has landscape"),
        (TRAIN, ["experiment=aimless"], "experiment.kind=null: must be one of train, train_bc, as an experiment that"),
        (TRAIN, ["experiment=aimless", "--help"], "experiment.kind=null: must be one of train, train_bc"),
        (TRAIN, ["experiment=mine", "algo=td3"], "algo=td3: means experiment=train_td3, and experiment=mine is given"),
        (TRAIN, ["experiment=mine", "tau=2"], "tau=2: must be a number, above 0, at most 1"),
        (TRAIN, ["experiment=mine", "max_steps=2"], "max_steps=2: no such key; did you mean experiment.steps?"),
    ],
)
def test_mistakes_with_experiments_of_the_users_own(
    entry_point: str, arguments: list[str], said: str, jobs: list[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_entry_point(entry_point, arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), jobs) == ("", 1, [])
    assert err.startswith(said)


@pytest.mark.usefixtures("own_conf")
@pytest.mark.parametrize("name", ["broken", "circle"])
def test_a_file_that_cannot_be_read_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_entry_point(TRAIN, [f"experiment={name}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
