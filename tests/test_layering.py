"""Imports point down the list of rooms only; functions take few arguments, and files are short.

Knows names of modules, read from the source without running it; knows nothing of what the modules do.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("landscapes", "run_algorithm", "eval_policy", "improve_ltp", "benchmarks")

SIMULATORS = frozenset({"brax", "mujoco", "jaxopt", "gymnax", "gymnasium", "ale_py", "Box2D"})
SHELL = frozenset({"hydra", "omegaconf", "submitit", "wandb", "h5py", "matplotlib", "rich"})
ARRAYS = frozenset({"jax", "flax", "optax"})

MATHS = frozenset(
    {
        "losses",
        "advantages",
        "running moments",
        "distributions",
        "networks",
        "actor and critic",
        "policies",
        "optimizers",
        "schedules",
        "algorithms",
        "algorithm parts",
    }
)
LEARNING = MATHS | {"algorithm registry"}
CONFIG = frozenset(
    {
        "errors",
        "settings",
        "settings of algorithms",
        "tasks",
        "folders",
        "runtime",
        "xla flags",
        "squeue",
        "submission",
        "stopping",
        "streams",
        "output",
        "run names",
        "commands",
        "storage",
        "sweep folder",
    }
)
LOADING = frozenset({"errors", "types", "replay", "envs", "algorithm registry", "training", "storage"})
FIGURES = frozenset({"errors", "streams", "output", "commands", "options", "statistics", "storage"})
BROWSING = FIGURES | {"run names", "folders", "console", "tables", "sweep folder"}
REPORT = FIGURES | {"console", "tables", "figures", "runs"}

PAPER = frozenset({"errors", "folders", "statistics", "corrected", "tables", "storage", "console", "stages"})
PACKING = frozenset({"errors", "types", "replay", "storage", "console", "loading", "stages", "paper"})
DEMO = frozenset({"errors", "folders", "options", "statistics", "tables", "storage", "console"})


class Room(NamedTuple):
    """One floor of the house: its modules may import each other and whatever lies below, except as said here.

    A module is given by its full name, or as `package.*` for all that is inside it; the longest match decides.
    """

    name: str
    modules: tuple[str, ...]
    never: frozenset[str] = frozenset()
    """Rooms, of those below, that are closed to this one; its own name means that its modules keep apart."""
    only: frozenset[str] | None = None
    """The only rooms that are open, where not all below are."""
    without: frozenset[str] = SIMULATORS
    """Packages of others that no module here imports, inside a function neither."""


CORE = SIMULATORS | SHELL

# Ground floor first. A new module gets a line here, as low as it can stand.
HOUSE = (
    Room("errors", ("landscapes.errors",), without=CORE | ARRAYS),
    Room("spaces", ("landscapes.spaces",), only=frozenset(), without=CORE),
    Room("types", ("landscapes.types",), only=frozenset({"spaces"}), without=CORE),
    Room("statistics", ("landscapes.statistics", "landscapes.statistics.*"), only=frozenset({"errors"}), without=CORE),
    Room("sequential", ("landscapes.statistics.sequential",), only=frozenset({"statistics"}), without=CORE | ARRAYS),
    Room("corrected", ("landscapes.statistics.corrected",), only=frozenset({"statistics"}), without=CORE | ARRAYS),
    Room("tables", ("landscapes.statistics.tables",), only=frozenset({"statistics"}), without=CORE | ARRAYS),
    # The computer
    Room(
        "folders",
        ("landscapes.machine", "landscapes.machine.folders"),
        only=frozenset({"errors"}),
        without=CORE | ARRAYS,
    ),
    Room("xla flags", ("landscapes.machine.xla_flags",), only=frozenset(), without=CORE | ARRAYS),
    Room("stopping", ("landscapes.machine.stopping",), only=frozenset(), without=CORE | ARRAYS),
    Room("output", ("landscapes.machine.output",), only=frozenset(), without=CORE | ARRAYS),
    Room("streams", ("landscapes.machine.streams",), only=frozenset(), without=CORE | ARRAYS),
    Room("runtime", ("landscapes.machine.runtime",), only=frozenset({"folders", "xla flags"}), without=CORE),
    Room("compilation", ("landscapes.machine.compilation",), only=frozenset(), without=CORE),
    Room("devices", ("landscapes.machine.devices",), only=frozenset({"types", "xla flags"}), without=CORE),
    Room("run names", ("landscapes.run_names",), only=frozenset({"errors"}), without=CORE | ARRAYS),
    Room("commands", ("landscapes.commands",), only=frozenset(), without=CORE | ARRAYS),
    # What may be set
    Room(
        "settings", ("landscapes.settings", "landscapes.settings.*"), only=frozenset({"errors"}), without=CORE | ARRAYS
    ),
    Room(
        "settings of algorithms",
        ("landscapes.settings.algorithms.*",),
        only=frozenset({"errors", "settings"}),
        never=frozenset({"settings of algorithms"}),
        without=CORE | ARRAYS,
    ),
    Room("options", ("landscapes.options",), only=frozenset({"errors"}), without=CORE | ARRAYS),
    # Parts
    Room("tasks", ("landscapes.envs.tasks",), only=frozenset({"errors"}), without=CORE | ARRAYS),
    Room("envs", ("landscapes.envs", "landscapes.envs.*"), without=SHELL),
    Room("losses", ("landscapes.networks.losses",), only=frozenset({"types"}), without=CORE),
    Room(
        "distributions",
        ("landscapes.networks", "landscapes.networks.distributions"),
        only=frozenset({"types", "losses"}),
        without=CORE,
    ),
    Room("advantages", ("landscapes.networks.advantages",), only=frozenset({"losses"}), without=CORE),
    Room("running moments", ("landscapes.networks.running",), only=frozenset({"types"}), without=CORE),
    Room("schedules", ("landscapes.networks.schedules",), only=frozenset(), without=CORE),
    Room(
        "networks",
        ("landscapes.networks.initializers", "landscapes.networks.pictures", "landscapes.networks.modules"),
        never=frozenset({"envs"}),
        without=CORE,
    ),
    Room("actor and critic", ("landscapes.networks.actor_critic",), never=frozenset({"envs"}), without=CORE),
    Room(
        "policies",
        ("landscapes.networks.policies",),
        only=frozenset({"types", "spaces", "distributions"}),
        without=CORE,
    ),
    Room("optimizers", ("landscapes.networks.optimizers",), only=frozenset({"types"}), without=CORE),
    Room(
        "replay",
        ("landscapes.experience", "landscapes.experience.replay"),
        never=MATHS | {"envs"},
        without=CORE,
    ),
    Room("minibatches", ("landscapes.experience.minibatches",), only=frozenset({"types"}), without=CORE),
    Room("unroll", ("landscapes.experience.unroll",), never=MATHS | {"envs", "replay"}, without=CORE),
    Room("rollout", ("landscapes.experience.rollout",), never=MATHS | {"envs", "replay", "unroll"}, without=CORE),
    # Algorithms, and what is built on them
    Room(
        "algorithm parts",
        ("landscapes.algorithms.checks",),
        only=frozenset({"errors", "spaces", "types"}),
        without=CORE,
    ),
    # Every other file of the package is an algorithm, and no algorithm imports another.
    Room("algorithms", ("landscapes.algorithms.*",), never=frozenset({"algorithms", "envs"}), without=CORE),
    Room("algorithm registry", ("landscapes.algorithms", "landscapes.algorithms.registry"), without=CORE),
    Room("training", ("landscapes.training", "landscapes.training.*"), never=LEARNING, without=CORE),
    Room("paths", ("landscapes.studies", "landscapes.studies.paths"), only=frozenset({"types"}), without=CORE),
    Room(
        "neighborhood",
        ("landscapes.studies.neighborhood",),
        only=frozenset({"errors", "spaces", "types"}),
        without=CORE,
    ),
    Room(
        "measurement programs",
        ("landscapes.studies.measurement_programs",),
        never=LEARNING | {"sequential"},
        without=CORE,
    ),
    Room("measurement blocks", ("landscapes.studies.measurement_blocks",), never=LEARNING | {"envs"}, without=CORE),
    Room("measurement", ("landscapes.studies.measurement",), never=LEARNING, without=CORE),
    Room("trajectories", ("landscapes.studies.trajectories",), never=LEARNING, without=CORE),
    Room("rejection", ("landscapes.studies.rejection",), never=LEARNING, without=CORE),
    Room("cloning", ("landscapes.studies.cloning",), never=LEARNING - {"optimizers"}, without=CORE),
    # The shell
    Room("storage", ("landscapes.storage", "landscapes.storage.*"), never=LEARNING),
    Room("tracking", ("landscapes.tracking", "landscapes.tracking.*"), never=LEARNING | {"storage"}),
    Room("console", ("landscapes.console", "landscapes.console.*"), never=LEARNING | {"storage", "tracking"}),
    Room("loading", ("landscapes", "landscapes.loading"), only=LOADING),
    Room(
        "squeue", ("landscapes.cluster", "landscapes.cluster.squeue"), only=frozenset({"errors"}), without=CORE | ARRAYS
    ),
    Room("submission", ("landscapes.cluster.submission",), only=frozenset({"squeue"})),
    Room("sweep folder", ("landscapes.cluster.sweep_folder",), only=frozenset({"errors", "folders", "storage"})),
    Room("config", ("landscapes.config", "landscapes.config.*"), only=CONFIG),
    Room("figures", ("landscapes.figures", "landscapes.figures.*"), only=FIGURES, without=SIMULATORS | ARRAYS),
    # Looking at results
    Room("runs", ("landscapes.runs", "landscapes.runs.*"), only=BROWSING, without=CORE - {"rich"} | ARRAYS),
    Room("report", ("landscapes.report", "landscapes.report.*"), only=REPORT, without=SIMULATORS | ARRAYS),
    Room(
        "export",
        ("landscapes.export", "landscapes.export.*"),
        only=frozenset({"errors", "streams", "output", "storage", "console"}),
        without=CORE - {"rich"} | ARRAYS,
    ),
    # What the three entry points share
    Room("job tracker", ("landscapes.jobs", "landscapes.jobs.tracker"), never=LEARNING),
    Room("job closing", ("landscapes.jobs.closing",), only=frozenset({"compilation", "console", "tracking"})),
    Room("pace", ("landscapes.jobs.pace",), only=frozenset({"errors", "console", "storage"})),
    Room(
        "find run",
        ("landscapes.jobs.find_run",),
        only=frozenset({"errors", "run names", "storage", "tracking", "config"}),
    ),
    Room("run folder", ("landscapes.jobs.run_folder",), only=frozenset({"errors", "run names", "storage", "config"})),
    Room(
        "sweep check",
        ("landscapes.jobs.sweep_check",),
        only=frozenset({"errors", "storage", "config", "find run", "run folder"}),
    ),
    Room(
        "blocks",
        ("landscapes.jobs.blocks",),
        only=frozenset({"types", "measurement", "sequential", "paths", "storage"}),
    ),
    Room("run_algorithm", ("run_algorithm", "run_algorithm.*"), never=MATHS),
    Room("eval_policy", ("eval_policy", "eval_policy.*"), never=MATHS | {"run_algorithm"}),
    Room("improve_ltp", ("improve_ltp", "improve_ltp.*"), never=MATHS | {"run_algorithm", "eval_policy"}),
    # Commands beside them
    Room("quickstart", ("landscapes.quickstart",), never=MATHS),
    Room("doctor", ("landscapes.doctor",), never=MATHS),
    Room(
        "sweeps",
        ("landscapes.sweeps",),
        only=frozenset(
            {"errors", "squeue", "streams", "output", "commands", "options", "sweep folder", "console", "storage"}
        ),
    ),
    Room(
        "stages",
        ("landscapes.stages", "landscapes.stages.*"),
        only=frozenset({"errors", "folders", "stopping"}),
        without=CORE | ARRAYS,
    ),
    Room("paper", ("landscapes.paper", "landscapes.paper.*"), only=PAPER, without=SIMULATORS | ARRAYS),
    Room("packing", ("landscapes.paper.pack",), only=PACKING),
    Room("paper command", ("landscapes.paper.__main__",), only=PAPER | {"paper", "packing"}),
    Room(
        "published experiments",
        ("landscapes.published", "landscapes.published.*"),
        only=frozenset({"errors", "folders", "commands", "settings", "console", "stages"}),
        without=SIMULATORS | ARRAYS,
    ),
    Room("demo", ("landscapes.demo", "landscapes.demo.*"), only=DEMO, without=SIMULATORS | ARRAYS),
    Room("cli", ("landscapes.__main__", "landscapes.cli", "landscapes.cli.*"), never=LEARNING, without=CORE | ARRAYS),
    Room("benchmarks", ("benchmarks", "benchmarks.*"), never=MATHS),
    Room(
        "bare simulators",
        ("benchmarks.workloads.bare", "benchmarks.workloads.host_peers"),
        only=frozenset({"benchmarks"}),
        without=SHELL,
    ),
)

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def room_of(module: str) -> Room | None:
    """The room whose pattern matches `module` most closely."""
    matches: list[tuple[int, Room]] = []
    for room in HOUSE:
        for pattern in room.modules:
            if pattern == module:
                return room
            if pattern.endswith(".*") and module.startswith(pattern[:-1]):
                matches.append((len(pattern), room))
    return max(matches, key=lambda match: match[0])[1] if matches else None


def imports_of(module: str, source: str, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """What `source` imports, inside functions too, and in which line; a name from a package as `package.name`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + is_package]
                origin = ".".join([*parents, *([origin] if origin else [])])
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)


def _room_imported(name: str) -> Room | None:
    """The room that the imported `name` belongs to: of the module of that name, or of the one that holds it."""
    return room_of(name if name in SOURCES else name.rpartition(".")[0] or name) or room_of(name)


def _wrong_room(room: Room, imported: Room) -> str | None:
    if imported is room:
        return "they keep apart" if room.name in room.never else None
    if HOUSE.index(imported) > HOUSE.index(room):
        return "imports point down"
    if imported.name in room.never:
        return "closed to it"
    if room.only is not None and imported.name not in room.only:
        return f"only {', '.join(sorted(room.only))} are open to it"
    return None


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    """One line for each import of `module` that its room does not allow."""
    room = room_of(module)
    if room is None:
        return [f"{module} is in no room: add it to HOUSE in tests/test_layering.py, as low as it can stand"]
    found = []
    for name, line in imports_of(module, source, is_package):
        package = name.partition(".")[0]
        if package in PACKAGES:
            imported = _room_imported(name)
            if imported is not None and (reason := _wrong_room(room, imported)):
                found.append(f"{module}:{line} ({room.name}) imports {name} ({imported.name}): {reason}")
        elif package in room.without:
            found.append(f"{module}:{line} ({room.name}) imports {name}: {package} is closed to it")
    return found


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_down(module: str) -> None:
    path = SOURCES[module]
    assert violations(module, path.read_text(), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    "module, source, complaint",
    [
        ("landscapes.types", "from landscapes import storage", "imports point down"),
        ("landscapes.types", "from landscapes.experience.rollout import unroll", "imports point down"),
        ("landscapes.types", "from .experience.rollout import unroll", "imports point down"),
        ("landscapes.types", "def f():\n    import landscapes.experience.rollout", "imports point down"),
        ("landscapes.networks.modules", "import landscapes.envs.brax", "closed to it"),
        ("landscapes.algorithms.td3", "from landscapes.algorithms import sac", "they keep apart"),
        ("landscapes.algorithms.td3", "from landscapes.algorithms.sac import make", "they keep apart"),
        ("landscapes.training.trainer", "from landscapes.algorithms.registry import make_algorithm", "closed to it"),
        ("landscapes.storage.runs", "from landscapes.networks.losses import td_error", "closed to it"),
        ("landscapes.config.training", "from landscapes.types import Policy", "are open to it"),
        ("landscapes.settings.fields", "from landscapes.config.training import Training", "imports point down"),
        ("landscapes.settings.algorithms.td3", "import jax", "jax is closed to it"),
        ("landscapes.settings.algorithms.td3", "from landscapes.settings.algorithms.sac import Config", "keep apart"),
        ("landscapes.settings.algorithms.td3", "from landscapes.spaces import Spaces", "are open to it"),
        ("landscapes.experience.rollout", "import brax.envs", "brax is closed to it"),
        ("landscapes.studies.rejection", "def f():\n    import h5py", "h5py is closed to it"),
        ("landscapes.drawer", "", "is in no room"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str, complaint: str) -> None:
    (found,) = violations(module, source)
    assert complaint in found


@pytest.mark.parametrize(
    "module, source",
    [
        (
            "landscapes.algorithms.td3",
            "import jax\nfrom landscapes.experience import replay\nfrom landscapes.networks import losses\n"
            "from landscapes.types import Key",
        ),
        ("landscapes.algorithms.registry", "from landscapes.algorithms.td3 import make"),
        ("landscapes.algorithms.td3", "from landscapes.settings.algorithms.td3 import Config"),
        ("landscapes.envs.registry", "from landscapes.envs import brax\nimport brax.envs"),
        ("landscapes.config.schemas", "def f():\n    import jax"),
        ("run_algorithm.main", "import hydra\nfrom landscapes.training import train"),
    ],
)
def test_a_right_import_is_let_pass(module: str, source: str) -> None:
    assert violations(module, source) == []


def _core() -> list[str]:
    return [name for name in SOURCES if (room := room_of(name)) is not None and room.without >= CORE]


@pytest.mark.parametrize(
    "modules, packages",
    [
        pytest.param(_core(), SHELL - {"rich"}, id="the core without the shell"),  # flax imports rich
        pytest.param(
            [name for name in SOURCES if name.startswith(("landscapes.config", "landscapes.settings"))],
            ARRAYS | SIMULATORS,
            id="the command line without JAX, so that mistakes show at once",
        ),
        pytest.param(
            [f"{entry_point}.checks" for entry_point in ("run_algorithm", "eval_policy", "improve_ltp")],
            ARRAYS | SIMULATORS | {"wandb", "matplotlib"},
            id="what looks at the members of a sweep, on a login node",
        ),
    ],
)
def test_importing_leaves_out(modules: list[str], packages: frozenset[str]) -> None:
    """Not by way of other packages or of `landscapes/__init__.py` either."""
    program = (
        "import importlib, sys\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        f"print(sorted({set(packages)} & sys.modules.keys()))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


MOST_ARGUMENTS = 7
"""Of a function, `self` aside: with more there is a record that has no name yet."""

MOST_LINES = 300
LONGEST = 500
"""Of the files in `LONG`."""

LONG = {
    "eval_policy.interpolation": "one path: its pairs, its files, its measurement and its figures share what is loaded",
    "improve_ltp.walk": "one walk: decisions, save, checkpoints and tables share its state",
    "landscapes.config.launch": "one way from a command line to an exit code, through every mistake",
    "landscapes.config.published": "one table of spellings, and how each is read",
    "landscapes.config.schemas": "a dataclass for each study, field by field",
    "landscapes.envs.lanes": "a rule for each primitive of JAX",
    "landscapes.storage.runs": "one folder: making it, finding it, replacing it whole",
    "landscapes.types": "the contracts of environment, algorithm and agent, to be read together",
    "run_algorithm.experiments.train_bc": "one cloning: loop, save, checkpoints and tables share its state",
    "run_algorithm.train": "one training: loop, save, checkpoints and curves share its state",
}
"""The files that are longer, each with the reason."""


def overloaded(source: str) -> list[str]:
    """One line for each function in `source` that takes too many arguments."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            every = node.args
            names = [each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)]
            count = len(names) - (names[:1] in (["self"], ["cls"]))
            if count > MOST_ARGUMENTS:
                found.append(f"line {node.lineno}: {getattr(node, 'name', 'lambda')} takes {count} arguments")
    return found


@pytest.mark.parametrize("module", SOURCES)
def test_functions_take_few_arguments_and_files_are_short(module: str) -> None:
    source = SOURCES[module].read_text()
    assert overloaded(source) == []
    num_lines = len(source.splitlines())
    if module in LONG:
        assert MOST_LINES < num_lines <= LONGEST, "take it out of LONG, or lines out of it"
    else:
        assert num_lines <= MOST_LINES


def test_every_long_file_is_there() -> None:
    assert LONG.keys() <= SOURCES.keys()


@pytest.mark.parametrize(
    "head",
    [
        "def f(a, b, c, d, e, f, g, h): ...",
        "async def f(a, /, b, c, d, *, e, f, g, h): ...",
        "class A:\n    def f(self, a, b, c, d, e, f, g, h): ...",
        "def f():\n    return lambda a, b, c, d, e, f, g, h: 0",
    ],
)
def test_too_many_arguments_are_found(head: str) -> None:
    (found,) = overloaded(head)
    assert found.endswith("takes 8 arguments")
    assert overloaded(head.replace(", h", "")) == []
