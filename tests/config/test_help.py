"""What `--help` shows: every key with its value, its meaning and its range, and nothing else."""

import dataclasses
import re

import pytest

from landscapes.config import help as shown_help
from landscapes.config.compose import CONF, compose_job, hydra_loader
from landscapes.config.experiments import experiments_of
from landscapes.config.job import Job, SharedSettings, WandbSettings
from landscapes.config.kinds import KINDS
from landscapes.config.launch import run_entry_point
from landscapes.config.training import COMMON, own_keys
from landscapes.settings.algorithms import ALGORITHMS
from landscapes.settings.fields import documented

EXPERIMENTS = [
    (entry_point, experiment)
    for entry_point in KINDS
    for experiment in sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
    if experiment.split("_")[0]
    in {"run_algorithm": ("train",), "improve_ltp": ("reject", "td3")}.get(entry_point, ("policy", "landscape"))
]


def keys_of(schema: type) -> list[str]:
    """By dotted names, those of groups in their place."""
    found = []
    for each in dataclasses.fields(schema):
        group = each.type if isinstance(each.type, type) and dataclasses.is_dataclass(each.type) else None
        found += [f"{each.name}.{inner}" for inner in keys_of(group)] if group else [each.name]
    return found


def keys_shown(text: str) -> list[str]:
    return re.findall(r"^  ([\w.]+)  ", text, re.MULTILINE)


@pytest.mark.parametrize("entry_point, experiment", EXPERIMENTS)
@pytest.mark.parametrize("columns", ["60", "200"])
def test_help_shows_every_key(
    entry_point: str,
    experiment: str,
    columns: str,
    jobs: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run_entry_point(entry_point, [f"experiment={experiment}", "--help"]) == 0
    out = capsys.readouterr().out
    if experiment.startswith("train") and experiment != "train_bc":
        algorithm = experiment.removeprefix("train_")
        own = [*COMMON, *(each.name for each in own_keys(algorithm))] if algorithm in ALGORITHMS else [*COMMON]
    else:
        own = keys_of(KINDS[entry_point][experiment.removesuffix("_mujoco")])
    assert keys_shown(out) == [*own, *keys_of(SharedSettings)]
    assert jobs == []
    widest = max(map(len, out.splitlines()))
    assert widest <= 60 or columns == "200"
    with hydra_loader(entry_point) as loader:
        assert f"Experiments: {', '.join(experiments_of(loader, entry_point))}" in " ".join(out.split())


def test_every_key_has_a_meaning() -> None:
    for schema in [*(kind for kinds in KINDS.values() for kind in kinds.values()), SharedSettings, WandbSettings]:
        for each in documented(schema):
            group = each.allowed.startswith("a group")
            assert each.comment or group, f"{schema.__name__}.{each.name}: say in a comment beside it what it is"


def test_help_shows_values_as_they_are_set(jobs: list[Job], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_entry_point("run_algorithm", ["--help", "algo=sac", "max_steps=2e5", "tau=0.1", "run_name=mine"]) == 0
    out = capsys.readouterr().out
    for key, value in {"algorithm": "sac", "steps": "200000", "tau": "0.1", "run_name": "mine"}.items():
        assert re.search(rf"^  {key} +{re.escape(value)} ", out, re.MULTILINE), key
    assert "\nexperiment=train_sac\n" in out
    assert re.search(r"^  checkpoints +\[50000,\.\.\.,950000\] ", out, re.MULTILINE)
    assert run_entry_point("eval_policy", ["--help"]) == 0
    assert re.search(r"^  run_name +required ", capsys.readouterr().out, re.MULTILINE)


def test_help_is_of_the_keys_that_a_job_takes(jobs: list[Job]) -> None:
    for algorithm in ALGORITHMS:
        settings = compose_job("run_algorithm", [f"algorithm={algorithm}"]).resolved["experiment"]
        rows = shown_help.experiment_rows("run_algorithm", {"kind": "train", **settings})
        assert [row.key for row in rows] == list(settings)


def test_the_shell_completes_keys_and_experiments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed, found in {"experiment=train_t": "experiment=train_td3", "experiment.tau": "experiment.tau="}.items():
        monkeypatch.setenv("COMP_LINE", f"python main.py {typed}")
        assert run_entry_point("run_algorithm", ["-sc", "query=bash"]) == 0
        assert found in capsys.readouterr().out.split()
