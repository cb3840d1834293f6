"""The benchmarks' own arithmetic, their harness with workers that only pretend, and one small benchmark for real.

Knows what the numbers must come to by hand; measures nothing that anybody should believe.
"""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import flops, harness, report, store, suites, worker
from benchmarks.harness import Job, WorkerError
from benchmarks.plan import compiler_flags, flags_for_others, with_best_peer, with_devices, without_devices
from benchmarks.suites import jobs, learning
from benchmarks.timing import Comparison, Measurement, Record, Spread, compare_rates, from_json, ratio, to_json
from benchmarks.workload import Case

ROOT = Path(__file__).resolve().parents[1]


# Products


def test_products_of_one_row_by_hand() -> None:
    # 3 -> 5 -> 2: 15 + 10 multiplications and as many additions
    assert flops.forward([3, 5, 2]) == 2 * (15 + 10)
    # back to the hidden layer 2 x 5, to the weights 15 + 10; to two of the inputs 2 x 5 more
    assert flops.backward([3, 5, 2], weights=True) == 2 * (10 + 25)
    assert flops.backward([3, 5, 2], weights=False, inputs=2) == 2 * (10 + 10)


def test_products_of_a_td3_step_by_hand() -> None:
    # Observation 2, action 1, one hidden layer of 3, batches of 4, the policy every second time.
    actor, critic = 2 * (2 * 3 + 3 * 1), 2 * (3 * 3 + 3 * 1)
    assert (actor, critic) == (18, 24)
    critics = 4 * (actor + 2 * critic + 2 * (critic + (2 * 3 + critic)))
    policy = 4 * (actor + (2 * 3 + actor) + 2 * (critic + (2 * 3 + 2 * 3)))
    assert flops.td3_step(2, 1, [3], 4, 2) == actor + critics + policy / 2 == 18 + 696 + 456 / 2


def test_products_of_a_sac_step_by_hand() -> None:
    # As above, but the actor puts out two numbers for the action, and every update is one of the policy.
    actor, critic = 2 * (2 * 3 + 3 * 2), 24
    critics = 4 * (actor + 2 * critic + 2 * (critic + (6 + critic)))
    policy = 4 * (actor + (2 * 3 * 2 + actor) + 2 * (critic + (6 + 6)))
    assert flops.sac_step(2, 1, [3], 4) == actor + critics + policy


# Statistics


def measurement(name: str, work: list[float], seconds: list[float], **more: object) -> Measurement:
    return Measurement(name, "step", tuple(work), tuple(seconds), 1.5, **more)  # type: ignore[arg-type]


def test_ratios_are_taken_pair_by_pair() -> None:
    # The machine is ten times slower in the third round: the ratio does not notice.
    ours = measurement("ours", [10, 10, 10], [1, 2, 10])
    beside = measurement("beside", [5, 5, 5], [1, 2, 10])
    assert ours.rate == Spread(5.0, 1.0, 10.0)
    assert ratio(ours.rates, beside.rates) == Spread(2.0, 2.0, 2.0)
    assert compare_rates("x", ours, beside, "beside", 1.25).reached is True


@pytest.mark.parametrize(
    "median, at_most, reached, margin", [(1.2, False, False, 0.6), (2.0, False, True, 1.0), (4.0, True, False, 0.5)]
)
def test_targets(median: float, at_most: bool, reached: bool, margin: float) -> None:
    line = Comparison("x", 1.0, "s", "y", 1.0, Spread(median, median, median), 2.0, at_most)
    assert (line.reached, line.margin) == (reached, pytest.approx(margin))
    assert Comparison("x", 1.0, "s", "y", 1.0, Spread(1.0, 1.0, 1.0)).reached is None


def test_the_peer_is_its_fastest_self() -> None:
    slow, fast = measurement("rejax x, one", [1.0], [1.0]), measurement("rejax x, other", [2.0], [1.0])
    ours = measurement("ours x", [9.0], [1.0])
    found = with_best_peer({m.name: m for m in (ours, slow, fast)}, "rejax x")
    assert list(found) == ["ours x", "rejax x, one", "rejax x"]
    assert found["rejax x"].rates == (2.0,) and found["rejax x"].details["flags"] == "other"


def test_devices_made_of_a_processor() -> None:
    assert with_devices("--a=b --xla_force_host_platform_device_count=7", 2) == (
        "--a=b --xla_force_host_platform_device_count=2"
    )
    assert without_devices("--xla_force_host_platform_device_count=7 --a=b") == "--a=b"


def test_what_is_not_the_suites_has_its_loops_unrolled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS")
    slower = ",xla_cpu_disable_loop_unrolling=true"
    assert slower in compiler_flags() and flags_for_others() == compiler_flags().replace(slower, "")


# The harness

FAKE = """
import json, sys
print(json.dumps({"unit": "step", "details": {"name": sys.argv[1]}, "setup_seconds": 0.5}), flush=True)
print(json.dumps({"cases": {"only": 2.0} if sys.argv[3] == "1" else {"a": 1.0, "b": 2.0}}), flush=True)
for line in sys.stdin:
    with open(sys.argv[2], "a") as log:
        log.write(sys.argv[1] + line.strip() + " ")
    print(json.dumps({"work": 6.0, "seconds": 3.0}), flush=True)
print(json.dumps({"peak_bytes": 7, "setup_peak_bytes": 9, "findings": {"found": 1}}), flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str, int], Job]:
    return lambda name, cases: Job(name, [sys.executable, "-c", FAKE, name, str(tmp_path / "log"), str(cases)])


def test_workers_take_turns(fake: Callable[[str, int], Job], tmp_path: Path) -> None:
    said: list[str] = []
    found = harness.take_turns([fake("A", 1), fake("B", 2)], 2, said.append)
    assert (tmp_path / "log").read_text().split() == ["Aonly", "Ba", "Bb", "Aonly", "Ba", "Bb"]
    assert list(found) == ["A", "B, a", "B, b"]
    assert found["A"].rates == (2.0, 2.0) and found["B, b"].compile_seconds == 2.0
    assert (found["A"].peak_bytes, found["A"].setup_peak_bytes, found["A"].setup_seconds) == (7, 9, 0.5)
    assert found["A"].details == {"name": "A", "found": 1}
    assert any("A: 2/2: 2 step/s" in line for line in said)


def test_a_worker_that_fails_is_one_line(tmp_path: Path) -> None:
    job = Job("broken", [sys.executable, "-c", "raise SystemExit('no memory left')"])
    with pytest.raises(WorkerError, match="broken: ended with code 1: no memory left"):
        harness.take_turns([job], 1, lambda _: None)
    with pytest.raises(WorkerError, match="gone"):
        harness.take_turns([Job("gone", [str(tmp_path / "python")])], 1, lambda _: None)


def test_compile_time_counts_nested_intervals_once() -> None:
    now = [0.0]
    clock = worker.CompileClock(lambda: now[0])
    for end, seconds in ((2.0, 1.0), (5.0, 4.0), (9.0, 2.0)):  # 1..2 lies within 1..5; 7..9 is apart
        now[0] = end
        clock.hear("/jax/core/compile/backend_compile_duration", seconds)
    clock.hear("/jax/other", 100.0)
    assert clock.seconds() == pytest.approx(6.0)


def test_repetitions_are_made_long_enough() -> None:
    now = [0.0]

    def run(amount: int) -> float:
        now[0] += 0.01 * amount
        return amount

    assert worker.calibrated(Case(run), 2.0, lambda: now[0]) == 200
    assert worker.calibrated(Case(run, amount=1), 2.0) == 1


def test_what_a_peers_environment_imports_is_not_the_suite() -> None:
    for name in ("worker", "workload", "workloads/__init__", "workloads/peer", "workloads/host_peers", "__init__"):
        for node in ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                origin = getattr(node, "module", None) or names[0]
                assert origin in {"benchmarks.workload"} or not origin.startswith(("landscapes", "benchmarks"))


def test_the_peers_pins_agree_with_the_suites() -> None:
    def pins(path: str) -> dict[str, str]:
        lines = (ROOT / path).read_text().splitlines()
        return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))

    peer, suite = pins("benchmarks/peer_requirements.txt"), pins("constraints.txt")
    assert {"jax", "jaxlib", "brax", "mujoco"} <= peer.keys() & suite.keys()
    both = peer.keys() & suite.keys() - {"gymnax"}
    assert {name: peer[name] for name in both} == {name: suite[name] for name in both}


def test_compilations_are_counted_by_program() -> None:
    log = "\n".join(
        [
            "Finished XLA compilation of jit(draw) in 1.250 sec",
            "WARNING: Finished XLA compilation of jit(advance) in 3.5 sec",
            "Finished XLA compilation of jit(advance) in 3.25 sec",
            "Finished XLA compilation of jit(add) in 0.01 sec",
        ]
    )
    assert jobs.compilations(log) == {"draw": 1, "advance": 2}


# Records and the page


def a_record(quick: bool = False) -> Record:
    measurements = [
        measurement(f"{who} TD3 hopper, {seeds} {'seed' if seeds == 1 else 'seeds'}", [100.0 * seeds] * 2, seconds)
        for seeds in (1, 4)
        for who, seconds in (("ours", [1.0, 1.0]), ("rejax", [2.0, 4.0]))
    ]
    comparisons = [
        compare_rates("TD3 hopper, 1 seed", measurements[0], measurements[1], "rejax", 1.25),
        Comparison("a proposal", 1.2, "s", "its parts", 1.0, Spread(1.2, 1.2, 1.2), 1.1, at_most=True),
    ]
    machine = {"processor": "a processor", "cores": 2, "memory_bytes": 8e9}
    where = {"machine": machine, "date": "2026-01-02", "versions": {"jax": "1.2"}, "xla_flags": "--flag"}
    return Record("training", comparisons, measurements, ["A note."], quick, where, {"seeds": "4", "tasks": "hopper"})


def test_records_survive_json() -> None:
    assert from_json(json.loads(json.dumps(to_json(a_record())))) == a_record()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "docs" / "performance.md"
    (path.parent / "internals").mkdir(parents=True)
    marked = [f"<!-- generated: {name} -->\nold {name}\n<!-- end -->\n" for name in ("summary", "training", "purd")]
    path.write_text(f"Before.\n{marked[0]}Between.\n{marked[1]}{marked[2]}After.\n")
    (path.parent / "internals" / "performance.md").write_text(f"Notes.\n{marked[1]}{marked[2]}")
    return path


def test_the_report_is_made_from_stored_records(tmp_path: Path, page: Path) -> None:
    store.write(a_record(), tmp_path)
    assert command.main(["report", "--into", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    assert "| TD3 hopper, 1 seed | 100 step/s | 37.5 step/s (rejax) | 3.00 (2.00 .. 4.00) | ≥ 1.25 | yes |" in text
    assert "| a proposal | 1.2 s | 1 s (its parts) | 1.20 | ≤ 1.1 | no |" in text
    assert "1 of 2 targets are reached. Not reached: a proposal (its parts: 1.20)." in text
    assert "Measured on 2026-01-02, a processor, 2 cores, 8 GB." in text and "A note." in text
    assert 'Again: `make bench ARGS="training --sizes seeds=4 tasks=hopper"`.' in text
    assert text.startswith("Before.\n") and "Between.\n" in text and text.endswith("old purd\n<!-- end -->\nAfter.\n")
    assert "old training" not in text
    notes = (page.parent / "internals" / page.name).read_text()
    assert "| ours TD3 hopper, 1 seed | 100 step/s |" in notes and "Everything" not in text
    assert notes.startswith("Notes.\n") and notes.endswith("old purd\n<!-- end -->\n") and "old training" not in notes
    for name in ("targets.png", "seeds.png"):
        assert (page.parent / "performance" / name).stat().st_size > 5000
    assert command.main(["report", "--into", str(tmp_path), "--page", str(page)]) == 0
    assert page.read_text() == text


def test_quick_records_are_never_shown(tmp_path: Path, page: Path) -> None:
    before = page.read_text()
    store.write(a_record(quick=True), tmp_path)
    assert command.main(["report", "--into", str(tmp_path), "--page", str(page)]) == 0
    assert page.read_text() == before


def test_the_real_pages_have_a_place_for_every_benchmark() -> None:
    compares = [name for name in suites.NAMES if name != "limits"]
    for page, names in (
        (report.PAGE, [*compares, "summary"]),
        (report.PAGE.parent / report.NOTES / report.PAGE.name, [*suites.NAMES, "environment"]),
    ):
        text = page.read_text(encoding="utf-8")
        assert [text.count(f"<!-- generated: {name} -->") for name in names] == [1] * len(names)
        assert text.count("<!-- generated: ") == text.count("<!-- end -->") == len(names)


# The command


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["speed"], "benchmark=speed: must be one of limits, training"),
        (["report", "limits"], "benchmark=report: stands alone"),
        (["limits", "--repeats", "0"], "--repeats=0: must be at least 1"),
        (["limits", "--sizes", "seeds=3"], "--sizes=seeds=3: go with learning alone"),
        (["learning", "--sizes", "seed=3"], "--sizes=seed=3: must be KEY=VALUE, KEY one of tasks"),
        (["learning", "--sizes", "seeds=0"], "--sizes seeds=0: must be an integer, at least 1"),
        (["learning", "--sizes", "algorithms=td3,dqn"], "--sizes algorithms=td3,dqn: must be some of"),
    ],
)
def test_mistakes_are_one_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) != 0
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1


def test_what_takes_hours_runs_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(suites, "suite", lambda name: lambda plan: begun.append(name) or a_record())
    assert command.main(["--quick", "--into", str(tmp_path)]) == 0
    assert begun == [name for name in suites.NAMES if name not in suites.ONLY_WHEN_ASKED]


def test_both_learn_at_equal_sizes() -> None:
    """What is told to rejax beside what is told to us; evaluations of PPO fall on whole updates."""
    told = {**learning.KEYS, "steps": "1000", "ppo_steps": "400000", "evaluations": "3"}
    for algorithm, steps, between in (("td3", 996, 332), ("sac", 996, 332), ("ppo", 393_216, 131_072)):
        ours = dict(word.split("=", 1) for word in learning.our_command(algorithm, "hopper", told)[1:])
        theirs = learning.peer_settings(algorithm, "hopper", told)
        length = ours.get("experiment.max_steps") or ours["experiment.total_timesteps"]
        assert int(length) == theirs["peer"]["config"]["total_timesteps"] == steps
        assert int(ours["experiment.eval_interval"]) == theirs["peer"]["config"]["eval_freq"] == between
        assert int(ours["experiment.num_seeds"]) == theirs["seeds"] == 5
        assert int(ours["experiment.eval_episodes"]) == theirs["episodes"] == 10
        assert ours["experiment.backend"] == theirs["peer"]["backend"] == "spring"
        if algorithm == "ppo":
            assert_equal_updates(ours, theirs["peer"]["config"], 2048)
        else:
            assert int(ours["experiment.start_training"]) == theirs["peer"]["config"]["fill_buffer"] == 498
            assert int(ours["experiment.replay_buffer_size"]) == theirs["peer"]["config"]["buffer_size"] == 996


def assert_equal_updates(ours: dict[str, str], theirs: dict[str, float], num_envs: int) -> None:
    names = ("num_envs", "num_steps", "num_minibatches", "learning_rate", "ent_coef", "vf_coef", "max_grad_norm")
    assert {name: float(ours[f"experiment.{name}"]) for name in names} == {name: theirs[name] for name in names}
    assert int(ours["experiment.update_epochs"]) == theirs["num_epochs"]
    # What rejax always does.
    always = {"clip_vloss": "true", "bootstrap_truncated": "false", "separate_optimizers": "true"}
    assert {name: ours[f"experiment.{name}"] for name in always} == always
    assert theirs["num_envs"] == num_envs


def test_cartpole_is_learned_by_ppo_at_equal_sizes() -> None:
    told = {**learning.KEYS, "classic_steps": "100000", "evaluations": "4"}
    ours = dict(word.split("=", 1) for word in learning.our_command("ppo", "CartPole-v1", told)[1:])
    theirs = learning.peer_settings("ppo", "CartPole-v1", told)
    # Four evaluations, each after so many whole updates of 2048 steps as 25 000 steps hold.
    assert int(ours["experiment.total_timesteps"]) == theirs["peer"]["config"]["total_timesteps"] == 4 * 12 * 2048
    assert int(ours["experiment.eval_interval"]) == theirs["peer"]["config"]["eval_freq"] == 12 * 2048
    assert ours["experiment.backend"] == theirs["peer"]["backend"] == "gymnax"
    assert_equal_updates(ours, theirs["peer"]["config"], 64)


def test_a_pendulum_is_learned_by_td3_at_equal_sizes() -> None:
    told = {**learning.KEYS, "steps": "15000"}
    ours = dict(word.split("=", 1) for word in learning.our_command("td3", "Pendulum-v1", told)[1:])
    peer = learning.peer_settings("td3", "Pendulum-v1", told)["peer"]
    assert int(ours["experiment.max_steps"]) == peer["config"]["total_timesteps"] == 15000
    for whose in ("actor", "critic"):
        assert float(ours[f"experiment.ddpg_config.{whose}_lr"]) == peer["config"]["learning_rate"] == 1e-3
        assert int(ours[f"experiment.{whose}_batch_size"]) == peer["config"]["batch_size"] == 128
    assert ours["experiment.ddpg_config.hidden_dims"] == "[64,64]" and peer["hidden"] == [64, 64]


def test_curves_come_to_finals_areas_and_ratios() -> None:
    """Two seeds by hand: the last three of five evaluations, and trapezoids over unequal steps."""
    steps = np.array([0, 10, 20, 30, 50])
    curve = learning.Curve(steps, np.array([[0.0, 4.0], [10.0, 4.0], [20.0, 4.0], [30.0, 4.0], [40.0, 4.0]]))
    assert curve.final() == [30.0, 4.0]
    assert curve.area() == [(50 + 150 + 250 + 700) / 50, 4.0]
    mine = learning.Curve(steps, np.tile([90.0, 110.0], (5, 1)))
    theirs = learning.Curve(steps, np.tile([45.0, 55.0], (5, 1)))
    final, area = learning.compared("TD3 hopper", {"ours": mine, "rejax": theirs})
    assert (final.ours, final.beside_value, final.ratio.median) == (100.0, 50.0, 2.0)
    # Welch: the difference is 50, its error sqrt(100 + 25), at 1 degree of freedom; a share of 50.
    assert final.ratio.high - 2.0 == pytest.approx(12.706 * 125**0.5 / 50, rel=1e-3)
    assert area.what == "TD3 hopper, area under the curve"
    assert final.reached is None, "what is learned is told, not aimed at"


def test_every_name_has_a_benchmark() -> None:
    for name in suites.NAMES:
        assert callable(suites.suite(name))


def test_a_failing_benchmark_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def suite(name: str) -> Callable[[object], Record]:
        def run(plan: object) -> Record:
            if name == "limits":
                raise WorkerError("limits: no memory left")
            if name == "accelerator":
                raise harness.Skipped("there is no accelerator here")
            return a_record()

        return run

    monkeypatch.setattr(suites, "suite", suite)
    assert command.main(["limits", "accelerator", "training", "--quick", "--into", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "limits: no memory left" in captured.err
    assert "accelerator: left out, there is no accelerator here" in captured.out
    assert [path.name for path in tmp_path.glob("*.json")] == ["training.json"]


def test_a_quick_run_of_a_small_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["limits", "--quick", "--into", str(tmp_path)]) == 0, capsys.readouterr().err
    record = store.read_all(tmp_path)["limits"]
    assert record.quick and record.environment["versions"]["jax"]
    products, _, simulator = record.measurements
    assert products.unit == "GFLOP" and min(products.rates) > 0.01
    assert simulator.unit == "step" and min(simulator.rates) > 1 and simulator.compile_seconds > 0.1
    assert simulator.peak_bytes > 1e8
    assert str(tmp_path / "limits.json") in capsys.readouterr().out
