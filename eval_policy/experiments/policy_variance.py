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

from landscapes import console, door, neighborhood, statistics, stopping, storage, tables
from landscapes.config.job import Job
from landscapes.config.schemas import PolicyVariance
from landscapes.errors import UserError
from landscapes.figures import purd_histograms
from landscapes.job_end import print_end
from landscapes.job_tracker import job_tracker
from landscapes.tracking import Tracker

SCHEMA_VERSION = 1


def run(job: Job) -> None:
    """Measures every checkpoint at every amount, checkpoint by checkpoint."""
    s = job.settings
    assert isinstance(s, PolicyVariance)
    results = storage.results_directory(job.results_dir)
    stored = storage.open_run(results, s.run_name)
    storage.check_seed(stored, s.seed, "experiment.seed")
    for step in s.ckpt_indexes:
        storage.check_checkpoint(stored, s.seed, step, "experiment.ckpt_indexes")
    storage.check_results_writable(stored.seed_directory(s.seed))
    pairs = [(step, amount) for step in s.ckpt_indexes for amount in s.noise_amounts]
    measured = {} if storage.starts_over(job.overwrite) else _measured_before(job, stored, s, pairs)
    env, algorithm = door.rebuild(stored, s.episode_length)
    measures = {}
    for amount in s.noise_amounts:
        rate = neighborhood.amount_sets_rate(algorithm, s.noise_type, amount)
        if rate not in measures:
            measures[rate] = neighborhood.make_measure(
                env, algorithm, s.noise_type, s.eval_episodes, s.batch_size, s.discount, rate
            )
    rows = max(door.stored_rows(stored, s.seed, step) for step in s.ckpt_indexes)
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
        ):
            state_of = functools.lru_cache(maxsize=1)(
                lambda step: door.load_state(stored, s.seed, step, algorithm, rows)
            )
            for step, amount in pairs:
                purd = measured.get((step, amount))
                if purd is None:
                    measure = measures[neighborhood.amount_sets_rate(algorithm, s.noise_type, amount)]

                    def show(samples: int, mean: float | None, before: int = done) -> None:
                        stop.leave()
                        progress.advance_to(before + samples, None if mean is None else f"mean return {mean:.1f}")

                    purd = measure.measure(jax.random.key(job.random_seed), state_of(step), float(amount), show)
                    done += s.eval_episodes
                    files.append(_write(job, stored, s, step, amount, purd, measure.program_shape))
                    _log(tracker, step, amount, purd)
                table.append([step, amount, *tables.purd_cells(statistics.summarize(purd.returns))])
        files = [*dict.fromkeys(files), _figure(stored, s)]
        tracker.artifact(f"{stored.name}-s{s.seed}-{s.noise_type}", "returns", files)
    except BaseException:
        tracker.finish(failed=True)
        raise
    tracker.finish()
    title = f"{stored.name}, seed {s.seed}: returns under {s.noise_type}, {s.eval_episodes} samples, 95 % intervals"
    console.print_table(title, ["checkpoint", "amount", *tables.purd_columns(0.1)], table)
    print_end(files, tracker)


def dataset_name(noise_type: str, amount: float, num_samples: int) -> str:
    """Where in the file the discounted returns lie; the amount as the user's number prints, an integer staying one."""
    return f"{noise_type}/{amount}/{num_samples}"


def _measured_before(
    job: Job, stored: storage.Run, s: PolicyVariance, pairs: Sequence[tuple[int, float]]
) -> dict[tuple[int, float], neighborhood.Purd]:
    """Of these checkpoints and amounts what has been measured already, under the same settings; says how much.

    Raises UserError where it was under others that change the numbers.
    """
    found: dict[tuple[int, float], neighborhood.Purd] = {}
    for step, amount in pairs:
        path, name = stored.returns_path(s.seed, step), dataset_name(s.noise_type, amount, s.eval_episodes)
        if not path.exists():
            continue
        datasets, _ = storage.read_hdf5(path, "file")
        if f"und_returns/{name}" not in datasets:
            continue
        attributes = storage.read_dataset_attributes(path, f"und_returns/{name}", "file")
        config: Any = attributes["config"]
        for key, before, now in [
            ("random_seed", attributes["random_seed"], job.random_seed),
            ("experiment.episode_length", attributes["episode_length"], s.episode_length),
            ("experiment.discount", config["experiment"]["discount"], s.discount),
        ]:
            if before != now:
                raise UserError(key, now, f"{path} has {name} measured with {before}; overwrite=true replaces it")
        found[step, amount] = neighborhood.Purd(
            datasets[f"und_returns/{name}"], datasets[name], datasets[f"lengths/{name}"]
        )
    if found:
        print(f"{len(found)} of {len(pairs)} were measured before and are not measured again (overwrite=true would)")
    return found


def _print_plan(stored: storage.Run, s: PolicyVariance, shape: dict[str, Any]) -> None:
    samples = len(s.ckpt_indexes) * len(s.noise_amounts) * s.eval_episodes
    console.print_plan(
        f"Returns in the neighbourhood of {stored.name}, seed {s.seed}",
        {
            "neighbourhood": f"{s.noise_type}, amounts {', '.join(map(str, s.noise_amounts))}",
            "checkpoints": ", ".join(map(str, s.ckpt_indexes)),
            "samples": f"{s.eval_episodes} each, {console.human_count(samples)} in all",
            "environment steps": f"at most {console.human_count(samples * s.episode_length)} in roll-outs",
            "side by side": neighborhood.side_by_side(shape),
            "time": "shown as soon as it is compiled and has run a little",
        },
    )


def _write(
    job: Job,
    stored: storage.Run,
    s: PolicyVariance,
    step: int,
    amount: float,
    purd: neighborhood.Purd,
    shape: dict[str, Any],
) -> Path:
    name = dataset_name(s.noise_type, amount, s.eval_episodes)
    about = {
        "axes": "sample",
        "random_seed": job.random_seed,
        "keys": "sample i draws from fold_in(key(random_seed), i)",
        "episode_length": s.episode_length,
        "program_shape": shape,
    }
    datasets = {
        name: purd.discounted_returns.astype(np.float32),
        f"und_returns/{name}": purd.returns.astype(np.float32),
        f"lengths/{name}": purd.lengths.astype(np.float32),
    }
    units = {
        name: f"sum over t of {s.discount}^t r_t, t from 0",
        f"und_returns/{name}": "undiscounted return",
        f"lengths/{name}": "environment steps until the episode ended",
    }
    attributes = {"schema_version": SCHEMA_VERSION, "seed": s.seed, "ckpt": step, **stored.provenance()}
    each = {dataset: {**about, "units": unit, "config": job.resolved} for dataset, unit in units.items()}
    return storage.merge_hdf5(stored.returns_path(s.seed, step), datasets, attributes, each)


def _figure(stored: storage.Run, s: PolicyVariance) -> Path:
    """Histograms of what this job measured, one panel per amount, the checkpoints overlaid."""
    panels = [
        (
            f"seed {s.seed}, {s.noise_type} {amount}",
            stored.returns_path(s.seed, step),
            f"und_returns/{dataset_name(s.noise_type, amount, s.eval_episodes)}",
        )
        for amount in s.noise_amounts[:12]
        for step in s.ckpt_indexes
    ]
    return purd_histograms(panels, stored.seed_directory(s.seed) / f"purd_{s.noise_type}.png")


def _log(tracker: Tracker, step: int, amount: float, purd: neighborhood.Purd) -> None:
    names = {"mean": "PURD mean", "ltp": "PURD LTP", "cvar": "PURD CVaR", "std": "PURD std"}
    summary = statistics.summarize(purd.returns)
    tracker.log({f"{shown} ({amount})": summary[name] for name, shown in names.items()}, step)
    if np.isfinite(purd.returns).all():
        tracker.histogram(f"PURD ({amount})", purd.returns, step)
