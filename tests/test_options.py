"""Options typed as `key=value`: what argparse is handed, and which ones are refused in one line."""

import argparse

import pytest

from landscapes import options


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="p")
    made.add_argument("runs", nargs="*")
    made.add_argument("--results-dir")
    made.add_argument("--only", nargs="+", choices=("a", "b"))
    made.add_argument("--checkpoint", type=int, nargs=2)
    made.add_argument("--no-browser", dest="browser", action="store_false")
    made.add_argument("--wait", action="store_true")
    return made


DEFAULTS = {"runs": [], "results_dir": None, "only": None, "checkpoint": None, "browser": True, "wait": False}


@pytest.mark.parametrize(
    "words, changed",
    [
        ("results_dir=x", {"results_dir": "x"}),
        ("--results-dir x", {"results_dir": "x"}),
        ("results_dir=null", {}),
        ("results_dir=a=b", {"results_dir": "a=b"}),
        ("results_dir=-x", {"results_dir": "-x"}),
        ("--results-dir results_dir=x", {"results_dir": "results_dir=x"}),
        ("--wait results_dir=x", {"wait": True, "results_dir": "x"}),
        ("only=a,b hopper", {"only": ["a", "b"], "runs": ["hopper"]}),
        ("only=[a] hopper wait=true ant", {"only": ["a"], "runs": ["hopper", "ant"], "wait": True}),
        ("hopper --only a b", {"only": ["a", "b"], "runs": ["hopper"]}),
        ("checkpoint=[0,200]", {"checkpoint": [0, 200]}),
        ("browser=false", {"browser": False}),
        ("browser=true wait=false", {}),
        ("./a=b /c=d A=b", {"runs": ["./a=b", "/c=d", "A=b"]}),
        ("-- results_dir=x", {"runs": ["results_dir=x"]}),
        ("wait=true -- a", {"runs": ["a"], "wait": True}),
    ],
)
def test_both_spellings_mean_the_same(words: str, changed: dict[str, object]) -> None:
    assert vars(options.parse(parser(), words.split())) == DEFAULTS | changed


@pytest.mark.parametrize(
    "word, line",
    [
        ("resutls_dir=x", "resutls_dir=x: no such option; did you mean results_dir?\n"),
        ("zzz=1", "zzz=1: no such option; there are results_dir, only, checkpoint, browser, wait\n"),
        ("wait=yes", "wait=yes: must be true or false\n"),
    ],
)
def test_mistakes_are_one_line(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(parser(), ["hopper", word])
    assert ended.value.code == 2
    assert capsys.readouterr().err == line


def test_settings_of_jobs_stay_as_they_are() -> None:
    told = options.parse(parser(), ["run_algorithm", "env=hopper", "results_dir=x", "+a.b=1"], with_settings=True)
    assert (told.runs, told.results_dir) == (["run_algorithm", "env=hopper", "+a.b=1"], "x")
