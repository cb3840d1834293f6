"""The simulators, alone, behind one contract (`landscapes.types.Environment`).

Knows which simulators there are and how to build one by name or dotted path; knows no agent. Importing this package
imports no JAX: `landscapes.envs.tasks` is asked before that.
"""

from typing import TYPE_CHECKING, Any

from landscapes.envs.tasks import split_environment_name

if TYPE_CHECKING:
    from landscapes.envs.registry import make_environment as make_environment

__all__ = ["make_environment", "split_environment_name"]


def __getattr__(name: str) -> Any:
    if name == "make_environment":
        from landscapes.envs.registry import make_environment

        return make_environment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
