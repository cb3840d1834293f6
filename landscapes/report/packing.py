"""Roll-outs as short text for a page: fewer frames, 16-bit numbers, compressed.

Knows arrays and how page/poses.js unpacks them; knows neither files nor HTML.
"""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscapes.report.rollouts import Rollout

FRAME_SECONDS = 0.02
"""The least time between two frames: more than fifty a second are not seen."""

_LARGEST = 32767


def packed(rollout: Rollout) -> dict[str, Any]:
    """`rollout` as the page wants it, ready for JSON.

    Positions keep a 65 534th of the distance covered (0.3 mm on 20 m), rotations 1 / 32 767.
    """
    frames = frames_of(rollout)
    positions = rollout.positions[frames].astype(np.float64)
    low, high = positions.min(axis=(0, 1)), positions.max(axis=(0, 1))
    centre = (low + high) / 2
    metres = max(float((high - low).max()) / 2, 1e-6) / _LARGEST
    numbers = np.concatenate(
        [np.rint((positions - centre) / metres), np.rint(rollout.rotations[frames] * float(_LARGEST))], axis=2
    )
    so_far = np.cumsum(rollout.rewards, dtype=np.float64)[frames]
    return {
        "num_links": positions.shape[1],
        "num_steps": rollout.num_steps,
        "steps_per_frame": _steps_per_frame(rollout),
        "seconds_per_step": rollout.seconds_per_step,
        "centre": [float(x) for x in centre],
        "metres": metres,
        "poses": _text(_differences(numbers.reshape(len(frames), -1))),
        "returns_so_far": _text(so_far.astype("<f4")),
    }


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
