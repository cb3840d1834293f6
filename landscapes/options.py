"""Options of commands that only tell something, typed as `--results-dir DIR` or, as jobs have it, `results_dir=DIR`.

Knows argparse and that spelling; knows no command.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence

from landscapes.errors import UserError

_SETTING = re.compile(r"([a-z][a-z_]*)=(.*)", re.DOTALL)
_TRUTH = {"true": True, "false": False}


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, with_settings: bool = False
) -> argparse.Namespace:
    """What the parser makes of the arguments (default: this process's), after `key=value` has become `--key value`.

    An option that only switches is `wait=true`, several values are `only=purds,spread`, and null is the default. With
    `with_settings` other keys are left as they are, for jobs. Ends the process with 2, as the parser itself does, after
    one line for a key that there is not, or a value that cannot be.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser.epilog = parser.epilog or "Options can be typed as jobs have theirs: --results-dir DIR is results_dir=DIR."
    try:
        return parser.parse_args(list(_as_options(parser, words, with_settings)))
    except UserError as error:
        parser.exit(2, f"{error}\n")


def _as_options(parser: argparse.ArgumentParser, words: Sequence[str], with_settings: bool) -> Iterator[str]:
    options = {action.dest: action for action in parser._actions if action.option_strings and action.dest != "help"}
    flags = [name for action in parser._actions if action.nargs == 0 for name in action.option_strings]
    last: list[str] = []  # behind all words, as an option with several values takes whatever follows
    before = ""
    for index, word in enumerate(words):
        if word == "--":
            yield from (*last, *words[index:])
            return
        found = _SETTING.fullmatch(word)
        of_option = before.startswith("--") and "=" not in before and before not in flags
        before = word
        if found is None or of_option or (with_settings and found[1] not in options):
            yield word
            continue
        key, text = found.groups()
        if key not in options:
            raise UserError(key, text, f"no such option; {_closest(key, options)}")
        last += _words(options[key], key, text)
    yield from last


def _words(action: argparse.Action, key: str, text: str) -> list[str]:
    name = max(action.option_strings, key=len)
    if text == "null":
        return []
    if action.nargs == 0:
        if text not in _TRUTH:
            raise UserError(key, text, "must be true or false")
        return [name] if _TRUTH[text] == action.const else []
    if action.nargs is None:
        return [f"{name}={text}"]
    return [name, *text.removeprefix("[").removesuffix("]").split(",")]


def _closest(key: str, options: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, options, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(options)}"
