"""How values become fields, what a dataclass says of its own fields, and that each algorithm's settings stand once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from landscapes.config.published import KEYS
from landscapes.config.training import COMMON, own_keys
from landscapes.errors import UserError
from landscapes.settings.algorithm import AlgorithmConfig
from landscapes.settings.algorithms import ALGORITHMS, check_is_algorithm, config_class
from landscapes.settings.fields import MISSING, Checked, Documented, documented, one_of
from landscapes.settings.ranges import Count, Share, Widths
from tests.algorithms import test_contract

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Base(Checked):
    """For the tests."""

    of_class: ClassVar[int] = 3
    """No field."""

    rate: Share  # per step
    widths: Widths = field(default_factory=lambda: [8, 8])  # of actor # and critic


@dataclass
class Derived(Base):
    """For the tests."""

    rate: Share = 0.5
    length: Count | None = None  # steps; null: all
    way: Annotated[str, one_of("up", "down")] = "up"


def test_the_comments_beside_fields_are_read() -> None:
    assert documented(Base) == [
        Documented("rate", MISSING, "a number, from 0 to 1", "per step"),
        Documented("widths", [8, 8], LIST, "of actor # and critic"),
    ]
    assert documented(Derived) == [
        Documented("rate", 0.5, "a number, from 0 to 1", "per step"),  # of the base, where it says nothing itself
        Documented("widths", [8, 8], LIST, "of actor # and critic"),
        Documented("length", None, "an integer, at least 1, or null", "steps; null: all"),
        Documented("way", "up", "one of up, down", ""),
    ]


LIST = "a list such as [a,b] with each entry an integer, at least 1, at most 2147483647, not empty"


def test_a_checked_dataclass_converts_what_fits() -> None:
    made = Derived(1, (4.0,), 1e3)  # type: ignore[arg-type]
    assert made == Derived(rate=1.0, widths=[4], length=1000)
    assert [type(value) for value in (made.rate, made.widths, made.widths[0], made.length)] == [float, list, int, int]


@pytest.mark.parametrize(
    "values, said",
    [
        ({"rate": 1.5}, "rate=1.5: must be a number, from 0 to 1"),
        ({"rate": True}, "rate=true: must be a number, from 0 to 1"),
        ({"rate": MISSING}, "rate=???: needs a value; must be a number, from 0 to 1"),
        ({"widths": []}, f"widths=[]: must be {LIST}"),
        ({"widths": [4, 0]}, "widths[1]=0: must be an integer, at least 1, at most 2147483647"),
        ({"length": 0}, "length=0: must be an integer, at least 1, or null"),
        ({"length": 1.5}, "length=1.5: must be an integer, at least 1, or null"),
        ({"way": "left"}, "way=left: must be one of up, down"),
    ],
)
def test_a_checked_dataclass_refuses_the_rest(values: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        Derived(**values)  # type: ignore[arg-type]
    assert str(error.value) == said


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_these_files(name: str) -> None:
    for path in (
        f"landscapes/settings/algorithms/{name}.py",
        f"landscapes/algorithms/{name}.py",
        f"conf/experiment/train_{name}.yaml",
        f"docs/algorithms/{name}.md",
    ):
        assert (ROOT / path).is_file(), path
    contract = (test_contract.SETTINGS, test_contract.METRICS, test_contract.MOVED_BY_POLICY_UPDATE)
    assert all(name in table for table in contract), "no row in tests/algorithms/test_contract.py"


def test_there_are_no_other_algorithms() -> None:
    def stems(folder: str, *others: str) -> set[str]:
        return {path.stem for path in (ROOT / folder).iterdir() if path.is_file()} - {"__init__", *others}

    assert stems("landscapes/algorithms", "checks", "registry") == set(ALGORITHMS)
    assert stems("docs/algorithms") == set(ALGORITHMS)
    assert {name.partition(",")[0] for name in test_contract.SETTINGS} == set(ALGORITHMS)
    of_trainings = {name.removeprefix("train_") for name in KEYS if name.startswith("train")}
    assert of_trainings <= {"train", *ALGORITHMS}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_settings_of_algorithms_are_documented_and_apart_from_the_common_ones(name: str) -> None:
    config = config_class(name)
    assert issubclass(config, AlgorithmConfig)
    config()  # every setting has a default
    fields = documented(config)
    assert not {each.name for each in fields} & {*COMMON, "settings", "kind"}
    assert {each.name for each in own_keys(name)} == {each.name for each in fields} - config.of_training.keys()
    assert set(config.of_training.values()) <= set(COMMON)
    undocumented = [each.name for each in fields if not each.comment]
    assert undocumented == [], "say in a comment beside the field what it is"
    # Values are what they are declared to be, defaults too.
    assert config(**{each.name: each.default for each in fields}) == config()


def test_a_name_that_is_no_algorithm() -> None:
    for name in (*ALGORITHMS, "my.own.make"):
        check_is_algorithm(name, "algorithm")
    with pytest.raises(UserError, match=r"^algo=td4: no such algorithm; did you mean td3\?"):
        check_is_algorithm("td4", "algo")
