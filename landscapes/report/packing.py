"""Roll-outs as short text for a page: fewer frames, 16-bit numbers or numbered colours, compressed.

Knows arrays and how page/packed.js unpacks them; knows neither files nor HTML.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from landscapes.report.rollouts import Frames, Poses, Rollout

FRAME_SECONDS = 0.02
"""The least time between two frames: more than fifty a second are not seen."""

_LARGEST = 32767


def packed(rollout: Rollout) -> dict[str, Any]:
    """`rollout` as the page wants it, ready for JSON."""
    frames = frames_of(rollout)
    so_far = np.cumsum(rollout.rewards, dtype=np.float64)[frames]
    seen = rollout.seen
    return {
        "num_steps": rollout.num_steps,
        "steps_per_frame": _steps_per_frame(rollout),
        "seconds_per_step": rollout.seconds_per_step,
        "returns_so_far": _text(so_far.astype("<f4")),
        **(_packed_pictures(seen, frames) if isinstance(seen, Frames) else _packed_poses(seen, frames)),
    }


def _packed_poses(seen: Poses, frames: NDArray[np.intp]) -> dict[str, Any]:
    """Positions keep a 65 534th of the distance covered (0.3 mm on 20 m), rotations 1 / 32 767."""
    positions = seen.positions[frames].astype(np.float64)
    low, high = positions.min(axis=(0, 1)), positions.max(axis=(0, 1))
    centre = (low + high) / 2
    metres = max(float((high - low).max()) / 2, 1e-6) / _LARGEST
    numbers = np.concatenate(
        [np.rint((positions - centre) / metres), np.rint(seen.rotations[frames] * float(_LARGEST))], axis=2
    )
    return {
        "num_links": positions.shape[1],
        "centre": [float(x) for x in centre],
        "metres": metres,
        "poses": _text(_differences(numbers.reshape(len(frames), -1))),
    }


def _packed_pictures(seen: Frames, frames: NDArray[np.intp]) -> dict[str, Any]:
    """Colours by number, each frame as what changes from the one before; of more than 256 colours the nearest ones."""
    pictures = seen.pictures[frames]
    num, height, width, _ = pictures.shape
    colours, numbers = _numbered(pictures.reshape(num * height, width, 3))
    numbers = numbers.reshape(num, height * width)
    steps = np.diff(numbers.astype(np.int64), axis=0, prepend=0).astype(
        np.uint8
    )  # modulo 256, as the page adds them up
    return {
        "height": height,
        "width": width,
        "colours": _text(colours),
        "pictures": _text(steps),
    }


def _numbered(strip: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The colours `[n, 3]`, n at most 256, of a picture `[height, width, 3]`, and which of them each pixel has."""
    wide = strip.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, numbers = np.unique(wide, return_inverse=True)
    if len(found) <= 256:
        colours = np.stack([found >> 16, (found >> 8) & 255, found & 255], axis=1)
        return colours.astype(np.uint8), numbers.astype(np.uint8)
    image = Image.fromarray(strip).quantize(256, dither=Image.Dither.NONE)
    palette = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
    return palette, np.asarray(image)


def frames_of(rollout: Rollout) -> NDArray[np.intp]:
    """The steps that are shown: evenly spaced, and the last."""
    frames = np.arange(0, rollout.num_steps, _steps_per_frame(rollout))
    return frames if frames[-1] == rollout.num_steps - 1 else np.append(frames, rollout.num_steps - 1)


def _steps_per_frame(rollout: Rollout) -> int:
    return max(1, round(FRAME_SECONDS / rollout.seconds_per_step))


def _differences(numbers: NDArray[np.float64]) -> NDArray[np.int16]:
    """Columns `[num_columns, num_frames]` as steps from frame to frame, the first from 0, wrapping around."""
    columns = np.clip(numbers.T, -_LARGEST, _LARGEST).astype(np.int64)
    steps = np.diff(columns, axis=1, prepend=0)
    return steps.astype(np.uint16).astype("<i2")  # modulo 2^16, as the page adds them up


def _text(numbers: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 9)).decode("ascii")
