"""What pyproject.toml cannot say: in a wheel conf/ lies inside the package, which reads it there.

Knows folders only; all else is in pyproject.toml.
"""

from setuptools import find_namespace_packages, setup

CONF = "landscapes.conf"

setup(
    packages=[
        *find_namespace_packages(include=["landscapes*", "run_algorithm*", "eval_policy*", "improve_ltp*"]),
        *(CONF, *(f"{CONF}.{name}" for name in find_namespace_packages("conf"))),
    ],
    package_dir={CONF: "conf"},
)
