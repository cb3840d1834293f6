"""What to draw of a body in three dimensions: the geometry of a model of MuJoCo, ready for JSON.

Knows how MuJoCo numbers and measures geometries; knows no simulator and no file. docs/files.md says what is what.
"""

from collections.abc import Sequence
from typing import Any

SHAPES = {0: "plane", 2: "sphere", 3: "capsule", 4: "ellipsoid", 5: "cylinder", 6: "box"}
"""MuJoCo's numbers of the geometries that a scene may hold; no task has others."""


def scene_of(model: Any, links: Sequence[str], seconds_per_step: float, followed: int | None) -> dict[str, Any]:
    """The geometry of `model`, each piece by the link that carries it (-1: the world), in that link's frame.

    `followed` is the link that a camera follows.
    """
    pieces = [
        {
            "shape": SHAPES[int(model.geom_type[index])],
            "link": int(model.geom_bodyid[index]) - 1,
            "size": _rounded(model.geom_size[index]),
            "position": _rounded(model.geom_pos[index]),
            "rotation": _rounded(model.geom_quat[index]),
        }
        for index in range(model.ngeom)
        if int(model.geom_type[index]) in SHAPES
    ]
    named = [link or f"link {index}" for index, link in enumerate(links)]
    return {"links": named, "pieces": pieces, "seconds_per_step": round(seconds_per_step, 6), "follow": followed}


def _rounded(numbers: Any) -> list[float]:
    return [round(float(number), 5) for number in numbers]
