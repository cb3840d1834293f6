"""Numbers and names of the documentation that the code has too: defaults, limits, kinds, spellings.

Reads the pages and the code; runs no job. What a page says in prose is compared by the words around the number.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from eval_policy import interpolation
from eval_policy.experiments.landscape_slice import RADII
from landscapes import run_names
from landscapes.algorithms import ppo, sac, td3, vpg
from landscapes.config.compose import CONF, compose_job, compose_sweep
from landscapes.config.launch import run_entry_point
from landscapes.config.published import KEYS
from landscapes.config.tables import rewritten, table
from landscapes.experience import rollout
from landscapes.figures.gallery import KINDS
from landscapes.machine import xla_flags
from landscapes.studies import measurement, neighborhood
from landscapes.tracking import wandb_login, wandb_runs, wandb_tracker
from run_algorithm import train

DOCS = Path(__file__).resolve().parents[2] / "docs"


def prose(page: str) -> str:
    """A page as one line."""
    return " ".join((DOCS / page).read_text(encoding="utf-8").split())


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, without heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [cells for cells in split if not set(cells[0]) <= set("-: ")]


# Defaults


def section(heading: str) -> str:
    """What stands below a heading of the page about the command line, down to the next one of any rank."""
    page = (DOCS / "command_line.md").read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#+ )", page, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


SHARING = {"td3_reject_ltp": "reject_ltp", "policy_variance_mujoco": "policy_variance"}
"""Experiments that have the keys of another one, and its table."""


def test_the_tables_of_keys_are_written_from_the_settings() -> None:
    page = (DOCS / "command_line.md").read_text(encoding="utf-8")
    experiments = {path.stem for path in (CONF / "experiment").iterdir()}
    assert set(re.findall("<!-- keys of (.*) -->", page)) == {
        *("every_job", "every_training"),
        *(experiments - set(SHARING) - {"train"}),
    }
    assert rewritten(page) == page, "run python -m landscapes.config.tables docs/command_line.md"
    headings = " ".join(re.findall(r"^### (.*)$", page, re.MULTILINE))
    assert [name for name in experiments - {"train"} if not re.search(rf"=?{name}\b", headings)] == []


def test_an_experiment_without_a_table_has_the_keys_of_another() -> None:
    def defaults(name: str) -> dict[str, str]:
        return dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", table(name), re.MULTILINE))

    for name, other in SHARING.items():
        assert defaults(name).keys() == defaults(other).keys()
    walks = [defaults(name) for name in ("td3_reject_ltp", "reject_ltp")]
    differing = {key: (walks[0][key], walks[1][key]) for key in walks[0] if walks[0][key] != walks[1][key]}
    assert differing == {"lr": ("0.0003", "null")}
    said = section("experiment=td3_reject_ltp and experiment=reject_ltp")
    assert "`lr` is 3e-4 in the first" in said


# Names


def test_the_table_of_spellings_is_the_one_that_is_read() -> None:
    heads, *table = ([cell.strip("`") for cell in cells] for cells in rows(section("The published spelling")))
    assert heads == ["today", "published, TD3", "published, SAC", "published, PPO"]
    for column, experiment in enumerate(("train_td3", "train_sac", "train_ppo"), start=1):
        assert {cells[column]: cells[0] for cells in table if cells[column]} == KEYS[experiment]
    assert KEYS["train"].items() <= KEYS["train_td3"].items()


def test_what_is_wanted_is_typed_shorter_than_before() -> None:
    page = (DOCS / "command_line.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| you want \| today \| before \|$\n(?:^\|.*\n)+", page, re.MULTILINE)
    assert all(len(line) < 100 for line in table.splitlines())
    wishes = rows(table)[1:]
    assert len(wishes) == 10
    for wish, *both in wishes:
        today, before = (cell.strip("`").split() for cell in both)
        compose = compose_sweep if "-m" in today else lambda entry_point, words: [compose_job(entry_point, words)]
        now, then, plain = (
            [job.resolved for job in compose("run_algorithm", [word for word in words if word != "-m"])]
            for words in (today, before, [])
        )
        assert now == then != plain, wish
        assert len(both[0]) < len(both[1]), wish


def test_errors_are_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.findall(r"^    (\S+): .*$", section("Errors and exit codes"), re.MULTILINE)
    told = re.findall(r"^    (\S+: .*)$", section("Errors and exit codes"), re.MULTILINE)
    assert len(told) == len(lines) >= 5
    for typed, line in zip(lines, told, strict=True):
        if "2001" in typed:  # of a run that is there
            continue
        own = ["experiment.run_name=calm"] if "ckpt" in typed else []
        assert run_entry_point("eval_policy" if own else "run_algorithm", [*own, typed]) == 2
        assert capsys.readouterr().err == f"{line}\n"


def test_the_table_of_kinds_has_every_kind() -> None:
    kinds = {cells[0].strip("`") for cells in rows((DOCS / "neighborhoods.md").read_text()) if len(cells) == 4}
    updates = {name for module in (td3, sac, ppo, vpg) for name in re.findall(r'"(\w+)": UpdateKind', source(module))}
    assert updates and kinds - {"noise_type"} == {
        *neighborhood.GENERIC_KINDS,
        neighborhood.FULL_KIND,
        neighborhood.STEPS_KIND,
        *updates,
    }


def source(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


# Numbers


def lanes(page: str, pattern: str) -> list[str]:
    found = re.search(pattern, prose(page))
    assert found is not None, f"{page} no longer says {pattern}"
    return [group.replace(" ", "").replace("\N{NO-BREAK SPACE}", "") for group in found.groups()]


SAYS = [
    ("neighborhoods.md", r"on each device (\d+) on a CPU", measurement.MAX_LANES["cpu"]),
    ("neighborhoods.md", r"at most (\d+) elsewhere; never more", measurement.DEFAULT_MAX_LANES),
    (
        "neighborhoods.md",
        r"never more than 2\^(\d+) environment steps",
        measurement.STEPS_PER_BLOCK["cpu"].bit_length() - 1,
    ),
    ("neighborhoods.md", r"elsewhere 2\^(\d+)", measurement.DEFAULT_STEPS_PER_BLOCK.bit_length() - 1),
    ("neighborhoods.md", r"every (\d+) steps a lane", rollout.STEPS_PER_ROUND),
    ("neighborhoods.md", r"looks for ended episodes \| (\d+) \|", rollout.STEPS_PER_ROUND),
    ("internals/refusing_early.md", r"at most (\d+) on each core of a CPU", measurement.MAX_LANES["cpu"]),
    ("internals/refusing_early.md", r"on each core of a CPU, (\d+) on an accelerator", measurement.DEFAULT_MAX_LANES),
    ("report.md", r"one round of (\d+) steps", rollout.STEPS_PER_ROUND),
    ("paths.md", r"\(of a path: at most (\d+)\)", interpolation.MAX_POLICIES),
    ("paths.md", r"the same, but never more than (\d+) policies", interpolation.MAX_POLICIES),
    ("command_line.md", r"never more than (\d+) policies together", interpolation.MAX_POLICIES),
    ("files.md", r"A segment has at most ([\d ]+) rows", train.ROWS_PER_SEGMENT),
    ("files.md", r"at most (\d+) characters", run_names._LONGEST),
    ("command_line.md", r"does not answer within (\d+) s at the start", wandb_login._ANSWER_SECONDS),
    ("command_line.md", r"at the end it waits for at most (\d+) s", wandb_tracker._FINISH_SECONDS),
    ("command_line.md", r"no answer within (\d+) s is one line more", wandb_runs.ASK_SECONDS),
    ("command_line.md", r"null: random ([\d.]+), update", RADII["random"]),
    ("command_line.md", r"update ([\d.]+), policies", RADII["update"]),
    ("command_line.md", r"policies ([\d.]+);", RADII["policies"]),
]
"""Page, what it says with the number in brackets, and the code's number."""


@pytest.mark.parametrize("page, pattern, number", SAYS)
def test_a_number_is_that_of_the_code(page: str, pattern: str, number: float) -> None:
    (found,) = lanes(page, pattern)
    assert float(found) == number


def test_a_block_is_as_large_as_the_page_says() -> None:
    td3_samples, ppo_samples = map(
        int, lanes("neighborhoods.md", r"on two cores (\d+) samples of TD3 .*?, (\d+) of PPO")
    )
    most = measurement.STEPS_PER_BLOCK["cpu"]
    assert td3_samples == most // (1000 + 1) // 2 * 2
    assert ppo_samples == most // (1000 + 2048 * 16) // 2 * 2


def test_flags_of_the_compiler_are_those_that_are_set() -> None:
    page = prose("command_line.md")
    for flag, value in ((xla_flags.EMITTERS, "false"), (xla_flags.EXTRA_OPTIONS, xla_flags.LOOPS)):
        assert f"`{flag}={value}`" in page
    assert f"`{xla_flags.HOST_DEVICES}=`" in page


def test_kinds_of_figures_are_those_that_are_drawn() -> None:
    (names,) = (cells[2] for cells in rows((DOCS / "figures.md").read_text()) if cells[0].startswith("`--only"))
    assert re.findall(r"\w+", names.partition("`,")[0]) == list(KINDS)
