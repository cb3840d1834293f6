"""When training stores, what it keeps of a small replay log, what it plans, and how it stops."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from landscapes import console, storage, training
from landscapes.config.compose import compose_job
from landscapes.config.launch import run_entry_point
from landscapes.config.training import Training
from landscapes.errors import UserError
from run_algorithm.schedule import Schedule, make_schedule

TINY = [
    "experiment.env_name=tests.support.probes.line",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.eval_episodes=2",
    "experiment.eval_episode_length=5",
    "experiment.reset_interval=5",
    "experiment.log_interval=30",
    "use_wandb=false",
]


def schedule_of(arguments: str, env_steps: int = 1) -> Schedule:
    """Of the training that those arguments ask for."""
    settings = compose_job("run_algorithm", arguments.split()).settings
    assert isinstance(settings, Training)
    return make_schedule(env_steps, settings)


def test_checkpoints_lie_at_the_published_steps() -> None:
    published = [50_000 + 100_000 * i for i in range(10)]
    schedule = schedule_of("experiment.eval_interval=10000 experiment.agent_num_logs=1")
    assert sorted(schedule.checkpoints) == published
    assert schedule.total == 1_000_000
    again = schedule_of("steps=60 learning_starts=10 eval_interval=20 checkpoints=[10,50] checkpoint_burst=8")
    assert sorted(again.checkpoints) == [10, 12, 14, 16, 18, 20, 22, 24, 50, 52, 54, 56, 58, 60]
    assert schedule_of("checkpoint=false").checkpoints == set()


def test_checkpoints_given_as_a_number_lie_evenly() -> None:
    evenly = schedule_of("steps=1e5 checkpoints=4")
    assert sorted(evenly.checkpoints) == [25_000, 50_000, 75_000, 100_000]
    for none in ("checkpoints=0", "checkpoints=[]", "checkpoints=4 checkpoint=false"):
        assert schedule_of(f"steps=1e5 {none}").checkpoints == set()


def test_lists_of_checkpoints_are_for_every_algorithm() -> None:
    schedule = schedule_of("experiment=train_ppo steps=1e6 checkpoints=[40000,500000] log_interval=70000", 2048 * 16)
    assert (schedule.total, schedule.log_interval) == (30, 2)
    assert schedule.checkpoints == {40_000 // 32_768, 500_000 // 32_768}


def test_a_training_takes_one_iteration_at_least_and_fewer_than_2_to_the_32() -> None:
    own = "algorithm=my.own.make checkpoint=false steps"
    with pytest.raises(
        UserError, match=r"^experiment.steps=9: must be at least one iteration of the algorithm, .* 10$"
    ):
        schedule_of(f"{own}=9", 10)
    assert schedule_of(f"{own}=10", 10).total == 1
    with pytest.raises(UserError, match=r"^experiment.steps=4294967296: must be less than 2\^32 iterations"):
        schedule_of(f"{own}={2**32}")
    assert schedule_of(f"{own}={2**32}", 2).total == 2**31


def test_checkpoints_of_ppo_have_the_published_names() -> None:
    schedule = schedule_of("experiment=train_ppo experiment.agent_num_logs=10", 2048 * 16)
    assert len(schedule.evaluations) == 21 and schedule.log_interval == 1
    assert schedule.total == 1831
    names = [5963776, 11960320, 17956864, 23953408, 29949952, 35946496, 41943040, 47939584, 53936128, 59932672]
    assert sorted(i * schedule.env_steps for i in schedule.checkpoints) == names


def test_fewer_updates_than_checkpoints_store_before_each() -> None:
    small = "experiment=train_ppo total_timesteps=96 num_envs=4 num_steps=8"
    assert schedule_of(f"{small} agent_num_logs=10", 32).checkpoints == {0, 1, 2}
    assert schedule_of(f"{small} checkpoint=false", 32).checkpoints == set()


def test_the_host_stops_where_something_is_due_and_nowhere_else() -> None:
    schedule = schedule_of("steps=100 learning_starts=10 eval_interval=40 log_interval=30 checkpoints=[50]")
    stops, done = [], 0
    while done < schedule.total:
        done = schedule.next_stop(done)
        stops.append(done)
    assert stops == [30, 40, 50, 60, 80, 90, 100]


def test_an_iteration_of_several_steps_is_stored_where_a_moment_falls_in_it() -> None:
    own = "algorithm=my.own.make steps=105 eval_interval=40 log_interval=1 checkpoints=[50,55,200]"
    schedule = schedule_of(own, 10)
    assert (schedule.total, schedule.checkpoints, schedule.log_interval) == (10, {5}, 1)
    assert schedule.evaluations == {0, 4, 8, 10}


def test_a_schedule_takes_no_room_however_long_the_run() -> None:
    often = "eval_interval=2 log_interval=1e9 checkpoints=[10,2147483648]"
    schedule = schedule_of(f"steps=4e9 {often} checkpoint_spacing=5 checkpoint_burst=2")
    assert len(schedule.evaluations) == 2 * 10**9 + 1
    assert [*schedule.checkpoints] == [10, 15, 2**31, 2**31 + 5]
    assert 3 * 10**9 in schedule.evaluations and 3 * 10**9 + 1 not in schedule.evaluations
    assert [schedule.next_stop(done) for done in (0, 14, 2**31 + 3, 4 * 10**9 - 1)] == [
        2,
        15,
        2**31 + 4,
        4 * 10**9,
    ]


def test_a_small_replay_log_is_stored_whole_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that the ring overwrites are stored before; the checkpoint sees what the ring held."""
    reported, advance_to = [], console.Progress.advance_to

    def report(progress: console.Progress, done: int, latest: str | None = None) -> None:
        reported.append(done)
        advance_to(progress, done, latest)

    monkeypatch.setattr(console.Progress, "advance_to", report)
    arguments = ["experiment.max_steps=90", "experiment.start_training=10", "experiment.agent_log_starts=[80]"]
    arguments += ["experiment.replay_buffer_size=25", "run_name=small", f"results_dir={tmp_path}"]
    assert run_entry_point("run_algorithm", [*TINY, *arguments]) == 0
    # The rate is that of iterations with updates: random actions are many times as fast.
    assert reported[-1] == 90 and min(reported) > 10
    run = storage.open_run(tmp_path, "small")
    assert storage.log_end(run, 0) == 80
    segments = sorted((tmp_path / "small" / "seed0").glob("replay_*.h5"), key=lambda p: int(p.stem.split("_")[1]))
    rows = np.concatenate([h5py.File(p)["obs"][:] for p in segments])
    follows = np.concatenate([h5py.File(p)["next_obs"][:] for p in segments])
    ends = np.concatenate([h5py.File(p)["truncated"][:] | h5py.File(p)["terminated"][:] for p in segments])
    assert len(rows) == 80
    np.testing.assert_array_equal(rows[1:][~ends[:-1]], follows[:-1][~ends[:-1]])  # no row lost, none out of order
    assert storage.load_log(run, 0, 80, 25).data.reward.shape == (25,)


def test_many_seeds_of_a_long_run_are_told_their_memory_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 seeds of ant for 1 000 000 steps: 254 bytes a transition in all, before anything is allocated."""

    class ReachedError(Exception):
        pass

    def allocate(*_: object) -> None:
        raise ReachedError

    monkeypatch.setattr(training, "make_trainer", allocate)
    arguments = ["experiment.env_name=ant", "experiment.num_seeds=20", "use_wandb=false", f"results_dir={tmp_path}"]
    assert run_entry_point("run_algorithm", arguments) == 1
    out = capsys.readouterr().out
    assert "replay logs 5.1 GB" in out
    assert "20,000,000" in out


def test_an_interrupt_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = training.make_trainer

    def interrupted(algorithm: object) -> training.Trainer:
        trainer = make(algorithm)  # type: ignore[arg-type]

        def advance(keys: object, states: object, tallies: object, start: int, stop: int) -> object:
            if start >= 60:
                raise KeyboardInterrupt
            return trainer.advance(keys, states, tallies, start, stop)  # type: ignore[arg-type]

        return trainer._replace(advance=advance)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "make_trainer", interrupted)
    arguments = ["experiment.max_steps=90", "experiment.start_training=10", "experiment.agent_log_starts=[50]"]
    arguments += ["experiment.eval_interval=30", "run_name=cut", f"results_dir={tmp_path}"]
    assert run_entry_point("run_algorithm", [*TINY, *arguments]) == 130
    assert capsys.readouterr().err == "stopped\n"
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["status"] == "stopped"
    assert (tmp_path / "cut" / "seed0" / "ckpt_50.h5").is_file()
    with h5py.File(tmp_path / "cut" / "curves.h5") as file:
        assert file["steps"][:].tolist() == [0, 30, 60]
