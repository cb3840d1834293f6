"""Every file in conf/ and every key: what is composed of them, in our spelling and the published one."""

import json
from operator import attrgetter
from typing import Any

import pytest
from omegaconf import OmegaConf
from published_keys import PUBLISHED, ROOT, RUN
from typed_keys import BURSTS, SET, SWITCHES, in_our_spelling

from landscapes.config.compose import CONF, compose_job, hydra_loader, load
from landscapes.config.experiments import experiments_of
from landscapes.config.job import Job
from landscapes.config.kinds import KINDS, Settings
from landscapes.config.published import KEYS, Spelled
from landscapes.config.schemas import RejectLtp
from landscapes.config.training import Training
from landscapes.errors import UserError
from landscapes.settings.algorithms import ALGORITHMS

EXPERIMENTS = {
    "run_algorithm": {"train": "train", "train_bc": "train_bc"} | {f"train_{name}": "train" for name in ALGORITHMS},
    "eval_policy": {name: name for name in KINDS["eval_policy"]} | {"policy_variance_mujoco": "policy_variance"},
    "improve_ltp": {name: name for name in KINDS["improve_ltp"]},
}
"""Of each entry point, with their kinds."""
OFFERED = [(entry_point, name) for entry_point, experiments in EXPERIMENTS.items() for name in experiments]


def needed(name: str) -> list[str]:
    if name == "train":
        return ["experiment.algorithm=my.own.make"]
    return ROOT if name.endswith(("reject_ltp", "train_bc")) else RUN.get(name, [])


def setting(settings: Settings, key: str) -> Any:
    return settings.flat()[key] if isinstance(settings, Training) else attrgetter(key)(settings)


def check_values(settings: Settings, expected: dict[str, Any]) -> None:
    for key, value in expected.items():
        found = setting(settings, key)
        assert found == value, key
        assert type(found) is type(value), key


@pytest.mark.parametrize("entry_point, name", OFFERED)
def test_every_experiment_composes_into_its_kind(entry_point: str, name: str) -> None:
    job = compose_job(entry_point, [f"experiment={name}", *needed(name)])
    kind = EXPERIMENTS[entry_point][name]
    assert type(job.settings) is KINDS[entry_point][kind]
    assert (job.entry_point, job.experiment_name, job.kind, job.sweep_index) == (entry_point, name, kind, None)
    json.dumps(job.resolved, allow_nan=False)
    if name not in KEYS:
        check_values(job.settings, PUBLISHED.get(name, {}))


@pytest.mark.parametrize("algorithm", ["td3", "sac"])
def test_defaults_of_the_published_experiment(algorithm: str) -> None:
    published = in_our_spelling(f"train_{algorithm}", PUBLISHED["train_jaxrl"])
    assert len(published) == len(PUBLISHED["train_jaxrl"]) - sum(
        key.startswith("sac_" if algorithm == "td3" else "ddpg_") for key in PUBLISHED["train_jaxrl"]
    )
    for arguments in (
        [f"experiment=train_{algorithm}"],
        ["experiment=train_jaxrl", f"experiment.algo={algorithm}"],
        [f"experiment.algo={algorithm}"],
        [f"algorithm={algorithm}"],
    ):
        job = compose_job("run_algorithm", arguments)
        assert job.experiment_name == f"train_{algorithm}"
        assert setting(job.settings, "algorithm") == algorithm
        check_values(job.settings, published)


def test_defaults_of_the_published_ppo() -> None:
    published = in_our_spelling("train_ppo", PUBLISHED["train_ppo"])
    assert len(published) == len(PUBLISHED["train_ppo"])
    check_values(compose_job("run_algorithm", ["experiment=train_ppo"]).settings, published)


def test_every_file_in_conf_is_offered() -> None:
    assert {path.stem for path in (CONF / "experiment").iterdir()} == {name for _, name in OFFERED}
    assert {path.stem for path in CONF.glob("*.yaml")} == {*KINDS, "common"}
    assert {kind for kinds in EXPERIMENTS.values() for kind in kinds.values()} == {k for e in KINDS.values() for k in e}
    for entry_point, experiments in EXPERIMENTS.items():
        with hydra_loader(entry_point) as loader:
            assert experiments_of(loader, entry_point) == sorted(experiments)


@pytest.mark.parametrize(
    "entry_point, default",
    [("run_algorithm", "train_td3"), ("eval_policy", "policy_variance"), ("improve_ltp", "td3_reject_ltp")],
)
def test_default_experiment(entry_point: str, default: str) -> None:
    assert compose_job(entry_point, needed(default)).experiment_name == default


# Keys that mean something else without `experiment.`: those of the new run.
NOT_SHORT = {"run_name"}


@pytest.mark.parametrize("prefix", ["experiment.", ""])
@pytest.mark.parametrize("entry_point, name", OFFERED)
def test_every_key_acts(entry_point: str, name: str, prefix: str) -> None:
    arguments = [
        f"{'experiment.' if key in NOT_SHORT else prefix}{key}={typed}" for key, (typed, _) in SET[name].items()
    ]
    job = compose_job(entry_point, [f"experiment={name}", *arguments])
    expected = in_our_spelling(name, SET[name]) if name in KEYS else SET[name]
    check_values(job.settings, {key: value for key, (_, value) in expected.items()})
    keys = {key.partition(".")[0] for key in expected}
    assert keys == job.resolved["experiment"].keys() - {"algorithm"} | (keys & {"algorithm"}), "a key is not tried here"


PUBLISHED_CHOICES = [
    ("td3", ["experiment=train_jaxrl"]),
    ("td3", ["experiment.algo=ddpg"]),
    ("sac", ["experiment=train_jaxrl", "experiment.algo=sac"]),
    ("ppo", ["experiment=train_ppo"]),
]


@pytest.mark.parametrize("algorithm, arguments", PUBLISHED_CHOICES)
@pytest.mark.parametrize("prefix", ["experiment.", ""])
def test_every_published_key_arrives(algorithm: str, arguments: list[str], prefix: str) -> None:
    name = "train_ppo" if algorithm == "ppo" else "train_jaxrl"
    published = {key: value for key, value in SET[name].items() if key not in {**BURSTS, **SWITCHES}}
    words = [f"{prefix}{key}={typed}" for key, (typed, _) in published.items()]
    job = compose_job("run_algorithm", [*arguments, *words])
    expected = in_our_spelling(f"train_{algorithm}", published)
    check_values(job.settings, {key: value for key, (_, value) in expected.items()})
    plain = [f"experiment.{key}={typed}" for key, (typed, _) in expected.items()]
    ours = compose_job("run_algorithm", [f"experiment=train_{algorithm}", *plain])
    assert ours.resolved == job.resolved


def test_early_refusal_acts_with_cvar_of_a_lower_tail_only() -> None:
    arguments = ["experiment=reject_ltp", *ROOT, "experiment.sequential_error=0.05"]
    settings = compose_job("improve_ltp", arguments).settings
    assert isinstance(settings, RejectLtp) and settings.sequential_error == 0.05
    for other in ("heuristic=ltp", "heuristic=none", "cvar_alpha=0.6"):
        with pytest.raises(UserError, match=r"^experiment.sequential_error=0.05: must be null unless"):
            compose_job("improve_ltp", [*arguments, f"experiment.{other}"])
    for wrong in ("0", "0.5", "-0.1", "true"):
        with pytest.raises(UserError, match=r"must be a number, above 0, below 0.5, or null$"):
            compose_job("improve_ltp", [*arguments[:-1], f"experiment.sequential_error={wrong}"])


def test_integers_among_amounts_stay_integers() -> None:
    job = compose_job("eval_policy", ["experiment.run_name=calm", "experiment.noise_amounts=[0,1,3e-4,2.0]"])
    assert [str(amount) for amount in job.settings.noise_amounts] == ["0", "1", "0.0003", "2.0"]  # type: ignore[union-attr]


def test_shared_keys_act() -> None:
    job = compose_job(
        "run_algorithm",
        "random_seed=7 use_wandb=false project_name=mine wandb.entity_name=me wandb.mode=offline run_host=there "
        "run_name=calm results_dir=elsewhere overwrite=true wait=false gpu_memory_fraction=0.3".split(),
    )
    assert (job.wait, job.gpu_memory_fraction) == (False, 0.3)
    assert (job.random_seed, job.use_wandb, job.run_host, job.overwrite) == (7, False, "there", True)
    assert (job.wandb.project_name, job.wandb.entity_name, job.wandb.mode) == ("mine", "me", "offline")
    assert (job.run_name, job.member_name, job.results_dir) == ("calm", "calm", "elsewhere")
    assert job.settings.seed == 7
    assert job.resolved["experiment"]["seed"] == 7
    assert compose_job("run_algorithm", ["wandb.project_name=other"]).wandb.project_name == "other"


def test_resolved_is_the_same_however_a_value_is_typed() -> None:
    typed = compose_job("run_algorithm", ["experiment.algo=ddpg", "experiment.max_steps=1000000"])
    assert typed.resolved == compose_job("run_algorithm", ["experiment.max_steps=1e6"]).resolved


def test_published_names_reach_the_algorithms() -> None:
    arguments = [f"experiment.{key}={typed}" for key, (typed, _) in SET["train_jaxrl"].items()]
    td3 = compose_job("run_algorithm", [*arguments, "experiment.algo=ddpg"])
    assert isinstance(td3.settings, Training)
    assert td3.settings.algorithm == "td3"
    assert td3.settings.algorithm_settings() == {
        "actor_lr": 1.0,
        "critic_lr": 1e-3,
        "hidden_dims": [8],
        "final_fc_init_scale": 0.01,
        "gamma": 0.0,
        "tau": 0.5,
        "policy_delay": 3,
        "target_policy_noise": 0.1,
        "target_noise_clip": 0.2,
        "exploration_noise": 0.3,
        "actor_batch_size": 32,
        "critic_batch_size": 64,
        "updates_per_step": 2,
        "learning_starts": 1000,
        "replay_capacity": 5000,
    }
    sac = compose_job("run_algorithm", [*arguments, "experiment.algo=sac"])
    assert isinstance(sac.settings, Training)
    inner = sac.settings.algorithm_settings()
    assert sac.settings.algorithm == "sac"
    assert (inner["temperature_lr"], inner["initial_temperature"], inner["target_entropy"]) == (1e-4, 0.1, -3.0)

    def typed(job: Job, key: str) -> str:
        return job.error_as_typed(UserError(key, 0, "no")).key

    assert typed(td3, "gamma") == "experiment.ddpg_config.discount"
    assert typed(sac, "gamma") == "experiment.sac_config.discount"
    assert typed(sac, "learning_starts") == "experiment.start_training"
    assert typed(sac, "results_dir") == "results_dir"


def test_a_replay_log_is_no_longer_than_the_training() -> None:
    settings = compose_job("run_algorithm", ["steps=2e4"]).settings
    assert isinstance(settings, Training)
    assert (settings.settings["replay_capacity"], settings.algorithm_settings()["replay_capacity"]) == (10**6, 20_000)


@pytest.mark.parametrize(
    "arguments",
    [
        ["experiment.algo=my.algorithm.make", "+experiment.algo_config.width=3", "experiment.seed=1"],
        ["experiment=train_jaxrl", "algo=my.algorithm.make", "algo_config.width=3", "experiment.env_name=hopper"],
        ["experiment=train", "algorithm=my.algorithm.make", "+width=3"],
        ["algorithm=my.algorithm.make", "+experiment.width=3", "agent_log_starts=[5]", "agent_num_logs=2"],
    ],
)
def test_algorithm_of_the_users_own(arguments: list[str]) -> None:
    job = compose_job("run_algorithm", arguments)
    assert isinstance(job.settings, Training)
    assert (job.experiment_name, job.settings.algorithm) == ("train", "my.algorithm.make")
    assert job.settings.algorithm_settings() == {"width": 3}
    key = job.error_as_typed(UserError("width", 3, "no")).key
    assert f"{key}=3" in [word.removeprefix("+") for word in arguments]
    assert job.resolved["experiment"]["width"] == 3


@pytest.mark.parametrize("preset", sorted(path.stem for path in (CONF / "job_config").iterdir()))
def test_every_preset_composes(preset: str) -> None:
    job = compose_job("run_algorithm", [f"job_config={preset}"])
    hosts = {"cc": "cc", "mila": "mila", "slurm": "slurm"}
    assert job.run_host == hosts.get(preset.partition("_")[0], "local")
    with hydra_loader("run_algorithm") as loader:
        own = load(loader, "run_algorithm", Spelled([f"job_config={preset}"])).hydra
    launcher = OmegaConf.to_container(own.launcher, resolve=False)
    assert isinstance(launcher, dict)
    kind = {"local_default": "BasicLauncher", "local_multiprocessing": "processes"}.get(preset, "SlurmLauncher")
    assert launcher["_target_"].endswith(kind)
    # Alone on a GPU, or two sharing one; where members follow one another, JAX's own share.
    shares = {"BasicLauncher": None, "processes": 0.45, "SlurmLauncher": 0.9}
    assert job.gpu_memory_fraction == shares[kind]
    if kind == "SlurmLauncher":
        assert (launcher["account"], launcher["partition"]) == (None, None)
        # A preset chosen is a job to be submitted, of one member too.
        assert own.mode.name == "MULTIRUN"
        setup = [str(line) for line in own.launcher.setup]
        assert not any("${" in line for line in setup)  # Hydra's launchers would read it as an interpolation
