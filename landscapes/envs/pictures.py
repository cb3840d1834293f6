"""Classic control as line drawings, and MinAtar as the coloured cells that it is: small pictures of one state each.

Knows the fields of gymnax's states and how to draw with arrays; knows no simulator and no file.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landscapes.types import PyTree

HEIGHT, WIDTH = 100, 160
"""Of a line drawing, in pixels."""

_PAPER, _INK, _FAINT, _BODY, _OTHER, _GOAL = (
    np.array(colour, np.float32)
    for colour in ((238, 241, 244), (29, 33, 39), (154, 163, 173), (86, 96, 110), (204, 121, 167), (0, 158, 115))
)
_LEVELS = 8.0
"""Between paper and ink: few colours, so that a page that carries many frames stays small."""

CELLS = np.array(
    [
        (238, 241, 244),
        (0, 114, 178),
        (213, 94, 0),
        (154, 163, 173),
        (0, 158, 115),
        (204, 121, 167),
        (230, 159, 0),
        (86, 180, 233),
        (94, 60, 153),
        (120, 80, 40),
        (29, 33, 39),
    ],
    np.uint8,
)
"""Of MinAtar: the empty cell, then one colour for each channel, the first being the player."""

SECONDS_PER_STEP: Mapping[str, float] = {"CartPole-v1": 1 / 50, "Acrobot-v1": 1 / 15}
"""How long a step is shown, as gymnasium plays these tasks."""
SECONDS_PER_CONTROL, SECONDS_PER_CELLS = 1 / 30, 1 / 10
"""The same of the other tasks of classic control, and of MinAtar."""

Point = tuple[Any, Any]


class _Sheet:
    """A drawing of a part of the plane: `scale` pixels a unit, with the point `middle` in its middle, y upwards."""

    def __init__(self, scale: float, middle: Point) -> None:
        columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
        self._scale = scale
        self.x: Any = jnp.asarray((columns - WIDTH / 2) / scale + middle[0], jnp.float32)
        self.y: Any = jnp.asarray((HEIGHT / 2 - rows) / scale + middle[1], jnp.float32)
        self._canvas: Any = jnp.broadcast_to(jnp.asarray(_PAPER), (HEIGHT, WIDTH, 3))

    def fill(self, distance: Any, colour: np.ndarray) -> None:
        """Colours what is inside, given the signed distance `[height, width]` to its edge in units of the plane."""
        share = jnp.clip(0.5 - distance * self._scale, 0.0, 1.0)
        share = (jnp.round(share * _LEVELS) / _LEVELS)[..., None]
        self._canvas = (1.0 - share) * self._canvas + share * jnp.asarray(colour)[None, None]

    def line(self, start: Point, end: Point, width: float, colour: np.ndarray) -> None:
        """A line with round ends, `width` in pixels."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = ((self.x - start[0]) * dx + (self.y - start[1]) * dy) / jnp.maximum(dx**2 + dy**2, 1e-12)
        along = jnp.clip(along, 0.0, 1.0)
        away = jnp.hypot(self.x - start[0] - along * dx, self.y - start[1] - along * dy)
        self.fill(away - width / 2 / self._scale, colour)

    def disc(self, centre: Point, radius: float, colour: np.ndarray) -> None:
        """`radius` in pixels."""
        self.line(centre, centre, 2 * radius, colour)

    def box(self, centre: Point, half_width: float, half_height: float, colour: np.ndarray) -> None:
        """An upright rectangle, half its sides in units of the plane."""
        aside, above = jnp.abs(self.x - centre[0]) - half_width, jnp.abs(self.y - centre[1]) - half_height
        self.fill(jnp.maximum(aside, above), colour)

    def picture(self) -> jax.Array:
        """`[height, width, 3]` uint8."""
        return jnp.round(self._canvas).astype(jnp.uint8)


def cart_pole(state: Any) -> jax.Array:
    """The track between the two places at which an episode ends, the cart, and its pole, which is 1 m long."""
    sheet = _Sheet(WIDTH / 5.2, (0.0, 0.55))
    sheet.line((-2.4, 0.0), (2.4, 0.0), 1.2, _FAINT)
    for end in (-2.4, 2.4):
        sheet.line((end, -0.12), (end, 0.12), 1.2, _FAINT)
    sheet.box((state.x, 0.0), 0.25, 0.13, _BODY)
    tip = (state.x + jnp.sin(state.theta), 0.13 + jnp.cos(state.theta))
    sheet.line((state.x, 0.13), tip, 4.0, _OTHER)
    sheet.disc((state.x, 0.13), 1.6, _INK)
    return sheet.picture()


def acrobot(state: Any) -> jax.Array:
    """Two links of 1 m below a hinge, and the line that the tip is to cross."""
    sheet = _Sheet(HEIGHT / 4.5, (0.0, 0.0))
    sheet.line((-2.5, 1.0), (2.5, 1.0), 1.2, _GOAL)
    first, both = state.joint_angle1, state.joint_angle1 + state.joint_angle2
    elbow = (jnp.sin(first), -jnp.cos(first))
    tip = (elbow[0] + jnp.sin(both), elbow[1] - jnp.cos(both))
    sheet.line((0.0, 0.0), elbow, 4.0, _BODY)
    sheet.line(elbow, tip, 4.0, _OTHER)
    for joint in ((0.0, 0.0), elbow):
        sheet.disc(joint, 1.8, _INK)
    return sheet.picture()


def pendulum(state: Any) -> jax.Array:
    """A rod of 1 m, upright at the angle zero, which grows against the clock."""
    sheet = _Sheet(HEIGHT / 2.6, (0.0, 0.0))
    sheet.line((0.0, 0.0), (-jnp.sin(state.theta), jnp.cos(state.theta)), 8.0, _OTHER)
    sheet.disc((0.0, 0.0), 2.2, _INK)
    return sheet.picture()


def mountain_car(state: Any, goal: float) -> jax.Array:
    """The valley sin(3x), the car in it, and the flag at the goal."""
    sheet = _Sheet(WIDTH / 1.86, (-0.3, 0.63))

    def height(x: Any) -> Any:
        return 0.45 * jnp.sin(3.0 * x) + 0.55

    slope = 1.35 * jnp.cos(3.0 * sheet.x)
    sheet.fill((sheet.y - height(sheet.x)) / jnp.sqrt(1.0 + slope**2), _FAINT)
    sheet.line((goal, height(goal)), (goal, height(goal) + 0.16), 1.2, _INK)
    sheet.line((goal + 0.03, height(goal) + 0.14), (goal + 0.05, height(goal) + 0.14), 5.0, _GOAL)
    tilt = 1.35 * jnp.cos(3.0 * state.position)
    across, up = -tilt / jnp.sqrt(1.0 + tilt**2), 1.0 / jnp.sqrt(1.0 + tilt**2)
    x, y = state.position + 0.035 * across, height(state.position) + 0.035 * up
    sheet.line((x - 0.05 * up, y + 0.05 * across), (x + 0.05 * up, y - 0.05 * across), 5.5, _OTHER)
    return sheet.picture()


def cells(channels: jax.Array) -> jax.Array:
    """Pictures of channels `[height, width, n]` as colours `[height, width, 3]`: the highest channel is seen, as in the
    display of Young and Tian (2019)."""
    highest = jnp.max(channels.astype(jnp.int32) * jnp.arange(1, channels.shape[-1] + 1)[None, None], axis=-1)
    return jnp.asarray(CELLS)[highest]


def drawing_of(task: str, params: Any) -> Callable[[PyTree], jax.Array] | None:
    """How a state of that task of classic control is drawn; None where it is none."""
    if task.startswith("MountainCar"):
        return lambda state: mountain_car(state, float(params.goal_position))
    return {"CartPole-v1": cart_pole, "Acrobot-v1": acrobot, "Pendulum-v1": pendulum}.get(task)
