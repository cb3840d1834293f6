"""What every command of the README and of `docs/` costs at the sizes that are written: minutes, or the page says so.

Knows the rates of `docs/performance.md` on its slower machine, and settings; runs nothing. Episodes count whole, so
that real ones are cheaper.
"""

import re
from pathlib import Path

import doc_blocks
import pytest
from doc_blocks import PAGES, blocks, name_of

from improve_ltp.walk import num_measurements
from landscapes.config.compose import compose_job, compose_sweep
from landscapes.config.job import Job
from landscapes.config.kinds import Settings
from landscapes.config.schemas import (
    LandscapeSlice,
    Neighborhood,
    Paths,
    PolicyInterpolation,
    PolicyInterpolationSeed,
    PolicyTest,
    PolicyVariance,
    RejectLtp,
    TrainBc,
)
from landscapes.config.training import Training

UPDATES = 250.0
"""Of one seed, a second: TD3, SAC, and cloning, whose updates are less work."""
STEPS = 60_000.0
"""Environment steps of a measurement, a second, on hopper."""
PPO_STEPS = 30_000.0
STORED = 4
"""Checkpoints of each seed of the runs that pages speak of."""

MINUTES = 15.0
SAID = {
    ("README.md", "run_name=hopper"): "in half an hour to an hour",
    ("README.md", "remeasure_incumbent=true"): "in up to twenty minutes",
    ("README.md", "experiment.algo=ddpg"): "days of work for a laptop",
    ("docs/command_line.md", "run_name=first"): "half an hour to an hour on two cores",
    ("docs/command_line.md", "experiment=train_sac"): "more than an hour on two cores",
    ("docs/command_line.md", "--multirun"): "These are cluster-sized",
    ("docs/host_environments.md", "run_name=biped"): "The other takes hours",
    ("docs/host_environments.md", "run_name=breakout"): "Breakout days",
    ("docs/results/published.md", "run_name=paper_published_ppo_hopper"): "takes about an hour on two cores",
    ("docs/cluster.md", "job_config=slurm"): "sweeps on SLURM|login node",
}
"""By page and a word of the command, what the page says of a command that takes longer."""


SEARCHES = ("docs/search.md",)
"""Their members are not known beforehand; the page says how long it takes."""


def seconds(job: Job) -> float:
    """At most, compiling apart."""
    s: Settings = job.settings
    match s:
        case Training() if s.algorithm == "ppo":
            return s.num_seeds * s.steps / PPO_STEPS
        case Training():
            evaluations = s.steps / (s.eval_interval or s.steps / 20) * s.eval_episodes * s.eval_episode_length
            updates = s.steps * s.settings.get("updates_per_step", 1)
            return s.num_seeds * (updates / UPDATES + evaluations / STEPS)
        case TrainBc():
            evaluations = s.max_steps / s.eval_interval * s.eval_episodes * s.eval_episode_length
            return s.num_seeds * (s.max_steps / UPDATES + evaluations / STEPS)
        case PolicyVariance():
            roll_outs = len(s.ckpt_indexes) * len(s.noise_amounts) * s.eval_episodes
            on_policy = 2048 * 16 if s.noise_type == "ppo_optimization" else 0
            return roll_outs * (s.episode_length + on_policy) / STEPS
        case Neighborhood():
            policies = _num(s.seeds, STORED) * _num(s.checkpoints, STORED)
            return policies * len(s.noise_amounts) * s.num_samples * s.episode_length / STEPS
        case PolicyTest():
            policies = _num(s.seeds, STORED) * _num(s.checkpoints, STORED)
            return 2 * policies * s.episodes * (s.episode_length or 1000) / STEPS
        case Paths():
            policies = _num(s.seeds, STORED) * _num(s.checkpoints, STORED)
            returns = (s.num_purd_samples or 0) + 1
            return policies * (policies - 1) / 2 * s.num_points * returns * s.episode_length / STEPS
        case PolicyInterpolationSeed():
            num = len(s.ckpt_indexes) if s.ckpt_indexes else STORED
            pairs = (num * (num - 1) if s.same_seed else num * num) / (1 if s.first_half is None else 2)
            return pairs * s.num_points * ((s.num_purd_samples or 0) + 1) * s.episode_length / STEPS
        case PolicyInterpolation():
            num_returns = (s.num_purd_samples or 0) + 1
            return len(s.run_names1) * s.num_points * num_returns * s.episode_length / STEPS
        case LandscapeSlice():
            return s.num_x * s.num_y * s.num_samples * s.episode_length / STEPS
        case RejectLtp():
            return num_measurements(s) * s.eval_episodes * s.episode_length / STEPS
    raise AssertionError(f"nobody knows what {job.experiment_name} costs")


def _num(chosen: list[int] | str, there: int) -> int:
    """How many are chosen of so many."""
    return len(chosen) if isinstance(chosen, list) else 1 if chosen in ("last", "best") else there


def cost(command: doc_blocks.Command) -> float:
    """Seconds of all members of a command's sweep."""
    assert command.module is not None
    if "--multirun" not in command.settings:
        return seconds(compose_job(command.module, command.settings))
    words, factor = [], 1.0
    for word in command.settings:
        # Composing a thousand members takes long, and all of a range cost the same.
        found = re.search(r"=range\((\d+)\)$", word)
        factor *= int(found[1]) if found else 1
        words.append(word if found is None else word.replace(found[0], "=0"))
    members = compose_sweep(command.module, [word for word in words if word != "--multirun"])
    return factor * sum(map(seconds, members))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "bash", "sh") and name_of(page) not in SEARCHES], ids=name_of
)
def test_a_command_takes_minutes_or_the_page_says_so(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    for command in doc_blocks.page_commands(page):
        if command.module not in doc_blocks.ENTRY_POINTS:
            continue
        minutes = cost(command) / 60
        said = [words for (where, word), words in SAID.items() if where == name_of(page) and word in command.settings]
        if minutes > MINUTES:
            assert said, f"{minutes:.0f} minutes: {command}"
            assert re.search(said[0], text), f"{minutes:.0f} minutes, and the page no longer says so: {command}"
