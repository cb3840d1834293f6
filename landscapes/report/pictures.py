"""The figures of the page, drawn into memory.

Knows the gallery of figures and what a reader calls its kinds; draws nothing itself.
"""

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from landscapes.errors import UserError
from landscapes.figures.gallery import KINDS, Source, plan
from landscapes.report.gaps import Gap

TITLES = {
    "learning_curves": "Learning curves",
    "gradients": "Norms of gradients",
    "purds": "Distributions of returns over training",
    "spread": "Mean against spread and left tail",
    "pairs": "Policies with equal means",
    "paths": "Paths between policies",
    "slices": "Slices of the landscape",
    "rejections": "Rejection",
}
"""What the gallery's kinds are called on the page; others by their own name."""

_SHOWN = 0.72
"""CSS pixels to a pixel of a picture."""
_REMEDY = "this would make it: "


class Picture(NamedTuple):
    """A drawn figure: what it shows, and the bytes of a PNG file."""

    title: str
    png: bytes

    @property
    def width(self) -> int:
        """At which its letters are as large as the page's, in CSS pixels."""
        (pixels,) = struct.unpack(">I", self.png[16:20])  # as the header of every PNG file says
        return round(_SHOWN * pixels)


def draw(sources: Sequence[Source], results_dir: str | None) -> tuple[list[Picture], list[Gap]]:
    """Every figure that can be drawn of these runs, and what the others lack."""
    pictures: list[Picture] = []
    gaps: list[Gap] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            title = TITLES.get(kind, kind.replace("_", " ").capitalize())
            drawings, missing = plan(sources, [kind], results_dir)
            for drawing in drawings:
                path = Path(folder) / f"{drawing.name}.png"
                try:
                    drawn = drawing.draw([path])
                except UserError as error:
                    gaps.append(Gap(f"{title}: not drawn, {error}"))
                    continue
                if drawn is None:
                    gaps.append(Gap(f"{title}: no two policies that were measured have the same mean."))
                else:
                    pictures.append(Picture(title, path.read_bytes()))
            gaps += [_gap(title, one.why, one.remedy) for one in missing]
    return pictures, gaps


def _gap(title: str, why: str, remedy: str) -> Gap:
    before, found, command = remedy.partition(_REMEDY)
    return Gap(f"{title}: {why}.", command) if found else Gap(f"{title}: {why}; {before}.")
