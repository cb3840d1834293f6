"""What a user can mistype: each is one line with key, value and what is allowed, exit code 2, and nothing on disk."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from landscapes.config.compose import compose_job
from landscapes.config.job import Job
from landscapes.config.launch import run_entry_point
from landscapes.errors import UserError

ROOT = Path(__file__).resolve().parents[2]

TRAIN, EVALUATE, IMPROVE = "run_algorithm", "eval_policy", "improve_ltp"
CALM = "experiment.run_name=calm"

AT_ROOT = ["experiment.root_policy_conf.run_name=a"]
PAIRS = [f"experiment.{name}=[{value}]" for name, value in zip(("run_names1", "seeds1", "ckpts1"), "a05", strict=True)]
PAIRS += [f"experiment.{name}=[{value}]" for name, value in zip(("run_names2", "seeds2", "ckpts2"), "b05", strict=True)]
SLICE = ["experiment=landscape_slice", CALM, "experiment.ckpt=5", "experiment.directions=policies"]

MISTAKES: list[tuple[str, list[str], list[str]]] = [
    # misspelt keys
    (TRAIN, ["experiment.polcy=3"], ["experiment.polcy=3: no such key"]),
    (TRAIN, ["experiment.ddpg_config.discont=1"], ["did you mean experiment.ddpg_config.discount?"]),
    (TRAIN, ["experiment.max_step=3"], ["experiment.max_step=3: no such key; did you mean experiment.max_steps"]),
    (TRAIN, ["stepz=3"], ["stepz=3: no such key; did you mean experiment.steps?"]),
    (
        TRAIN,
        ["experiment.discount=1"],
        ["experiment.discount=1: no such key; did you mean experiment.ddpg_config.disc"],
    ),
    (TRAIN, ["experiment.ddpg_config.gamma=1"], ["ddpg_config.gamma=1: no such key; did you mean experiment.gamma?"]),
    (TRAIN, ["experiment=train_ppo", "clip_epz=1"], ["clip_epz=1: no such key; did you mean experiment.clip_eps?"]),
    (TRAIN, ["experiment=train_ppo", "tau=1"], ["tau=1: no such key"]),
    (TRAIN, ["experiment=train_ppo", "+zzz=1"], ["zzz=1: no such key of ppo; there are algorithm, env"]),
    (TRAIN, ["experiment=train_td3", "sac_config.tau=1"], ["sac_config.tau=1: no such key"]),
    (
        TRAIN,
        ["algo=my.own.make", "wdth=3"],
        ["wdth=3: no such key; settings of an algorithm of your own are", "+wdth="],
    ),
    (TRAIN, ["algo=my.own.make", "stepz=3"], ["did you mean experiment.steps? settings of an algorithm of your own"]),
    (TRAIN, ["experiment.kind=train_bc"], ["experiment.algorithm=td3: no such key; there are root_policy_conf"]),
    (TRAIN, ["kind=policy_variance"], ["experiment=train_td3: belongs to eval_policy"]),
    (TRAIN, ["kind=mine"], ["kind=mine: must be one of train, train_bc, as an experiment that yours is built on says"]),
    # one setting in two spellings
    (TRAIN, ["seed=3", "experiment.seed=4"], ["experiment.seed=4: is seed in another spelling, which is given too"]),
    (TRAIN, ["experiment.max_steps=3", "steps=4"], ["steps=4: is experiment.max_steps in another spelling"]),
    (
        TRAIN,
        ["tau=0.1", "ddpg_config.tau=0.2"],
        ["ddpg_config.tau=0.2: is tau in another spelling, which is given too"],
    ),
    (TRAIN, ["experiment=train_ppo", "env_id=ant", "env=hopper"], ["env=hopper: is env_id in another spelling"]),
    (TRAIN, ["algo=td3", "experiment.algorithm=td3"], ["experiment.algorithm=td3: is algo in another spelling"]),
    (
        TRAIN,
        ["algo=td3", "experiment=train_sac"],
        ["algo=td3: means experiment=train_td3, and experiment=train_sac is"],
    ),
    (
        TRAIN,
        ["algo=my.make", "experiment=train_td3"],
        ["algo=my.make: means experiment=train, and experiment=train_td3"],
    ),
    (
        TRAIN,
        ["-m", "seed=3,5", "experiment.seed=4"],
        ["experiment.seed=4: is seed in another spelling", "(member 0 of"],
    ),
    (EVALUATE, ["seed=3", "experiment.seed=4", CALM], ["experiment.seed=4: is seed in another spelling"]),
    (TRAIN, ["random_sed=1"], ["random_sed=1: no such key; did you mean random_seed?"]),
    (TRAIN, ["experimnt=train_ppo"], ["experimnt=train_ppo: no such key; did you mean experiment?"]),
    (TRAIN, ["wandb.project=x"], ["wandb.project=x: no such key", "wandb.project_name"]),
    (TRAIN, ["+experiment.learning=1"], ["experiment.learning=1: no such key"]),
    (TRAIN, ["++wandb.tags=[a]"], ["wandb.tags=[a]: no such key; there are project_name"]),
    (TRAIN, ["+seeds=3"], ["seeds=3: no such key"]),
    (TRAIN, ["~experiment.seed"], ["experiment.seed=???: needs a value"]),
    (TRAIN, ["~seed"], ["seed=???: needs a value"]),
    (TRAIN, ["~algo"], ["algo=???: needs a value"]),
    (TRAIN, ["~experiment"], ["experiment=null: no such experiment; run_algorithm has train, train_bc, train_ppo"]),
    (TRAIN, ["hydra.swep.dir=x"], ["hydra.swep.dir=x: no such key", "hydra.sweep.dir"]),
    (TRAIN, ["hydra/lancher=x"], ["hydra/lancher=x: "]),
    # choices
    (TRAIN, ["experiment=policy_variance"], ["belongs to eval_policy; run_algorithm has train, train_bc, train_ppo"]),
    (TRAIN, ["experiment=policy_variance", "--help"], ["belongs to eval_policy; run_algorithm has train, train_bc"]),
    (EVALUATE, ["experiment=train_jaxrl"], ["experiment=train_jaxrl: belongs to run_algorithm; eval_policy has"]),
    (EVALUATE, ["experiment=td3_reject_ltp", "experiment.lr=1"], ["belongs to improve_ltp; eval_policy has"]),
    (TRAIN, ["experiment=train_pp"], ["experiment=train_pp: no such experiment; run_algorithm has"]),
    (TRAIN, ["-m", "experiment=train_ppo,policy_variance"], ["experiment=policy_variance: belongs to eval_policy"]),
    (TRAIN, ["job_config=cc_gpus"], ["job_config=cc_gpus: no such preset; did you mean cc_gpu"]),
    (TRAIN, ["-m", "job_config=cc_gpu,cc_cpu"], ["job_config=cc_gpu,cc_cpu: cannot be swept over"]),
    (TRAIN, ["hydra/launcher=rocket"], ["hydra/launcher=rocket: no such choice", "submitit_slurm"]),
    (
        TRAIN,
        ["experiment.algo=td4"],
        ["experiment.algo=td4: no such algorithm; did you mean td3? A make of your own has"],
    ),
    (TRAIN, ["algorithm=trpo7"], ["algorithm=trpo7: no such algorithm; there are ppo, sac, td3, ddpg"]),
    (TRAIN, ["experiment=train"], ["experiment.algorithm=???: needs a value"]),
    (IMPROVE, ["experiment.root_policy_conf.run_name=a", "experiment.heuristic=cva"], ["one of cvar, ltp, none"]),
    (TRAIN, ["wandb.mode=of"], ["wandb.mode=of: must be one of online, offline, disabled, or null"]),
    # types
    (TRAIN, ["experiment.max_steps=abc"], ["experiment.max_steps=abc: must be an integer, at least 1"]),
    (TRAIN, ["experiment.max_steps=1.5"], ["experiment.max_steps=1.5: must be an integer"]),
    (TRAIN, ["experiment.num_seeds=true"], ["experiment.num_seeds=true: must be an integer"]),
    (TRAIN, ["experiment.num_seeds=null"], ["experiment.num_seeds=null: must be an integer"]),
    (TRAIN, ["experiment.num_seeds='3'"], ["experiment.num_seeds='3': must be an integer"]),
    (TRAIN, ["experiment.ddpg_config.actor_lr=fast"], ["experiment.ddpg_config.actor_lr=fast: must be a number"]),
    (TRAIN, ["experiment.ddpg_config.actor_lr=nan"], ["experiment.ddpg_config.actor_lr=nan: must be a number"]),
    (TRAIN, ["experiment.ddpg_config.tau=inf"], ["experiment.ddpg_config.tau=inf: must be a number"]),
    (TRAIN, ["experiment.max_steps=inf"], ["experiment.max_steps=inf: must be an integer"]),
    (TRAIN, ["experiment.tqdm=yes"], ["experiment.tqdm=yes: must be true or false"]),
    (TRAIN, ["experiment.checkpoint=1"], ["experiment.checkpoint=1: must be true or false"]),
    (TRAIN, ["experiment.agent_log_starts=x"], ["experiment.agent_log_starts=x: must be a list such as [a,b]"]),
    (
        TRAIN,
        ["checkpoints=-1"],
        ["checkpoints=-1: must be a list such as [a,b]", "an integer, at least 0, at most 1000000"],
    ),
    (
        TRAIN,
        ["checkpoints=2e6"],
        ["checkpoints=2e6: must be a list such as [a,b]", "an integer, at least 0, at most 1000"],
    ),
    (TRAIN, ["experiment.agent_log_starts=[1,x]"], ["experiment.agent_log_starts[1]=x: must be an integer"]),
    (
        TRAIN,
        ["experiment.ddpg_config=3"],
        ["experiment.ddpg_config=3: is a group of keys", "experiment.ddpg_config.KEY="],
    ),
    (TRAIN, ["algo_config={width:3}"], ["algo_config.width=3: is read by an algorithm of your own only"]),
    (
        TRAIN,
        ["experiment.ddpg_config={tao:3}"],
        ["experiment.ddpg_config.tao=3: no such key", "did you mean experiment.ddpg_config.tau or experiment.tau?"],
    ),
    (TRAIN, ["experiment.ddpg_config.hidden_dims=[]"], ["experiment.ddpg_config.hidden_dims=[]", "not empty"]),
    (
        TRAIN,
        ["experiment.ddpg_config.hidden_dims=[8,0]"],
        ["experiment.ddpg_config.hidden_dims[1]=0: must be an integer"],
    ),
    (TRAIN, ["experiment=train_ppo", "hidden_dims=[8,x]"], ["hidden_dims[1]=x: must be an integer, at least 1"]),
    (TRAIN, ["experiment.ddpg_config.final_fc_init_scale=-1"], ["experiment.ddpg_config.final_fc_init_scale=-1", "0"]),
    (TRAIN, ["wandb=null"], ["wandb=null: must be a group with the keys project_name"]),
    (TRAIN, ["experiment={algo:sac,x:1}"], ["experiment"]),
    (EVALUATE, [CALM, "experiment.noise_amounts=3e-4"], ["experiment.noise_amounts=3e-4: must be a list"]),
    (EVALUATE, [CALM, "experiment.noise_amounts=[true]"], ["experiment.noise_amounts[0]=true: must be a number"]),
    (EVALUATE, [CALM, "experiment.noise_type="], ["experiment.noise_type=: must be text, not empty"]),
    (TRAIN, ["job_config=cc_cpu", "hydra.launcher.mem_gb=much"], ["hydra.launcher.mem_gb=much"]),
    # ranges
    (TRAIN, ["experiment.num_seeds=0"], ["experiment.num_seeds=0: must be an integer, at least 1"]),
    (TRAIN, ["experiment.ddpg_config.discount=1.1"], ["must be a number, from 0 to 1"]),
    (
        TRAIN,
        ["experiment.ddpg_config.tau=0"],
        ["experiment.ddpg_config.tau=0: must be a number, above 0, at most 1"],
    ),
    (TRAIN, ["random_seed=-1"], ["random_seed=-1: must be an integer, from 0 to 4294967295"]),
    (
        TRAIN,
        ["experiment.max_steps=100"],
        ["experiment.learning_starts=10000: must be at most experiment.max_steps=100"],
    ),
    (TRAIN, ["max_steps=100", "start_training=101"], ["start_training=101: must be at most max_steps=100"]),
    (
        TRAIN,
        ["experiment=train_ppo", "experiment.num_minibatches=3"],
        ["experiment.num_minibatches=3: must divide the batch of num_envs * unroll_length = 32768 steps"],
    ),
    (
        TRAIN,
        ["experiment=train_ppo", "experiment.total_timesteps=1e3"],
        ["total_timesteps=1e3: must be at least"],
    ),
    (TRAIN, ["experiment=train_ppo", "experiment.target_kl=0"], ["must be a number, above 0, or null"]),
    (TRAIN, ["experiment=train_ppo", "experiment.eval_interval=0"], ["an integer, at least 1, or null"]),
    (
        TRAIN,
        ["+experiment.algo_config.width=3"],
        ["experiment.algo_config.width=3: is read by an algorithm of your own only, given as a dotted path"],
    ),
    (EVALUATE, [CALM, "experiment.ckpt_indexes=[]"], ["experiment.ckpt_indexes=[]"]),
    *[
        (
            EVALUATE,
            [CALM, f"experiment.noise_amounts=[{wrong}]"],
            [f"noise_amounts[0]={wrong[:8]}", "must be a number, at least 0"],
        )
        for wrong in ("-1.0", "-0.0003", "nan", "inf", "1e+39", "1" + 400 * "0")
    ],
    *[
        (
            EVALUATE,
            [f"experiment={name}", *given, f"experiment.noise_amount={wrong}"],
            [f"noise_amount={wrong}: must be"],
        )
        for name, given in (
            ("landscape_slice", [CALM, "experiment.ckpt=5"]),
            ("policy_interpolation_seed", [CALM]),
            ("policy_interpolation", PAIRS),
        )
        for wrong in ("-1.0", "-1", "inf")
    ],
    # what makes no sense twice
    (EVALUATE, [CALM, "experiment.ckpt_indexes=[20,20]"], ["ckpt_indexes=[20,20]: must be", "without repetitions"]),
    (EVALUATE, [CALM, "experiment.noise_amounts=[1,1.0]"], ["noise_amounts=[1,1.0]: must be", "without repetitions"]),
    (EVALUATE, [CALM, "experiment.noise_amounts=[null,null]"], ["noise_amounts=[null,null]", "without repetitions"]),
    (
        EVALUATE,
        ["experiment=policy_interpolation_seed", CALM, "experiment.ckpt_indexes=[5,5]"],
        ["ckpt_indexes=[5,5]: must be", "without repetitions"],
    ),
    (
        EVALUATE,
        ["experiment=policy_interpolation", *(pair.replace("]", f",{pair[-2]}]") for pair in PAIRS)],
        ["experiment.run_names1=[a,a]: ", "pairs 0 and 1 are the same"],
    ),
    *[
        (EVALUATE, [*SLICE, f"experiment.others=[{others}]"], ["experiment.others=[{run_name:", "each is a direction"])
        for others in (
            "{run_name: b, seed: 0, ckpt: 5}, {run_name: b, seed: 0, ckpt: 5}",
            "{run_name: calm, seed: 0, ckpt: 5}",
        )
    ],
    (TRAIN, ["experiment.agent_log_starts=[5,5]"], ["agent_log_starts=[5,5]: must be", "without repetitions"]),
    (TRAIN, ["experiment=train_bc", *AT_ROOT, "experiment.ckpt_steps=[0,0]"], ["ckpt_steps=[0,0]: must be"]),
    (IMPROVE, ["experiment.root_policy_conf.run_name=a", "experiment.cvar_alpha=0"], ["experiment.cvar_alpha=0"]),
    (IMPROVE, ["experiment.root_policy_conf.run_name=a", "experiment.check_interval=41"], ["experiment.max_steps=40"]),
    # sizes
    (
        TRAIN,
        ["experiment.max_steps=" + "9" * 400],
        ["(400 characters): must be an integer, at least 1", "up to 2^63 - 1"],
    ),
    (TRAIN, ["experiment.max_steps=" + "9" * 5000], ["(5000 characters): Hydra cannot read this"]),
    (TRAIN, ["experiment.ddpg_config.tau=" + "9" * 400], ["(400 characters): must be a number"]),
    (EVALUATE, [CALM, "experiment.noise_amounts=[" + "9" * 400 + "]"], ["experiment.noise_amounts[0]=999", "a number"]),
    (EVALUATE, ["experiment.run_name=" + "9" * 400], ["(400 characters): must be text"]),
    (
        TRAIN,
        ["experiment.max_steps=1e12"],
        ["experiment.max_steps=1e12: must be less than 2^32 iterations of the algorithm"],
    ),
    (TRAIN, ["experiment.num_seeds=1e12"], ["experiment.num_seeds=1e12: must be an integer", "at most 2147483647"]),
    (
        TRAIN,
        ["experiment=train_ppo", "experiment.total_timesteps=1e15"],
        ["experiment.total_timesteps=1e15: must be less than 2^32 iterations of the algorithm"],
    ),
    (
        TRAIN,
        ["experiment.agent_num_logs=1e9", "experiment.max_steps=4e9"],
        ["experiment.agent_num_logs=1e9: asks for 10000000000 checkpoints"],
    ),
    # names
    (EVALUATE, [], ["experiment.run_name=???: needs a value"]),
    (IMPROVE, ["experiment=reject_ltp"], ["experiment.root_policy_conf.run_name=???: needs a value"]),
    (EVALUATE, ["experiment.run_name=16904957_3"], ["=16904957_3: ", '''experiment.run_name="'16904957_3'"''']),
    (IMPROVE, ["experiment.root_policy_conf.run_name=16904957"], ['''run_name="'16904957'"''']),
    (TRAIN, ["run_name=123"], ["run_name=123: the name of a new run must begin with a letter"]),
    (TRAIN, ["run_name='123'"], ["run_name='123': the name of a new run must begin with a letter"]),
    (TRAIN, ["run_name=sweeps"], ["run_name=sweeps: this name is reserved"]),
    (TRAIN, ["run_name=true"], ["run_name=true: must be text", """quote it twice: run_name="'true'\""""]),
    (TRAIN, ["run_name=nan"], ["run_name=nan: must be text"]),
    (TRAIN, ["run_name='a b'"], ["run_name='a b': a name is a letter, then letters, digits"]),
    (TRAIN, ["run_name=" + "a" * 201], ["a name has at most 200 characters"]),
    (TRAIN, ["-m", "random_seed=1,2", "run_name=" + "a" * 199], ["a name has at most 200 characters", "(member 0 of"]),
    (TRAIN, ["experiment.env_name=3"], ["experiment.env_name=3: must be text"]),
    (TRAIN, ["experiment.env_name=hoper"], ["experiment.env_name=hoper: must be one of ant", "did you mean hopper?"]),
    (
        TRAIN,
        ["experiment=train_ppo", "experiment.env_id=ants"],
        ["experiment.env_id=ants: must be", "did you mean ant?"],
    ),
    (TRAIN, ["experiment.backend=sprig"], ["experiment.backend=sprig: must be one of positional, spring"]),
    # folders
    (TRAIN, ["results_dir='~nosuch/x'"], ["results_dir='~nosuch/x': no home folder is known for ~nosuch"]),
    (TRAIN, ["-m", "random_seed=1,2", "results_dir='~nosuch/x'"], ["no home folder is known for ~nosuch"]),
    # grammar and flags; the first is a published misprint
    (
        EVALUATE,
        ["-m", "experiment.run_name=''a','b'"],
        ["experiment.run_name=''a','b': Hydra cannot read this", "quotes"],
    ),
    (TRAIN, ["experiment.agent_log_starts=[1,2"], ["experiment.agent_log_starts=[1,2: Hydra cannot read this"]),
    (TRAIN, ["foo"], ["argument=foo: settings are given as key=value"]),
    (TRAIN, ["=3"], ["argument==3: settings are given as key=value"]),
    (TRAIN, ["experiment.seed=1,2"], ["experiment.seed=1,2: several values need --multirun"]),
    (TRAIN, ["experiment.seed=range(3)"], ["experiment.seed=range(3): several values need --multirun"]),
    (TRAIN, ["-m", "experiment.seed=interval(0,1)"], ["experiment.seed=interval(0,1): only single values"]),
    (TRAIN, ["experiment.seed=${random_sed}"], ["experiment.seed=${random_sed}: Interpolation key"]),
    (TRAIN, ["--multirn", "random_seed=1,2"], ["arguments=--multirn random_seed=1,2: "]),
    (TRAIN, ["--cfg", "jobs"], ["arguments=--cfg jobs: "]),
    (TRAIN, ["--run", "--multirun"], ["exclude each other"]),
    (TRAIN, ["--config-dir", "mine"], ["--config-dir=mine: not offered"]),
    (TRAIN, ["--cfg", "job", "experiment.polcy=3"], ["experiment.polcy=3: no such key"]),
    # sweeps: the second member is wrong, and the first one does not start
    (TRAIN, ["-m", "experiment.num_seeds=1,0"], ["experiment.num_seeds=0: must be an integer, at least 1"]),
    (
        TRAIN,
        ["-m", "experiment.algo=sac,td4", "job_config=cc_gpu"],
        ["experiment.algo=td4: no such algorithm", "(member 1 of"],
    ),
    (TRAIN, ["-m", "experiment.polcy=1,2"], ["experiment.polcy=1: no such key"]),
    (TRAIN, ["-m", "experiment.env_name=ant,hoper"], ["=hoper: must be one of", "(member 1 of the sweep)"]),
    (TRAIN, ["-m", "experiment.backend=spring,sprig"], ["=sprig: must be one of", "(member 1 of the sweep)"]),
    # sweeps over nothing, over too much, and over what cannot be enumerated
    (TRAIN, ["-m", "experiment.seed=range(0)"], ["experiment.seed=range(0): lists no value"]),
    (TRAIN, ["-m", "experiment.seed=range(3,1)"], ["experiment.seed=range(3,1): lists no value"]),
    (
        TRAIN,
        ["-m", "experiment.seed=range(0,3,0)"],
        ["experiment.seed=range(0,3,0): the step of a range must not be 0"],
    ),
    (TRAIN, ["-m", "experiment.seed=range(0,1e9)"], ["makes a sweep of more than 100000 members"]),
    (TRAIN, ["-m", "experiment.seed=range(999)", "random_seed=range(999)"], ["random_seed=range(999): makes a sweep"]),
    (TRAIN, ["-m", "save_interval=range(1,inf)"], ["save_interval=range(1,inf): the bounds and the step of a range"]),
    (TRAIN, ["-m", "save_interval=range(1,nan)"], ["save_interval=range(1,nan): the bounds and the step of a range"]),
    (TRAIN, ["-m", "save_interval=range(1,2,1e-300)"], ["makes a sweep of more than 100000 members"]),
    (
        TRAIN,
        ["-m", "experiment.seed=shuffle(1,2)"],
        ["experiment.seed=shuffle(1,2): members are numbered in their order"],
    ),
    (TRAIN, ["-m", "experiment.seed=tag(t,interval(0,1))"], ["experiment.seed=tag(t,interval(0,1)): only single"]),
    (TRAIN, ["-m", "experiment.algo=glob(*)"], ["experiment.algo=glob(*): lists no value"]),
    (TRAIN, ["-m", "experiment=glob(*)"], ["experiment=landscape_slice: belongs to eval_policy"]),
    (TRAIN, ["-m", "experiment=range(2)"], ["experiment=0: no such experiment"]),
    # Hydra's own keys
    (TRAIN, ["-m", "hydra.sweeper.params={random_seed:'1,2'}"], ["hydra.sweeper.params={random_seed:'1,2'}: Key"]),
    (TRAIN, ["-m", "+hydra.sweeper.params={random_seed:'range(0)'}"], ["random_seed=range(0): lists no value"]),
    (TRAIN, ["-m", "+hydra.sweeper.params={random_seed:''a'}"], ["Hydra cannot read this"]),
    (TRAIN, ["-m", "hydra.sweep.dir=a,b"], ["hydra.sweep.dir=a,b: cannot be swept over"]),
    (TRAIN, ["hydra=null"], ["hydra=null: Config group override must be"]),
    (TRAIN, ["-m", "hydra/launcher=null"], ["hydra/launcher=null: Config group override must be"]),
    (TRAIN, ["-m", "hydra.launcher=null"], ["hydra.launcher=null: must stay a group"]),
    (TRAIN, ["-m", "hydra.sweeper=null"], ["hydra.sweeper=null: must stay a group"]),
    (TRAIN, ["-m", "hydra.launcher._target_=a.SlurmLauncher"], ["job_config=local_default: Hydra cannot set up the"]),
    (TRAIN, ["-m", "+hydra.callbacks={a:{_target_:nosuch}}"], ["job_config=local_default: Hydra cannot set up the"]),
    (TRAIN, ["--cfg", "job", "--package", "nosuch"], ["package 'nosuch' not found in config"]),
]


def files_below(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "entry_point, arguments, said", MISTAKES, ids=[" ".join([name, *given])[:100] for name, given, _ in MISTAKES]
)
def test_mistake_is_one_line(
    entry_point: str,
    arguments: list[str],
    said: list[str],
    jobs: list[Job],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run_entry_point(entry_point, arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert len(err) < 500
    for part in said:
        assert part in err
    assert jobs == []
    assert files_below(tmp_path) == [Path("here")]


def test_slurm_preset_without_slurm(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_entry_point(TRAIN, ["job_config=mila_gpu"]) == 2
    assert capsys.readouterr().err.startswith("job_config=mila_gpu: needs SLURM")
    assert files_below(tmp_path) == [Path("here")]


def test_mistake_in_python() -> None:
    with pytest.raises(UserError, match=r"experiment\.num_seeds=0: must be an integer, at least 1"):
        compose_job(TRAIN, ["experiment.num_seeds=0"])
    with pytest.raises(UserError, match="several values need --multirun"):
        compose_job(TRAIN, ["random_seed=1,2"])


PROCESSES = [
    (TRAIN, "main.py", ["experiment.polcy_delay=3"], "experiment.polcy_delay=3: no such key"),
    (TRAIN, "-m", ["experiment=policy_variance"], "experiment=policy_variance: belongs to eval_policy"),
    (
        EVALUATE,
        "main.py",
        ["-m", "experiment.run_name=''a','b'"],
        "experiment.run_name=''a','b': Hydra cannot read this",
    ),
    (EVALUATE, "-m", [], "experiment.run_name=???: needs a value"),
    (
        IMPROVE,
        "main.py",
        ["-m", "experiment.root_policy_conf.run_name=1,2"],
        "experiment.root_policy_conf.run_name=1: ",
    ),
    (IMPROVE, "-m", ["job_config=moon"], "job_config=moon: no such preset"),
]


def start(command: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("entry_point, way, arguments, said", PROCESSES)
def test_mistake_ends_the_process(entry_point: str, way: str, arguments: list[str], said: str, tmp_path: Path) -> None:
    folder, command = (ROOT, ["-m", entry_point]) if way == "-m" else (ROOT / entry_point, ["main.py"])
    before = sorted(path.name for path in folder.iterdir())
    ended = start([*command, *arguments], folder, LANDSCAPES_RESULTS=str(tmp_path / "results"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == before
    assert files_below(tmp_path) == []


def test_full_traceback_on_request(tmp_path: Path) -> None:
    ended = start(["-m", TRAIN, "experiment.polcy=3"], tmp_path, HYDRA_FULL_ERROR="1")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "UserError: experiment.polcy=3" in ended.stderr


def test_help_is_quick_to_come_and_imports_no_jax(tmp_path: Path) -> None:
    script = (
        "import sys; from landscapes.config.launch import run_entry_point; "
        "code = run_entry_point('run_algorithm', ['--help']); "
        "assert not {'jax', 'brax', 'wandb', 'h5py', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    ended = start(["-c", script], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\nExperiments: train, train_bc, train_ppo, train_sac, train_td3\n" in ended.stdout
    assert re.search(r"^  exploration_noise +0\.1 ", ended.stdout, re.MULTILINE)
    assert files_below(tmp_path) == []
