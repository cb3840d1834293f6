"""A moving picture for slides: a typical neighbour and one from the left tail side by side, as an animated GIF.

Knows recorded roll-outs, time and Pillow; leaves drawing bodies to `bodies`, and needs no browser.
"""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from landscapes.console import human_count
from landscapes.report.bodies import SKY, Body, Floats
from landscapes.report.rollouts import Frames, Recorded, Rollout
from landscapes.report.stages import end_of

WIDTH, HEIGHT = 440, 300
"""Of one of the two panels, pixels."""
FRAMES_PER_SECOND = 25
MOST_SECONDS = 12
"""Longer roll-outs play faster, as often as it says in the picture."""

_CAPTION = 50
_HOLD_SECONDS = 1.5
_CELLS_BELOW = 64
"""Pixels: smaller pictures are made of cells, whose edges stay sharp."""
_SAMPLES = 9
"""So many frames, evenly spaced, give the palette of all."""

_INK, _FAINT = "#1d2127", "#626a75"
_COLOURS = (("#0072b2", "#00507d"), ("#d55e00", "#994300"))
"""Of the body on the left, and of its edges; of that on the right."""


def animated(one: Recorded) -> bytes:
    """The GIF of the typical neighbour and of the lowest return of a neighbourhood; it plays for ever.

    Raises ValueError where one of the two is not recorded.
    """
    if not one.median or not one.left_tail:
        raise ValueError(f"{one.title}: both roles must be recorded")
    shown = (one.median[0], one.left_tail[0])
    panels = [_Panel(one.scene, *each) for each in zip(shown, one.roles, _COLOURS, strict=True)]
    seconds = max(rollout.num_steps * rollout.seconds_per_step for rollout in shown)
    speed = max(1, int(np.ceil(seconds / MOST_SECONDS)))
    frames = [_frame(one, panels, time, speed) for time in _times(seconds, speed)]
    return _encoded(frames)


def _times(seconds: float, speed: int) -> Floats:
    return np.append(np.arange(0.0, seconds, speed / FRAMES_PER_SECOND), seconds)


def _encoded(frames: Sequence[Image.Image]) -> bytes:
    # One palette for all, so that nothing flickers.
    chosen = [frames[int(index)] for index in np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).round())]
    together = Image.new("RGB", (frames[0].width, len(chosen) * frames[0].height))
    for index, frame in enumerate(chosen):
        together.paste(frame, (0, index * frame.height))
    palette = together.quantize(128, dither=Image.Dither.NONE)
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
        draw.text((left, top), panel.title, fill=panel.colours[0], font=_font(16))
        draw.text((left, top + 22), panel.told(time), fill=_FAINT, font=_font(14))
    return picture


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


class _Panel:
    """One roll-out as it is drawn at any time."""

    def __init__(self, scene: dict[str, Any], rollout: Rollout, title: str, colours: tuple[str, str]) -> None:
        self.title = title
        self.colours = colours
        self._rollout = rollout
        self._draw = _drawing(scene, rollout, colours)
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
        picture = self._draw(step)
        return Image.blend(picture, Image.new("RGB", picture.size, SKY), 0.35) if ended else picture


def _drawing(scene: dict[str, Any], rollout: Rollout, colours: tuple[str, str]) -> Callable[[int], Image.Image]:
    """What a panel shows after a step."""
    seen = rollout.seen
    if not isinstance(seen, Frames):
        return Body(scene, seen, (WIDTH, HEIGHT), colours).drawn

    def drawn(step: int) -> Image.Image:
        picture = Image.fromarray(seen.pictures[step])
        scale = min(WIDTH / picture.width, HEIGHT / picture.height)
        size = (round(scale * picture.width), round(scale * picture.height))
        cells = max(picture.size) < _CELLS_BELOW
        larger = picture.resize(size, Image.Resampling.NEAREST if cells else Image.Resampling.BICUBIC)
        panel = Image.new("RGB", (WIDTH, HEIGHT), "white")
        panel.paste(larger, ((WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2))
        return panel

    return drawn
