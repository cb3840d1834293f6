"""Marked slow, for what its simulator takes to compile: a task of MuJoCo Playground through the studies and into the
report's viewer, as its user would. Its steps and what is seen of them are held by tests/envs/."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_runs import launch

from landscapes.report.__main__ import main as report
from studies import path_and_slice
from tests.jobs.test_guests import LAST, PPO, SAMPLES

pytestmark = pytest.mark.slow


def test_it_is_trained_measured_and_shown(tmp_path: Path) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=pole", *PPO, "experiment.env_id=CartpoleBalance") == 0
    asked = ["experiment.run_name=pole", *SAMPLES]
    noise = ["experiment.noise_type=ppo_optimization", "experiment.noise_amounts=[0]"]
    assert launch("eval_policy", tmp_path, *asked, *noise, "experiment.record_trajectories=1") == 0
    with h5py.File(tmp_path / "pole" / "seed0" / f"trajectories_{LAST}.h5") as file:
        scene = json.loads(file["scene"][()])
        median = file["ppo_optimization/0/4/median0"]
        assert scene["links"] == ["cart", "pole_1"] and scene["follow"] is None
        assert median["positions"].shape == (12, 2, 3)
        assert np.ptp(median["positions"][:, 0, 0]) > 0.0  # the cart moves
    assert report(["pole", "--out", str(tmp_path / "r.html"), "--results-dir", str(tmp_path)]) == 0
    assert "pole_1" in (tmp_path / "r.html").read_text()


def test_it_goes_through_the_other_studies(tmp_path: Path) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=pole", *PPO, "experiment.env_id=CartpoleBalance") == 0
    short = ["experiment.episode_length=12", "experiment.noise_amount=0.01"]
    of = ["experiment.run_name=pole", "experiment.seed=0"]
    root = ["experiment.root_policy_conf.run_name=pole", *SAMPLES, "experiment.max_steps=2"]
    for entry_point, arguments in [
        *path_and_slice(of, LAST, short, slice_samples=2),
        ("improve_ltp", ["experiment=reject_ltp", *root]),
    ]:
        assert launch(entry_point, tmp_path, *arguments) == 0, arguments
