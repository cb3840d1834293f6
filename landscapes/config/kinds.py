"""The kinds of experiment that each entry point runs.

Knows the settings class of each; an experiment is a file conf/experiment/NAME.yaml that says which kind it is of.
"""

from collections.abc import Mapping
from types import MappingProxyType

from landscapes.config.schemas import (
    LandscapeSlice,
    Neighborhood,
    Paths,
    PolicyInterpolation,
    PolicyInterpolationSeed,
    PolicyTest,
    PolicyVariance,
    RejectLtp,
    StudySettings,
    Td3RejectLtp,
    TrainBc,
)
from landscapes.config.training import Training

Settings = Training | StudySettings

KINDS: Mapping[str, Mapping[str, type[Settings]]] = MappingProxyType(
    {
        "run_algorithm": {"train": Training, "train_bc": TrainBc},
        "eval_policy": {
            "neighborhood": Neighborhood,
            "test": PolicyTest,
            "policy_variance": PolicyVariance,
            "paths": Paths,
            "policy_interpolation_seed": PolicyInterpolationSeed,
            "policy_interpolation": PolicyInterpolation,
            "landscape_slice": LandscapeSlice,
        },
        "improve_ltp": {"td3_reject_ltp": Td3RejectLtp, "reject_ltp": RejectLtp},
    }
)
"""Of each entry point. A new one is a row here and a module ENTRY_POINT/experiments/KIND.py."""


def entry_point_of(kind: object) -> str | None:
    """The entry point that runs experiments of that kind; None where there is no such kind."""
    return next((name for name, kinds in KINDS.items() if isinstance(kind, str) and kind in kinds), None)
