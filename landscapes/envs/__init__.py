"""The simulators, alone, behind one contract (`landscapes.types.Environment`).

Knows which simulators there are and how to build one by name or dotted path; knows no agent.
"""

from landscapes.envs.registry import make_environment, split_environment_name

__all__ = ["make_environment", "split_environment_name"]
