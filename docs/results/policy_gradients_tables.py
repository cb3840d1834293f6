"""Tables and pictures of docs/results/policy_gradients.md from the runs of `landscapes published`.

    python docs/results/policy_gradients_tables.py [RESULTS]        (default: $LANDSCAPES_RESULTS or results)

Knows data frames and names of runs; writes policy_gradients_tables.md and copies pictures beside this file.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from summarize import markdown

import landscapes
from landscapes.statistics import tables
from landscapes.statistics.corrected import mean_of_groups

HERE = Path(__file__).resolve().parent
ITERATIONS = tuple(f"policy_iterations_laptop_{loss}_{steps}" for loss in ("vpg", "ppo") for steps in (4, 10, 20))
PSI = tuple(
    f"psi_laptop_{psi}" for psi in ("total_return", "future_return", "baseline_return", "q_value", "gae", "td_residual")
)
ADVANTAGES = tuple(f"advantage_normalization_laptop_hopper_{how}" for how in ("none", "batch", "minibatch"))
NETWORKS = ("actor", "critic")
PICTURES = {
    "advantage_normalization_laptop/env_hopper/learning_curves.png": "policy_gradients_advantages.png",
    "advantage_normalization_laptop/env_hopper/gradients.png": "policy_gradients_norms.png",
    "policy_iterations_laptop/loss_mode_vpg/learning_curves.png": "policy_gradients_vpg.png",
    "policy_iterations_laptop/loss_mode_ppo/learning_curves.png": "policy_gradients_ppo.png",
    "psi_laptop/learning_curves.png": "policy_gradients_psi.png",
}


def _interval(values: Sequence[float], digits: int = 0) -> str:
    """Student's, over seeds."""
    found = mean_of_groups(list(values), range(len(values)))
    return tables.with_interval(*found, f".{digits}f")


def returns(runs: Sequence[str], results: Path) -> str:
    """100 test episodes of one policy of each seed (the last, of advantages the best), by its mode and sampled."""
    rows = []
    for run in runs:
        frame = landscapes.to_dataframe(run, "tests", results_dir=str(results))
        means = frame.groupby(["acting", "seed"])["return"].mean()
        each = ", ".join(f"{value:.0f}" for value in means["mode"])
        rows.append([f"`{run}`", each, _interval(means["mode"].tolist()), _interval(means["sampled"].tolist())])
    return markdown(["run", "mode, each seed", "mode, mean (95 %)", "sampled, mean (95 %)"], rows)


def steps(runs: Sequence[str], results: Path) -> str:
    """Mean over seeds of the mean return after k steps on one batch from the last policy, 100 batches each."""
    rows = []
    for run in runs:
        frame = landscapes.to_dataframe(run, "purds", results_dir=str(results))
        frame = frame[frame["kind"] == "policy_steps"]
        by_seed = frame.groupby(["amount", "seed"])["return"].mean()
        spread = frame.groupby(["amount", "seed"])["return"].std().groupby("amount").mean()
        cells = [f"{by_seed[k].mean():.0f} ± {spread[k]:.0f}" for k in ("1", "4", "10", "20")]
        rows.append([f"`{run}`", *cells])
    return markdown(["run", "k = 1", "4", "10", "20"], rows)


def norms(runs: Sequence[str], results: Path) -> str:
    """Norms of gradients of the minibatches of an iteration, before clipping: medians over the second half of training
    of each seed, and of their mean, variance and coefficient of variation Student's intervals over seeds."""
    rows = []
    for run in runs:
        frame = landscapes.to_dataframe(run, "training", results_dir=str(results))
        late = frame[frame["step"] > frame["step"].max() / 2]
        for network in NETWORKS:
            cells = []
            for what, digits in (("", 1), ("_var", 1), ("_cv", 2)):
                of_metric = late[late["metric"] == f"{network}_grad_norm{what}"]
                cells.append(_interval(of_metric.groupby("seed")["value"].median().tolist(), digits))
            rows.append([f"`{run}`", network, *cells])
    return markdown(["run", "of the", "mean norm", "variance", "coefficient of variation"], rows)


def main(arguments: Sequence[str]) -> None:
    """Writes everything."""
    results = Path(arguments[0] if arguments else os.environ.get("LANDSCAPES_RESULTS", "results"))
    parts = {
        "Policy iterations": returns(ITERATIONS, results),
        "After k steps on one batch": steps(ITERATIONS, results),
        "Psi": returns(PSI, results),
        "Advantages": returns(ADVANTAGES, results),
        "Norms of gradients": norms(ADVANTAGES, results),
    }
    text = "".join(f"\n## {title}\n\n{table}" for title, table in parts.items())
    path = HERE / "policy_gradients_tables.md"
    path.write_text(f"# Numbers of the page about policy gradients\n{text}", encoding="utf-8")
    for source, name in PICTURES.items():
        shutil.copyfile(results / "published" / source, HERE / name)


if __name__ == "__main__":
    main(sys.argv[1:])
