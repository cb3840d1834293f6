"""What is printed to be pasted is read back as it was meant, by a shell and by Hydra."""

import shlex

from landscapes import commands
from landscapes.config.compose import compose_job, compose_sweep

NASTY = [
    "/scratch/my results/a=b,c",
    '/tmp/d\'or/"x"',
    "/tmp/(a)[b]{c}",
    "/tmp/r\u00e9sultats \u4e2d",
    "/tmp/$HOME/`id`",
    "/tmp/${random_seed}",
    r"/tmp/\${a}\\${b}",
    "C:\\a\\",
    r"a\'b\\'c\\",
    "a\\",
    "'",
    "~/x",
    "./x y",
    "../x",
    "#a!b;c&d|e<f>g*h?",
    " a ",
    "1e5",
    "16904957_3",
    "-5",
    "null",
    "True",
    "nan",
    "range(3)",
    "a:b@c%d+e",
    "--x",
    "plain-name_1.h5",
    "tab\tnewline\nend",
]
KEYS = ("results_dir", "project_name", "run_host")


def test_a_setting_is_read_back() -> None:
    for first in range(0, len(NASTY), len(KEYS)):
        wanted = dict(zip(KEYS, NASTY[first:], strict=False))
        pasted = shlex.split(commands.line(commands.setting(key, text) for key, text in wanted.items()))
        jobs = compose_sweep("run_algorithm", [*pasted, "experiment.seed=1,2"])
        for job in [compose_job("run_algorithm", pasted), *jobs]:
            assert {key: job.resolved[key] for key in wanted} == wanted


def test_what_needs_no_quotes_has_none() -> None:
    words = [commands.setting("results_dir", "/scratch/calm-1.x"), "experiment.seed=0"]
    assert commands.python("eval_policy", *words) == (
        "python -m eval_policy results_dir=/scratch/calm-1.x experiment.seed=0"
    )
