"""The page itself: one HTML file that carries its pictures, its roll-outs and its programs, and loads nothing.

Knows the files in page/ and vendor/ and how they are put together; what they show is handed to it.
"""

import base64
import hashlib
from importlib import resources
from typing import Any

import jinja2

from landscapes.report.content import Content

_SCRIPTS = ("packed.js", "scene.js", "pictures.js", "player.js")
_LIBRARY = "three-0.170.0.module.min.js.gz"
_LIBRARY_LICENCE = "three-LICENSE.txt"


def render(title: str, command: str, content: Content) -> str:
    """The page as HTML; text is escaped wherever it comes from."""
    script = "\n".join(_read("page", name) for name in _SCRIPTS)
    style = _read("page", "page.css")
    stages = content.stages
    data = {
        "scenes": stages.scenes,
        "rollouts": stages.rollouts,
        "stages": {stage.id: {"first": stage.first, "entries": stage.entries} for stage in stages.stages},
    }
    values: dict[str, Any] = {
        "title": title,
        "command": command,
        "policy": _policy(script, style),
        "style": _trusted(style),
        "script": _trusted(script),
        "stages": stages.stages,
        "data": data if stages.rollouts else None,
        "bodies": any("picture" not in scene for scene in stages.scenes),
        "figures": [
            {"title": picture.title, "width": picture.width, "source": _data_address(picture.png)}
            for picture in content.pictures
        ],
        "tables": content.tables,
        "missing": content.missing,
        "about": content.about,
        "library": base64.b64encode(resources.files(__package__).joinpath("vendor", _LIBRARY).read_bytes()).decode(),
        "library_version": _LIBRARY.removesuffix(".module.min.js.gz").replace("-", " "),
        "library_licence": _trusted(_read("vendor", _LIBRARY_LICENCE)),
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_read("page", "page.html")).render(values)


def _policy(script: str, style: str) -> str:
    """What a browser lets the page do: run these very programs, and load nothing that it does not carry."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)} blob:",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _trusted(text: str) -> str:
    """`text` of a file of ours, which the template does not escape.

    Raises ValueError where it could end the element that holds it.
    """
    if "</s" in text.lower():
        raise ValueError("a file of the page holds the end of a script or style element")
    return text


def _data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _read(*place: str) -> str:
    return resources.files(__package__).joinpath(*place).read_text(encoding="utf-8")
