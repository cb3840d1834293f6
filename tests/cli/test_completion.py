"""What Tab completes, asked of the program and of real shells; and that it is true: what is offered is accepted."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from landscapes import storage
from landscapes.cli import completion, keys, stored, table
from landscapes.config.compose import hydra_loader, load, spelling
from landscapes.config.experiments import experiments_of

ROOT = Path(__file__).resolve().parents[2]
CHOOSING = ("experiment", "job_config", "algo")
ENTRY_POINTS = ("run_algorithm", "eval_policy", "improve_ltp")
ZSH = pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh on this machine")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, one of them with checkpoints, a sweep, and things that are neither."""
    folder = tmp_path / "results"
    for name in ("hopper", "hop-2"):
        storage.create_run(folder, name, {"num_seeds": 2}, overwrite=False)
    for seed, step in ((0, 200000), (0, 50000), (1, 9)):
        path = folder / "hopper" / f"seed{seed}" / f"ckpt_{step}.h5"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (folder / "hopper" / "seed0" / "s0_returns_7.h5").touch()
    (folder / "hopper" / "seed5").mkdir()
    (folder / "stray").mkdir()
    sweep = folder / "sweeps" / "run_algorithm-1"
    sweep.mkdir(parents=True)
    (sweep / "sweep.json").write_text("{}")
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(folder))
    return folder


def complete(line: str) -> list[str]:
    """Of `landscapes LINE`, whose last word, perhaps empty, is being typed."""
    return completion.completions(line.split(" "))


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    "line, offered",
    [
        ("tr", "train"),
        ("re", "report"),
        (
            "train experiment=train_",
            "experiment=train_bc experiment=train_ppo experiment=train_sac experiment=train_td3 experiment=train_vpg",
        ),
        ("measure experiment=n", "experiment=neighborhood"),
        ("train algo=p", "algo=ppo"),
        ("train algo=ppo clip_", "clip_eps= clip_vloss= clip_observations= clip_rewards="),
        ("train experiment=train_sac initial", "initial_temperature="),
        ("train experiment=train_ppo al", ""),
        ("train env=hop", "env=hopper"),
        ("train env=swimmer backend=", "backend=generalized"),
        ("train tqdm=", "tqdm=true tqdm=false"),
        ("train job_config=local", "job_config=local_default job_config=local_multiprocessing"),
        ("train wandb.mode=o", "wandb.mode=online wandb.mode=offline"),
        ("train st", "steps="),
        ("train steps=5 st", ""),
        ("train --mu", "--multirun"),
        ("measure run=", "run=hop-2 run=hopper"),
        ("measure checkpoints=", "checkpoints=all checkpoints=last checkpoints=best"),
        (
            "measure experiment=policy_variance r",
            "run= record_trajectories= random_seed= run_host= run_name= results_dir= root=",
        ),
        ("slice root=", "root=hop-2/ root=hopper/"),
        ("slice root=hopper/", "root=hopper/0/ root=hopper/1/"),
        ("slice root=hopper/0/", "root=hopper/0/50000 root=hopper/0/200000"),
        ("slice root=hopper/0/2", "root=hopper/0/200000"),
        ("slice root=hopper/x/", ""),
        ("slice root=hop-2/", ""),
        ("slice directions=", "directions=random directions=update directions=policies"),
        ("improve heuristic=", "heuristic=cvar heuristic=ltp heuristic=none heuristic=null"),
        ("improve root_policy_conf.run_name=hop-", "root_policy_conf.run_name=hop-2"),
        ("improve experiment.root_policy_conf.run_name=hop-", "experiment.root_policy_conf.run_name=hop-2"),
        ("measure results_dir=/nowhere run=", ""),
        ("measure results_dir=~nobody-at-all/x run=", ""),
        ("runs sh", "show"),
        ("runs show hop", "hop-2 hopper"),
        ("runs compare hopper hop", "hop-2"),
        ("runs --results-dir /nowhere show hop", ""),
        ("figures --o", "--only --out"),
        ("figures hopper o", "only= out="),
        ("sweeps r", "run_algorithm-1 resubmit= results_dir="),
        ("doctor m", "measure"),
        ("doctor measure se", "seeds="),
        ("doctor run_algorithm algo=ppo norm", "normalize_observations= normalize_rewards="),
        ("paper c", "claims"),
        ("completion ", "bash zsh"),
        ("nonsense ", ""),
    ],
)
def test_what_is_offered(line: str, offered: str) -> None:
    assert complete(line) == offered.split()


def test_experiments_of_ones_own_are_offered(tmp_path: Path) -> None:
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text("defaults: [train_sac, _self_]\nseed: 3\n")
    (folder / "loop.yaml").write_text("defaults: [loop]\n")
    (folder / "broken.yaml").write_text("[")
    own = f"train --config-dir {tmp_path}"
    assert complete(f"{own} experiment=m") == ["experiment=mine"]
    assert complete(f"{own} experiment=mine initial") == ["initial_temperature="]


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_experiments_are_those_that_are_composed(entry_point: str) -> None:
    with hydra_loader(entry_point) as loader:
        assert keys.experiments(entry_point) == experiments_of(loader, entry_point)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_a_key_is_offered_if_it_is_one(entry_point: str) -> None:
    with hydra_loader(entry_point) as loader:
        for experiment in keys.experiments(entry_point):
            chosen = [f"experiment={experiment}"]
            config = OmegaConf.to_container(load(loader, entry_point, spelling(loader, entry_point, chosen)))
            assert isinstance(config, dict)
            present = storage.flat_settings({str(key): value for key, value in config.items() if key != "hydra"})
            offered = [name for name in keys.names(entry_point, chosen) if name not in CHOOSING]
            meant = {
                name: [
                    text.partition("=")[0]
                    for text in spelling(loader, entry_point, [*chosen, f"{name}=a/0/5"]).overrides
                    if text not in chosen
                ]
                for name in [*offered, "root"]
            }
            assert {name for name, found in meant.items() if set(found) <= set(present)} == set(offered)
            every = {key for key in present if key not in ("experiment.kind", "experiment.algorithm")}
            assert every == {key for name in offered if name != "root" for key in meant[name]}


def test_names_are_those_that_storage_finds(results: Path) -> None:
    assert stored.runs(results) == storage.run_names(results)
    run = storage.open_run(results, "hopper")
    found = [f"hopper/{seed}/{step}" for seed in range(2) for step in run.checkpoint_steps(seed)]
    assert [name for seed in range(2) for name in stored.policies(results, f"hopper/{seed}/")] == found


def test_a_shell_waits_for_neither_jax_nor_hydra(results: Path) -> None:
    program = (
        "import sys; from landscapes.cli.completion import completions\n"
        "print(completions(['measure', 'run=h']), completions(['train', 'algo=ppo', 'env=']))\n"
        "print({'jax', 'hydra', 'omegaconf', 'numpy', 'h5py', 'matplotlib', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "run=hopper" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_another_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert completion.main(["fish"]) == 2
    assert capsys.readouterr().err == "completion=fish: wants the name of a shell, one of bash, zsh\n"


# Real shells


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """With the command as an installation makes it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "landscapes"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}:$PYTHONPATH" exec "{sys.executable}" -m landscapes "$@"\n')
    script.chmod(0o755)
    return folder


def environment(bin_folder: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ ", "HISTFILE": ""}


def in_bash(bin_folder: Path, line: str, breaks: str = " \t\n\"'><=;|&(:") -> list[str]:
    """What bash puts in the place of the word that the line ends in; of a word with `=`, of what is behind it."""
    program = (
        "source <(landscapes completion bash)\ncomplete -p landscapes >/dev/null || exit 3\n"
        'COMP_WORDBREAKS=$2 COMP_LINE=$1 COMP_POINT=${#1}\n_landscapes\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "--norc", "--noprofile", "-ec", program, "bash", f"landscapes {line}", breaks]
    done = subprocess.run(command, env=environment(bin_folder), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


@pytest.mark.usefixtures("results")
def test_bash_is_told(bin_folder: Path) -> None:
    assert in_bash(bin_folder, "re") == ["report"]
    assert set(in_bash(bin_folder, "")) == {command.name for command in table.present()}
    assert in_bash(bin_folder, "slice root=hopper/0/") == ["hopper/0/50000", "hopper/0/200000"]
    assert in_bash(bin_folder, "slice root=hop", breaks=" \t\n") == ["root=hop-2/", "root=hopper/"]
    assert in_bash(bin_folder, "train algo=td3  target_") == ["target_policy_noise=", "target_noise_clip="]
    assert in_bash(bin_folder, "measure run=zzz") == []


@contextmanager
def terminal(command: list[str], variables: dict[str, str]) -> Iterator[int]:
    """A shell at a terminal of ours; the end of it that is typed on and read."""
    end, of_shell = pty.openpty()
    # Not by os.fork, which JAX warns of where it is in the process; setsid makes the terminal the shell's own.
    streams = {"stdin": of_shell, "stdout": of_shell, "stderr": of_shell}
    with subprocess.Popen(["setsid", "--ctty", *command], env=variables, start_new_session=True, **streams) as shell:
        os.close(of_shell)
        try:
            yield end
        finally:
            os.close(end)
            shell.wait(60)


def type_until(end: int, typed: str, expected: str) -> None:
    os.write(end, typed.encode())
    shown, until = "", time.monotonic() + 60
    while expected not in shown:
        assert time.monotonic() < until, f"{expected!r} did not come, but {shown!r}"
        if select.select([end], [], [], 0.2)[0]:
            shown += os.read(end, 4096).decode(errors="replace")


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(["bash", "--norc", "--noprofile", "-i"], id="bash"),
        pytest.param(["zsh", "-f", "-i"], id="zsh", marks=ZSH),
    ],
)
def test_a_shell_completes(shell: list[str], bin_folder: Path) -> None:
    """What Tab makes of a line is run: the command that it names prints what it was told."""
    script = bin_folder / "landscapes"
    script.rename(bin_folder / "real")
    script.write_text(f'#!/bin/sh\n[ "$1" = completion ] && exec {bin_folder}/real "$@"\necho "told <$*>"\n')
    script.chmod(0o755)
    (name,) = {"bash", "zsh"} & set(shell)
    with terminal(shell, environment(bin_folder)) as end:
        setup = "autoload -Uz compinit; compinit -u -D; " if name == "zsh" else ""
        type_until(end, f"{setup}source <(landscapes completion {name}); echo se''t\n", "set\r\n")
        type_until(
            end, "landscapes slice root=hopper/0/2\t num_\t\t\x15landscapes repo\thoppe\t\n", "told <report hopper>"
        )
        type_until(
            end, "landscapes slice root=hoppe\t1\t9 directions=up\t\n", "told <slice root=hopper/1/9 directions=update>"
        )
        os.write(end, b"exit\n")
