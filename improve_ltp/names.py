"""What a walk is called, in files and as a run.

Knows its settings; knows no folder, and nothing of how it walks.
"""

from landscapes.config.schemas import RejectLtp
from landscapes.run_names import child_name


def heuristic_id(s: RejectLtp) -> str:
    """The heuristic with everything that changes its decisions, as it stands in paths and names: published spelling."""
    name = {"cvar": f"{s.cvar_alpha}cvar", "none": "noreject"}.get(str(s.heuristic), str(s.heuristic))
    options = "_crn" * s.common_random_numbers + "_remeasured" * s.remeasure_incumbent
    return name + options + ("" if s.sequential_error is None else f"_seq{s.sequential_error}")


def walk_name(s: RejectLtp, parent: str) -> str:
    """The run that a walk from a policy of run `parent` makes, where no name is asked for."""
    root = s.root_policy_conf
    return child_name(parent, root.seed, root.step, f"{heuristic_id(s)}_{s.seed}")
