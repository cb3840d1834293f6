"""Every command of `landscapes`: its name, the module behind it and one line about it.

Knows modules, experiments and options by their names only; imports none of them.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple


class Command(NamedTuple):
    """`landscapes NAME WORDS` is `python -m MODULE WORDS`."""

    name: str
    module: str
    about: str
    experiment: str | None = None
    """Of an entry point: the experiment where the words choose none; None: the entry point's own."""
    takes_settings: bool = False
    """Whether it is an entry point, whose words are `key=value` as Hydra reads them."""
    words: tuple[str, ...] = ()
    """What may stand first."""
    names: str = ""
    """What else may be named: `runs` or `sweeps` of the results folder, or `jobs`: another command and its settings."""
    options: tuple[str, ...] = ()
    """Without `--help`."""

    def arguments(self, words: Sequence[str]) -> list[str]:
        """What the module is told for those words."""
        if self.names == "jobs" and words:
            job = next((each for each in COMMANDS if each.takes_settings and each.name == words[0]), None)
            return list(words) if job is None else [job.module, *job.arguments(words[1:])]
        chosen = any(word.lstrip("+~").partition("=")[0].partition("@")[0] == "experiment" for word in words)
        return [*([] if chosen or self.experiment is None else [f"experiment={self.experiment}"]), *words]


COMMANDS = (
    Command("train", "run_algorithm", "train agents, many seeds in one program: env=hopper algo=td3", None, True),
    Command(
        "measure", "eval_policy", "the returns around every stored policy of a run: run=hopper", "neighborhood", True
    ),
    Command(
        "improve", "improve_ltp", "walk a policy to a calmer neighbourhood: root=hopper/0/200000", "reject_ltp", True
    ),
    Command(
        "test",
        "eval_policy",
        "test episodes of stored policies, deterministic beside sampled: run=hopper",
        "test",
        True,
    ),
    Command("paths", "eval_policy", "the paths between the policies of a run: run=hopper", "paths", True),
    Command("slice", "eval_policy", "a plane through a policy: root=hopper/0/200000", "landscape_slice", True),
    Command("clone", "run_algorithm", "a policy in other weights: root=hopper/0/200000", "train_bc", True),
    Command(
        "runs",
        "landscapes.runs",
        "which runs there are; show one, compare several, write their numbers as CSV",
        words=("list", "show", "compare", "export"),
        names="runs",
        options=("--csv", "--no-intervals", "--results-dir"),
    ),
    Command(
        "figures",
        "landscapes.figures",
        "every figure that the results of runs allow",
        names="runs",
        options=("--only", "--format", "--out", "--results-dir"),
    ),
    Command(
        "report",
        "landscapes.report",
        "one page of runs for a browser, with roll-outs side by side",
        names="runs",
        options=("--out", "--gif", "--checkpoint", "--results-dir"),
    ),
    Command("export", "landscapes.export", "the numbers of runs as tables", names="runs"),
    Command(
        "sweeps",
        "landscapes.sweeps",
        "how the sweeps that were submitted to SLURM are doing",
        names="sweeps",
        options=("--wait", "--resubmit", "--results-dir"),
    ),
    Command(
        "doctor",
        "landscapes.doctor",
        "is everything here that a job will want? (doctor train num_seeds=20: that one)",
        names="jobs",
        options=("--results-dir",),
    ),
    Command(
        "demo",
        "landscapes.demo",
        "a calm and a noisy policy, measured in a minute; nothing is trained",
        options=("--samples", "--no-browser", "--results-dir"),
    ),
    Command(
        "quickstart",
        "landscapes.quickstart",
        "train, measure, slice and improve something small, in some minutes",
        options=("--samples", "--points", "--proposals"),
    ),
    Command("paper", "landscapes.paper", "the published experiment", words=("claims", "dead", "pack")),
    Command(
        "published",
        "landscapes.published",
        "other published experiments, each with its figures: psi size=laptop",
        words=("advantage_normalization", "policy_iterations", "psi"),
    ),
    Command("completion", "landscapes.cli.completion", "what lets a shell complete all this", words=("bash", "zsh")),
)
"""In the order in which help lists them."""


def present() -> list[Command]:
    """Those whose modules are there."""
    return [command for command in COMMANDS if find_spec(command.module) is not None]


def find(name: str) -> Command | None:
    """The command of that name, if it is there."""
    return next((command for command in COMMANDS if command.name == name and find_spec(command.module)), None)


def help_text() -> str:
    """What `landscapes --help` prints: one line for each command."""
    commands = present()
    width = max(len(command.name) for command in commands)
    lines = [f"  {command.name:<{width}}  {command.about}" for command in commands]
    usage = "landscapes COMMAND [key=value ...]; landscapes COMMAND --help tells the keys and options of one"
    return "\n".join([usage, "", *lines])
