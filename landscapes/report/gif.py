"""A moving picture for slides: a typical neighbour and one from the left tail side by side, as an animated GIF.

Knows scenes, poses and Pillow; needs no browser and no 3-D library. The view is from the side and without perspective:
what is long and round is a thick line, what is a ball is a disc.
"""

import functools
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from landscapes.console import human_count
from landscapes.report.rollouts import Recorded, Rollout
from landscapes.report.stages import end_of

WIDTH, HEIGHT = 440, 300
"""Of one of the two panels, pixels."""
FRAMES_PER_SECOND = 25
MOST_SECONDS = 12
"""Longer roll-outs play faster, as often as it says in the picture."""

_FINER = 3
"""Everything is drawn larger by this factor, and then made smaller: Pillow's lines have no soft edges."""
_CAPTION = 50
_HOLD_SECONDS = 1.5
_CAMERA = (np.deg2rad(-90.0 + 14.0), np.deg2rad(11.0))
"""Azimuth and elevation."""
_EDGE = 1.2
"""The width of a body's dark edge, pixels."""
_BODY_HEIGHTS = 2.0
"""The height of a panel in heights of the body."""

_SKY, _FLOOR, _GRID, _SHADOW = "#eef1f4", "#d5dbe1", "#bac2ca", "#b3bcc5"
_INK, _FAINT = "#1d2127", "#626a75"
_COLOURS = {"Typical neighbour": ("#0072b2", "#00507d"), "Left tail": ("#d55e00", "#994300")}
"""Of a body, and of its edges."""

Floats = NDArray[np.float64]


def animated(one: Recorded) -> bytes:
    """The GIF of the typical neighbour and of the lowest return of a neighbourhood; it plays for ever.

    Raises ValueError where one of the two is not recorded.
    """
    if not one.median or not one.left_tail:
        raise ValueError(f"{one.title}: both roles must be recorded")
    shown = dict(zip(_COLOURS, (one.median[0], one.left_tail[0]), strict=True))
    panels = [_Panel(one.scene, rollout, title) for title, rollout in shown.items()]
    seconds = max(rollout.num_steps * rollout.seconds_per_step for rollout in shown.values())
    speed = max(1, int(np.ceil(seconds / MOST_SECONDS)))
    frames = [_frame(one, panels, time, speed) for time in _times(seconds, speed)]
    return _encoded(frames)


def _times(seconds: float, speed: int) -> Floats:
    return np.append(np.arange(0.0, seconds, speed / FRAMES_PER_SECOND), seconds)


def _encoded(frames: Sequence[Image.Image]) -> bytes:
    # One palette for all, so that nothing flickers; first and last frame together have every colour that there is.
    both = Image.new("RGB", (frames[0].width, 2 * frames[0].height))
    both.paste(frames[0])
    both.paste(frames[-1], (0, frames[0].height))
    palette = both.quantize(128, dither=Image.Dither.NONE)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    duration = 1000 // FRAMES_PER_SECOND
    durations = [duration] * len(others) + [int(1000 * _HOLD_SECONDS)]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return buffer.getvalue()


def _frame(one: Recorded, panels: Sequence["_Panel"], time: float, speed: int) -> Image.Image:
    gap = 10
    size = (len(panels) * WIDTH + (len(panels) + 1) * gap, HEIGHT + 2 * gap + 2 * _CAPTION)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    faster = f", {speed} times as fast" if speed > 1 else ""
    draw.text((gap, gap), f"{one.title}{faster}", fill=_INK, font=_font(15))
    for index, panel in enumerate(panels):
        left = gap + index * (WIDTH + gap)
        picture.paste(panel.drawn(time), (left, gap + 28))
        top = gap + 28 + HEIGHT + 6
        draw.text((left, top), panel.title, fill=_COLOURS[panel.title][0], font=_font(16))
        draw.text((left, top + 22), panel.told(time), fill=_FAINT, font=_font(14))
    return picture


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


class _Shape(NamedTuple):
    """A piece where it is: points `[k, 3]` that are joined by a line of this radius, in metres."""

    points: Floats
    radius: float


class _Panel:
    """One roll-out as it is drawn at any time."""

    def __init__(self, scene: dict[str, Any], rollout: Rollout, title: str) -> None:
        self.title = title
        self._rollout, self._follow = rollout, scene["follow"]
        self._pieces = [piece for piece in scene["pieces"] if piece["shape"] != "plane"]
        self._floor = next((x["position"][2] for x in scene["pieces"] if x["shape"] == "plane"), None)
        body = np.concatenate([shape.points for shape in self._shapes(0) if len(shape.points)])
        thickest = max(shape.radius for shape in self._shapes(0))
        low, high = body.min(axis=0) - thickest, body.max(axis=0) + thickest
        self._scale = _FINER * HEIGHT / (_BODY_HEIGHTS * max(float((high - low).max()), 1e-3))
        self._middle: Floats = (low + high) / 2
        azimuth, elevation = _CAMERA
        self._right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        towards = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        self._towards = towards
        self._up = np.cross(towards, self._right)
        self._drawn_step = functools.lru_cache(maxsize=1)(self._draw_step)  # one that has ended is drawn once

    def step_at(self, time: float) -> int:
        """The last step that is over at a time in seconds."""
        return min(int(time / self._rollout.seconds_per_step), self._rollout.num_steps - 1)

    def told(self, time: float) -> str:
        """What is said below the panel."""
        rollout = self._rollout
        if time >= rollout.num_steps * rollout.seconds_per_step:
            return f"return {rollout.recorded_return:,.0f}, {end_of(rollout)}"
        step = self.step_at(time)
        return f"step {human_count(step + 1)}, return so far {rollout.rewards[: step + 1].sum(dtype=np.float64):,.0f}"

    def drawn(self, time: float) -> Image.Image:
        """The panel at a time in seconds; after its end the roll-out stands still and pales."""
        ended = time >= self._rollout.num_steps * self._rollout.seconds_per_step
        return self._drawn_step(self.step_at(time), ended)

    def _draw_step(self, step: int, ended: bool) -> Image.Image:
        target = self._middle.copy()
        if self._follow is not None:
            target[:2] = self._rollout.positions[step, self._follow, :2]
        picture = Image.new("RGB", (_FINER * WIDTH, _FINER * HEIGHT), _SKY)
        draw = ImageDraw.Draw(picture)
        shapes = sorted(self._shapes(step), key=lambda shape: float((shape.points @ self._towards).mean()))
        if self._floor is not None:
            self._draw_floor(draw, target, shapes)
        inside, edge = _COLOURS[self.title]
        for shape in shapes:
            points = self._seen(shape.points, target)
            half = shape.radius * self._scale
            _draw_line(draw, points, half, edge)
            _draw_line(draw, points, half - _EDGE * _FINER, inside)
        small = picture.reduce(_FINER)
        return Image.blend(small, Image.new("RGB", small.size, _SKY), 0.35) if ended else small

    def _draw_floor(self, draw: ImageDraw.ImageDraw, target: Floats, shapes: Sequence[_Shape]) -> None:
        reach = 3.0 * _FINER * WIDTH / self._scale
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
        return np.column_stack([_FINER * WIDTH / 2 + across, _FINER * HEIGHT / 2 - upwards])

    def _shapes(self, step: int) -> Iterator[_Shape]:
        """Every piece but the floor, where it is after a step."""
        positions, rotations = self._rollout.positions[step], self._rollout.rotations[step]
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
