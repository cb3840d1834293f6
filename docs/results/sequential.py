"""The table of docs/internals/refusing_early.md: errors and samples saved, from simulation; and replayed walks.

    python docs/results/sequential.py [RESULTS]       (about five minutes on one core)

Knows the library's rejection and statistics, and with RESULTS the CVaR walks stored below it, whose proposals it
decides again at every look. Prints Markdown and writes nothing.
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from landscapes import statistics
from landscapes.statistics import Floats, sequential
from landscapes.studies import rejection

NUM_SAMPLES = 256
NUM_WALKS = 200
ALPHA = 0.1
ERROR = 0.05
SHIFTS = (2.0, 0.0, -1.0, -2.0, -4.0, -8.0)
"""How much better the proposal's true CVaR is than the incumbent's, in standard errors of the CVaR of one PURD."""

Draw = Callable[[np.random.Generator, int], Floats]


def failing(share: float) -> Draw:
    """A calm bump at 300, and a share of failures near 90."""

    def draw(generator: np.random.Generator, size: int) -> Floats:
        fails = generator.random(size) < share
        return np.where(fails, generator.normal(90.0, 15.0, size), generator.normal(300.0, 8.0, size))

    return draw


POPULATIONS: dict[str, Draw] = {
    "normal": lambda g, n: g.normal(300.0, 20.0, n),
    "heavy tails (t, 2 d.o.f.)": lambda g, n: 300.0 + 10.0 * g.standard_t(2.0, n),
    "heavy left tail (Pareto 1.5)": lambda g, n: 300.0 - 20.0 * g.pareto(1.5, n),
    "1 % failing": failing(0.01),
    "5 % failing": failing(0.05),
    "10 % failing": failing(0.10),
    "seven values": lambda g, n: 50.0 * g.integers(0, 7, n),
}

cvar = partial(statistics.cvar, alpha=ALPHA)


def stops(returns: Floats, thresholds: Floats, error: float, generator: np.random.Generator) -> Floats:
    """How many samples of `returns` `[NUM_SAMPLES]` are taken before each of `thresholds` is seen to be hopeless.

    As `rejection.make_early_refusal`, with the same completions for all thresholds.
    """
    looks = sequential.look_sizes(returns.size)
    taken = np.full(len(thresholds), returns.size)
    for look in reversed(looks):
        count = sequential.num_completions(error / len(looks))
        values = sequential.completed(cvar, returns[:look], returns.size, count, generator)
        hopeless = [sequential.is_hopeless(values >= threshold, error / len(looks)) for threshold in thresholds]
        taken[hopeless] = look
    return taken


def simulate(draw: Draw, seed: int) -> tuple[float, Floats, Floats, Floats]:
    """Of `NUM_WALKS` decisions each: how many that only just pass are refused early, and for every shift how many
    are refused early that would have passed, how many pass at all samples, and the share of samples saved."""
    generator = np.random.default_rng(seed)
    spread = statistics.std([cvar(draw(generator, NUM_SAMPLES)) for _ in range(1000)])
    just_passing, wrong, passed, saved = 0, np.zeros(len(SHIFTS)), np.zeros(len(SHIFTS)), np.zeros(len(SHIFTS))
    for _ in range(NUM_WALKS):
        proposal, incumbent = draw(generator, NUM_SAMPLES), cvar(draw(generator, NUM_SAMPLES))
        # A shift of the proposal upwards is one of the incumbent downwards. The first threshold is met exactly.
        thresholds = np.array([cvar(proposal), *(incumbent - np.array(SHIFTS) * spread)])
        taken = stops(proposal, thresholds, ERROR, generator)
        passes = cvar(proposal) >= thresholds
        just_passing += taken[0] < NUM_SAMPLES
        wrong += (taken[1:] < NUM_SAMPLES) & passes[1:]
        passed += passes[1:]
        saved += 1.0 - taken[1:] / NUM_SAMPLES
    return just_passing / NUM_WALKS, wrong / NUM_WALKS, passed / NUM_WALKS, saved / NUM_WALKS


def print_simulation() -> None:
    """One row a population: just passing, then for each shift `passing / wrongly refused / saved`, in per cent."""
    looks = ", ".join(map(str, sequential.look_sizes(NUM_SAMPLES)))
    print(f"N = {NUM_SAMPLES}, looks after {looks}; error {ERROR}; {NUM_WALKS} decisions a cell\n")
    print("| returns | refused though just passing |", " | ".join(f"{shift:+g}" for shift in SHIFTS), "|")
    print("| --- " * (2 + len(SHIFTS)) + "|")
    for seed, (name, draw) in enumerate(POPULATIONS.items()):
        just_passing, *cells = simulate(draw, seed)
        shown = [f"{100 * p:.0f} / {100 * w:.1f} / {100 * s:.0f}" for w, p, s in zip(*cells, strict=True)]
        print(f"| {name} | {100 * just_passing:.1f} |", " | ".join(shown), "|", flush=True)


def print_counterexamples() -> None:
    """Where the method does not hold, and the library does not offer it: refused though just passing."""
    generator = np.random.default_rng(0)

    def rarely_high(size: int) -> Floats:
        return np.where(generator.random(size) < 0.02, 100.0, 0.0) + generator.normal(size=size)

    def stretched(size: int) -> Floats:
        """Three groups and one far outlier in every sample, on average: it makes the lowest group the mode."""
        kind = generator.random(size)
        high = np.where(kind < 0.75, generator.normal(300.0, 0.5, size), generator.uniform(150.0, 250.0, size))
        returns = np.where(kind < 0.40, generator.normal(100.0, 5.0, size), high)
        return returns + np.where(generator.random(size) < 1.0 / size, 1e4, 0.0)

    ltp = partial(statistics.left_tail_probability, published=True)
    looks = sequential.look_sizes(NUM_SAMPLES)
    count = sequential.num_completions(ERROR / len(looks))
    for name, draw, statistic, sign in (("mean", rarely_high, statistics.mean, 1), ("LTP", stretched, ltp, -1)):
        wrong = 0
        for _ in range(100):
            returns = draw(NUM_SAMPLES)
            threshold = sign * statistic(returns)
            wrong += any(
                sequential.is_hopeless(
                    sign * sequential.completed(statistic, returns[:look], NUM_SAMPLES, count, generator) >= threshold,
                    ERROR / len(looks),
                )
                for look in looks
            )
        print(f"not offered: {name}, {wrong} % refused though just passing")


def stored_walks(results: Path) -> Iterator[tuple[Floats, Floats, np.ndarray, float]]:
    """Purds, scores of incumbents, decisions and alpha of every stored walk by CVaR all of whose samples were taken."""
    import h5py

    for path in sorted(results.glob("*/seed*/td3_reject_ltp_*.h5")):
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visit(names.append)
            for walk in (file[name.removesuffix("/purds")] for name in names if name.endswith("/purds")):
                config = json.loads(walk["purds"].attrs["config"])["experiment"]
                if config["heuristic"] == "cvar" and "num_samples" not in walk:
                    yield (
                        walk["purds"][1:].astype(np.float64),
                        walk["incumbent_cvars"][1:],
                        walk["accepted"][1:],
                        config["cvar_alpha"],
                    )


def print_replay(results: Path) -> None:
    """What early refusal would have saved in stored walks, and how often it would have decided otherwise."""
    num_proposals, num_accepted, wrong, early, taken, whole = 0, 0, 0, 0, 0, 0
    for number, (purds, incumbents, accepted, alpha) in enumerate(stored_walks(results)):
        policy = rejection.make_early_refusal(alpha, purds.shape[1], ERROR, (number,))
        for index, (returns, incumbent) in enumerate(zip(purds, incumbents, strict=True)):
            score = rejection.Score(np.nan, np.nan, float(incumbent))
            stop = next((n for n in policy.looks if policy.hopeless(index, returns[:n], score)), returns.size)
            early += stop < returns.size
            wrong += bool(accepted[index]) and stop < returns.size
            taken, whole = taken + stop, whole + returns.size
        num_proposals, num_accepted = num_proposals + len(purds), num_accepted + int(accepted.sum())
    print(f"\nStored walks: {num_proposals} proposals, {num_accepted} accepted; {early} of the others refused early,")
    print(f"{wrong} of the accepted; {100 * (1 - taken / whole):.0f} % of {whole:,} samples saved")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_replay(Path(sys.argv[1]))
    print_simulation()
    print_counterexamples()
