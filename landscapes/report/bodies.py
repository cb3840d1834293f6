"""A body of a scene from the side, without perspective: what is long and round is a thick line, a ball is a disc.

Knows scenes, poses and Pillow; needs no browser and no 3-D library, and knows nothing of time.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from landscapes.report.rollouts import Poses

_FINER = 3
"""Everything is drawn larger by this factor, and then made smaller: Pillow's lines have no soft edges."""
_CAMERA = (np.deg2rad(-90.0 + 14.0), np.deg2rad(11.0))
"""Azimuth and elevation."""
_EDGE = 1.2
"""The width of a body's dark edge, pixels."""
_BODY_HEIGHTS = 2.0
"""The height of a picture in heights of the body."""

SKY = "#eef1f4"
_FLOOR, _GRID, _SHADOW = "#d5dbe1", "#bac2ca", "#b3bcc5"

Floats = NDArray[np.float64]


class _Shape(NamedTuple):
    """A piece where it is: points `[k, 3]` that are joined by a line of this radius, in metres."""

    points: Floats
    radius: float


class Body:
    """The body of one roll-out, in pictures of `size` (width, height); `colours` are of a body and of its edges."""

    def __init__(self, scene: dict[str, Any], poses: Poses, size: tuple[int, int], colours: tuple[str, str]) -> None:
        self._poses, self._follow, self._size, self._colours = poses, scene["follow"], size, colours
        self._pieces = [piece for piece in scene["pieces"] if piece["shape"] != "plane"]
        self._floor = next((x["position"][2] for x in scene["pieces"] if x["shape"] == "plane"), None)
        body = np.concatenate([shape.points for shape in self._shapes(0) if len(shape.points)])
        thickest = max(shape.radius for shape in self._shapes(0))
        low, high = body.min(axis=0) - thickest, body.max(axis=0) + thickest
        self._scale = _FINER * size[1] / (_BODY_HEIGHTS * max(float((high - low).max()), 1e-3))
        self._middle: Floats = (low + high) / 2
        azimuth, elevation = _CAMERA
        self._right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        towards = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        self._towards = towards
        self._up = np.cross(towards, self._right)

    def drawn(self, step: int) -> Image.Image:
        """The body after a step."""
        target = self._middle.copy()
        if self._follow is not None:
            target[:2] = self._poses.positions[step, self._follow, :2]
        width, height = self._size
        picture = Image.new("RGB", (_FINER * width, _FINER * height), SKY)
        draw = ImageDraw.Draw(picture)
        shapes = sorted(self._shapes(step), key=lambda shape: float((shape.points @ self._towards).mean()))
        if self._floor is not None:
            self._draw_floor(draw, target, shapes)
        inside, edge = self._colours
        for shape in shapes:
            points = self._seen(shape.points, target)
            half = shape.radius * self._scale
            _draw_line(draw, points, half, edge)
            _draw_line(draw, points, half - _EDGE * _FINER, inside)
        return picture.reduce(_FINER)

    def _draw_floor(self, draw: ImageDraw.ImageDraw, target: Floats, shapes: Sequence[_Shape]) -> None:
        reach = 3.0 * _FINER * self._size[0] / self._scale
        cell = 1.0 if reach > 4.0 else 0.1
        near, far = -2.0 * reach, 0.4 * reach
        corners = target[:2] + np.array([[-3 * reach, near], [3 * reach, near], [3 * reach, far], [-3 * reach, far]])
        draw.polygon(self._flat(corners, target), fill=_FLOOR)
        for x in np.arange(np.floor((target[0] - reach) / cell), (target[0] + reach) / cell + 1) * cell:
            ends = np.array([[x, target[1] + near], [x, target[1] + far]])
            draw.line(self._flat(ends, target), fill=_GRID, width=_FINER)
        for shape in shapes:
            on_floor = np.column_stack([shape.points[:, :2], np.full(len(shape.points), self._floor)])
            _draw_line(draw, self._seen(on_floor, target), 0.5 * shape.radius * self._scale, _SHADOW)

    def _flat(self, points: Floats, target: Floats) -> list[tuple[float, float]]:
        """Points `[k, 2]` of the floor as pixels."""
        seen = self._seen(np.column_stack([points, np.full(len(points), self._floor)]), target)
        return [(float(x), float(y)) for x, y in seen]

    def _seen(self, points: Floats, target: Floats) -> Floats:
        """Points `[k, 3]` as pixels `[k, 2]`."""
        away = points - target
        across, upwards = away @ self._right * self._scale, away @ self._up * self._scale
        width, height = self._size
        return np.column_stack([_FINER * width / 2 + across, _FINER * height / 2 - upwards])

    def _shapes(self, step: int) -> Iterator[_Shape]:
        """Every piece but the floor, where it is after a step."""
        positions, rotations = self._poses.positions[step], self._poses.rotations[step]
        for piece in self._pieces:
            points = _turned(np.array(piece["rotation"]), _outline(piece)) + np.array(piece["position"])
            if piece["link"] >= 0:
                points = _turned(rotations[piece["link"]], points) + positions[piece["link"]]
            yield _Shape(points.astype(np.float64), _radius(piece))


def _draw_line(draw: ImageDraw.ImageDraw, points: Floats, half: float, colour: str) -> None:
    """A line through points `[k, 2]` with round ends and corners, `half` its width in pixels."""
    half = max(half, 1.0)
    for x, y in points:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        aside = np.array([to_y - y, x - to_x])
        length = float(np.hypot(*aside))
        if length > 0:
            dx, dy = half * aside / length
            corners = [(x + dx, y + dy), (to_x + dx, to_y + dy), (to_x - dx, to_y - dy), (x - dx, y - dy)]
            draw.polygon(corners, fill=colour)


def _outline(piece: dict[str, Any]) -> Floats:
    """The points of a piece in its own frame: the axis of what is long, the centre of a ball, the edges of a box."""
    size = piece["size"]
    if piece["shape"] in ("capsule", "cylinder"):
        return np.array([[0.0, 0.0, -size[1]], [0.0, 0.0, size[1]]])
    if piece["shape"] == "box":
        signs = np.array(
            [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, 1, 1], [1, 1, 1], [1, -1, 1], [-1, -1, 1]]
        )
        return signs * np.array(size)
    return np.zeros((1, 3))


def _radius(piece: dict[str, Any]) -> float:
    size = piece["size"]
    return 0.1 * min(size) if piece["shape"] == "box" else max(size) if piece["shape"] == "ellipsoid" else size[0]


def _turned(quaternion: NDArray[Any], points: Floats) -> Floats:
    """Points `[k, 3]` turned by a unit quaternion (w, x, y, z)."""
    w, axis = float(quaternion[0]), np.asarray(quaternion[1:], np.float64)
    crossed = np.cross(axis, points)
    return points + 2.0 * (w * crossed + np.cross(axis, crossed))
