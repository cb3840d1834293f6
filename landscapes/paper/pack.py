"""`python -m landscapes.paper pack RUN SEED STEP... [key=value ...]`: checkpoints in a small run folder to carry.

Knows what a checkpoint and its replay log hold, by way of the loader and the storage; knows no algorithm.

A packed run is a run like any other, with a seed for each checkpoint, in the order given: seed k holds checkpoint
STEP_k and `rows` rows drawn from the part of the log that it has seen, so that one update's minibatches come from
nearly the same distribution. All else (weights, critics, optimizer, snapshot) is as it was. It measures,
interpolates, clones and rejects.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from landscapes import console, loading, storage
from landscapes.errors import UserError
from landscapes.experience.replay import Replay
from landscapes.stages import reading
from landscapes.types import TrainState

ROWS = 4000
KEYS: dict[str, reading.Read] = {
    "name": reading.run_name,
    "out": reading.text,
    "rows": reading.count,
    "results_dir": reading.text,
}


def main(words: Sequence[str]) -> int:
    """Packs, and prints the files; 0. Raises UserError for a mistake."""
    plain = [word for word in words if "=" not in word]
    told = reading.read([word for word in words if "=" in word], KEYS)
    if len(plain) < 3 or not all(word.isdecimal() for word in plain[1:]):
        raise UserError("pack", " ".join(plain), "wants RUN SEED STEP..., as in pack calm 0 50000")
    name, seed, *steps = plain[0], *map(int, plain[1:])
    source = storage.open_run(storage.results_directory(told.get("results_dir")), name, "pack")
    storage.check_seed(source, seed, "pack")
    for step in steps:
        storage.check_checkpoint(source, seed, step, "pack")
    out = Path(told.get("out", ".")).expanduser().absolute()
    packed = pack(source, seed, steps, out, told.get("name", f"{source.name}_packed"), told.get("rows", ROWS))
    files = sorted(path for path in packed.path.rglob("*") if path.is_file())
    console.print_files(files)
    print(f"run: {packed.name}, {console.human_bytes(sum(path.stat().st_size for path in files))}")
    return 0


def pack(source: storage.Run, seed: int, steps: Sequence[int], out: Path, name: str, rows: int) -> storage.Run:
    """The packed run `out/name`; raises UserError where there is one."""
    _, agent = loading.rebuild(source)
    origin = [{"run": source.name, "seed": seed, "step": step} for step in steps]
    kept = {key: value for key, value in source.record.items() if key not in ("name", "schema_version", "wandb_id")}
    # Where the run lay is nobody's business elsewhere.
    record = kept | {"config": kept["config"] | {"results_dir": None}}
    record |= {"num_seeds": len(steps), "packed": origin, "diverged": {}, "dead": {}, "status": "finished"}
    run = storage.create_run(out, name, record, overwrite=False)
    for number, step in enumerate(steps):
        state = jax.tree.map(np.asarray, loading.load_state(source, seed, step, agent))
        state = _with_fewer_rows(state, rows, number)
        run.seed_directory(number).mkdir()
        if isinstance(state.log, Replay):
            storage.append_segment(run, number, 0, state.log.data)
        iteration = loading.stored_iteration(source, seed, step)
        storage.save_checkpoint(run, number, step, state, {"iteration": iteration, "packed": origin[number]})
    return run


def _with_fewer_rows(state: TrainState, rows: int, number: int) -> TrainState:
    """The state with `rows` rows of its log in their order, drawn without replacement; with all where there are "
    "fewer."""
    log: Any = state.log
    if not isinstance(log, Replay):
        return state
    present = min(int(log.count), len(log.data.reward))
    generator = np.random.default_rng(number)
    chosen = np.sort(generator.permutation(present)[:rows])
    data = jax.tree.map(lambda values: values[chosen], log.data)
    smaller = Replay(data, np.uint32(len(chosen)))  # type: ignore[arg-type]  # NumPy stands for JAX
    return state._replace(log=smaller)
