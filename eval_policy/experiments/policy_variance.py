"""`experiment=policy_variance`: the distribution of returns in the neighbourhood of stored policies.

Knows the job's settings, run folders and the PURD measurement; knows no algorithm and no maths. What has been measured
is on disk at once, and is not measured again.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from eval_policy.measured import measured_before
from eval_policy.stored import measured_run
from eval_policy.trajectories import Recorder
from landscapes import console, loading, statistics, storage
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyVariance
from landscapes.figures import purd_histograms
from landscapes.jobs.blocks import measure_by_blocks, unfinished_purd
from landscapes.jobs.closing import print_end
from landscapes.jobs.find_run import find_run
from landscapes.jobs.tracker import job_tracker
from landscapes.machine import stopping
from landscapes.machine.compilation import told_to
from landscapes.statistics import tables
from landscapes.studies import measurement, neighborhood
from landscapes.tracking import Tracker

SCHEMA_VERSION = 1

DECISIVE = ("random_seed", "experiment.episode_length", "experiment.discount")
"""Keys that change what is measured and stand in no name of a data set."""


def run(job: Job) -> None:
    """Measures every checkpoint at every amount, checkpoint by checkpoint."""
    s = job.settings
    assert isinstance(s, PolicyVariance)
    results = storage.results_directory(job.results_dir)
    stored = measured_run(functools.partial(find_run, job, results), s)
    storage.check_results_writable(stored.seed_directory(s.seed))
    env, agent = loading.rebuild(stored, s.episode_length)
    measures = {}
    for amount in s.noise_amounts:
        rate = neighborhood.amount_sets_rate(agent, s.noise_type, amount)
        if rate not in measures:
            measures[rate] = measurement.make_measure(
                env, agent, s.noise_type, s.eval_episodes, s.batch_size, s.discount, rate
            )
    neighborhood.check_amounts(agent, s.noise_type, s.noise_amounts, "experiment.noise_amounts")
    if neighborhood.is_update(agent, s.noise_type):
        for step in s.ckpt_indexes:
            loading.check_has_data(stored, s.seed, step, "experiment.ckpt_indexes")
    pairs = [(step, amount) for step in s.ckpt_indexes for amount in s.noise_amounts]
    measured = {} if storage.starts_over(job.overwrite) else _measured_before(job, stored, s, pairs)
    recorder = Recorder(job, stored, s, env, measures)
    rows = max(loading.stored_rows(stored, s.seed, step) for step in s.ckpt_indexes)
    _print_plan(stored, s, next(iter(measures.values())).program_shape)
    name = job.member_name or f"{stored.name}-s{s.seed}-{s.noise_type}"
    tracker = job_tracker(job, stored, name, "policy_variance", group=stored.name)
    table: list[Sequence[object]] = []
    files: list[Path] = []
    try:
        done, total = len(measured) * s.eval_episodes, len(pairs) * s.eval_episodes
        with (
            stopping.stop_requests() as stop,
            console.Progress(f"PURD ({s.noise_type})", total, s.tqdm, unit="samples", start=done) as progress,
            told_to(progress.meanwhile),
        ):
            state_of = functools.lru_cache(maxsize=1)(
                lambda step: loading.load_state(stored, s.seed, step, agent, rows)
            )
            for step, amount in pairs:
                purd = measured.get((step, amount))
                known = purd is not None
                rate = neighborhood.amount_sets_rate(agent, s.noise_type, amount)
                if purd is None:
                    measure = measures[rate]

                    def show(samples: int, mean: float | None, before: int = done) -> None:
                        stop.leave()
                        progress.advance_to(before + samples, None if mean is None else f"mean return {mean:.1f}")

                    key = jax.random.key(job.random_seed)
                    unfinished = _unfinished(job, stored, s, step, measure, key, amount)
                    purd = measure_by_blocks(
                        measure,
                        key,
                        state_of(step),
                        amount,
                        show,
                        unfinished,
                        job.save_interval,
                        first=0,
                        count=s.eval_episodes,
                    )
                    done += s.eval_episodes
                    files.append(_write(job, stored, s, step, amount, purd, measure.program_shape))
                    unfinished.discard()
                summary = statistics.summarize(purd.returns)
                if not known:
                    _log(tracker, step, amount, purd.returns, summary)
                table.append([step, storage.amount_name(amount), *tables.purd_cells(summary)])
                stop.leave()
                if s.record_trajectories:
                    with progress.meanwhile("recording roll-outs"):
                        files += recorder.record(step, amount, rate, purd.returns, state_of)
        files = [*dict.fromkeys(files), _figure(stored, s)]
        tracker.artifact(f"{stored.name}-s{s.seed}-{s.noise_type}", "returns", files)
    except BaseException as error:
        tracker.finish(error)
        raise
    tracker.finish()
    title = f"{stored.name}, seed {s.seed}: returns under {s.noise_type}, {s.eval_episodes} samples, 95 % intervals"
    console.print_table(title, ["checkpoint", "amount", *tables.purd_columns(0.1)], table)
    print_end(files, tracker)


def dataset_name(noise_type: str, amount: float | None, num_samples: int) -> str:
    """Where in the file the discounted returns lie."""
    return f"{noise_type}/{storage.amount_name(amount)}/{num_samples}"


def _dataset_names(s: PolicyVariance, amount: float | None) -> tuple[str, str, str]:
    """The data sets that hold one PURD, in the order of its fields."""
    name = dataset_name(s.noise_type, amount, s.eval_episodes)
    return f"und_returns/{name}", name, f"lengths/{name}"


def _measured_before(
    job: Job, stored: storage.Run, s: PolicyVariance, pairs: Sequence[tuple[int, float | None]]
) -> dict[tuple[int, float | None], measurement.Purd]:
    """Of these checkpoints and amounts what has been measured already, under the same settings; says how much."""
    found: dict[tuple[int, float | None], measurement.Purd] = {}
    for step in s.ckpt_indexes:
        names = {amount: _dataset_names(s, amount) for amount in s.noise_amounts}
        wanted = {name: [stored] for of_amount in names.values() for name in of_amount}
        data = measured_before(stored.returns_path(s.seed, step), wanted, job.resolved, DECISIVE)
        found |= {
            (step, amount): measurement.Purd(*(data[name] for name in of_amount))
            for amount, of_amount in names.items()
            if all(name in data for name in of_amount)
        }
    if found:
        print(f"{len(found)} of {len(pairs)} were measured before and are not measured again (overwrite=true would)")
    return found


def _unfinished(
    job: Job,
    stored: storage.Run,
    s: PolicyVariance,
    step: int,
    measure: measurement.Measure,
    key: jax.Array,
    amount: float | None,
) -> storage.Unfinished:
    """Where the blocks of one PURD wait."""
    about = {
        storage.STANDS_ON: storage.footing([(stored, s.seed, step)]),
        "noise_type": s.noise_type,
        "episode_length": s.episode_length,
        "discount": s.discount,
    }
    return unfinished_purd(job.overwrite, stored.seed_directory(s.seed), about, measure, key, amount)


def _print_plan(stored: storage.Run, s: PolicyVariance, shape: dict[str, Any]) -> None:
    samples = len(s.ckpt_indexes) * len(s.noise_amounts) * s.eval_episodes
    console.print_plan(
        f"Returns in the neighbourhood of {stored.name}, seed {s.seed}",
        {
            "neighbourhood": f"{s.noise_type}, amounts {', '.join(map(storage.amount_name, s.noise_amounts))}",
            "checkpoints": ", ".join(map(str, s.ckpt_indexes)),
            "samples": f"{s.eval_episodes} each, {console.human_count(samples)} in all",
            "environment steps": f"at most {console.human_count(samples * s.episode_length)} in roll-outs",
            "side by side": measurement.side_by_side(shape),
            "time": "shown as soon as it is compiled and has run a little",
        },
    )


def _write(
    job: Job,
    stored: storage.Run,
    s: PolicyVariance,
    step: int,
    amount: float | None,
    purd: measurement.Purd,
    shape: dict[str, Any],
) -> Path:
    storage.check_still_there(stored)
    about = {
        "axes": "sample",
        "random_seed": job.random_seed,
        "keys": "sample i draws from fold_in(key(random_seed), i)",
        "episode_length": s.episode_length,
        "program_shape": shape,
        storage.STANDS_ON: storage.footing([(stored, s.seed, step)]),
    }
    names = _dataset_names(s, amount)
    datasets = {name: values.astype(np.float32) for name, values in zip(names, purd, strict=True)}
    units = (
        "undiscounted return",
        f"sum over t of {s.discount}^t r_t, t from 0",
        "environment steps until the episode ended",
    )
    attributes = {"schema_version": SCHEMA_VERSION, "seed": s.seed, "ckpt": step, **stored.provenance()}
    each = {name: {**about, "units": unit, "config": job.resolved} for name, unit in zip(names, units, strict=True)}
    return storage.merge_hdf5(stored.returns_path(s.seed, step), datasets, attributes, each)


def _figure(stored: storage.Run, s: PolicyVariance) -> Path:
    """Histograms of what this job measured, one panel per amount, the checkpoints overlaid."""
    panels = [
        (
            f"seed {s.seed}, {s.noise_type} {storage.amount_name(amount)}",
            stored.returns_path(s.seed, step),
            f"und_returns/{dataset_name(s.noise_type, amount, s.eval_episodes)}",
        )
        for amount in s.noise_amounts[:12]
        for step in s.ckpt_indexes
    ]
    return purd_histograms(panels, stored.seed_directory(s.seed) / f"purd_{s.noise_type}.png")


def _log(tracker: Tracker, step: int, amount: float | None, returns: np.ndarray, summary: dict[str, float]) -> None:
    names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR", "std": "PURD std"}
    label = storage.amount_name(amount)
    tracker.log({f"{shown} ({label})": summary[name] for name, shown in names.items()}, step)
    if np.isfinite(returns).all():
        tracker.histogram(f"PURD ({label})", returns, step)
