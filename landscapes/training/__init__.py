"""Training and evaluation of all members of a run, with many seeds in one program.

Knows the algorithm record and the environment contract; knows no concrete algorithm, no file and no logger.
"""

from landscapes.training.agent import make_agent
from landscapes.training.evaluator import Evaluator, make_evaluator
from landscapes.training.members import MemberKeys, Members, layout, member_keys, places
from landscapes.training.trainer import Tally, Trainer, blank_tally, iterate, iteration, make_trainer, means

__all__ = [
    "Evaluator",
    "MemberKeys",
    "Members",
    "Tally",
    "Trainer",
    "blank_tally",
    "iterate",
    "iteration",
    "layout",
    "make_agent",
    "make_evaluator",
    "make_trainer",
    "means",
    "member_keys",
    "places",
]
