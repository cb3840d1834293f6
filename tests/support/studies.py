"""Small commands of studies that guests of any kind go through: what they say beside the run and its sizes.

Knows the published keys; runs nothing.
"""

from collections.abc import Sequence

Command = tuple[str, list[str]]
"""An entry point and its arguments."""


def path_and_slice(of: Sequence[str], ckpt: int, short: Sequence[str], slice_samples: int) -> list[Command]:
    """All paths of a seed, and a line through one of its checkpoints; `of` names run and seed, `short` the sizes."""
    return [
        (
            "eval_policy",
            [
                "experiment=policy_interpolation_seed",
                *of,
                "experiment.same_seed=true",
                "experiment.first_half=null",
                "experiment.num_points=3",
                "experiment.num_purd_samples=2",
                *short,
            ],
        ),
        (
            "eval_policy",
            [
                "experiment=landscape_slice",
                *of,
                f"experiment.ckpt={ckpt}",
                "experiment.num_x=3",
                "experiment.num_y=1",
                f"experiment.num_samples={slice_samples}",
                *short,
            ],
        ),
    ]
