"""Which tasks are on offer, and on which backends each of them runs: of Brax its physics.

Knows names and options only, so that a wrong one is found before JAX or a simulator is imported; builds nothing.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from landscapes.errors import UserError

BRAX = ("positional", "spring", "generalized", "mjx")
GYMNAX = "gymnax"
GYMNASIUM = "gymnasium"
ALE = "ale"
PLAYGROUND = "playground"
BACKENDS = (*BRAX, GYMNAX, GYMNASIUM, ALE, PLAYGROUND)

ATARI = tuple(
    f"{title}-v5"
    for title in """
    Adventure AirRaid Alien Amidar Assault Asterix Asteroids Atlantis Atlantis2 Backgammon BankHeist BasicMath
    BattleZone BeamRider Berzerk Blackjack Bowling Boxing Breakout Carnival Casino Centipede ChopperCommand
    CrazyClimber Crossbow Darkchambers Defender DemonAttack DonkeyKong DoubleDunk Earthworld ElevatorAction Enduro
    Entombed Et FishingDerby FlagCapture Freeway Frogger Frostbite Galaxian Gopher Gravitar Hangman HauntedHouse Hero
    HumanCannonball IceHockey Jamesbond JourneyEscape Kaboom Kangaroo KeystoneKapers KingKong Klax Koolaid Krull
    KungFuMaster LaserGates LostLuggage MarioBros MiniatureGolf MontezumaRevenge MrDo MsPacman NameThisGame Othello
    Pacman Phoenix Pitfall Pitfall2 Pong Pooyan PrivateEye Qbert Riverraid RoadRunner Robotank Seaquest SirLancelot
    Skiing Solaris SpaceInvaders SpaceWar StarGunner Superman Surround Tennis Tetris TicTacToe3D TimePilot Trondead
    Turmoil Tutankham UpNDown Venture VideoCheckers VideoChess VideoCube VideoPinball WizardOfWor WordZapper
    YarsRevenge Zaxxon
    """.split()
)
"""The games for one player of which ale-py carries the ROM; `ALE/` in front of a name changes nothing."""

MUJOCO = (
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Swimmer-v5",
    "Walker2d-v5",
)
"""MuJoCo's own physics, as gymnasium has these tasks."""

BOX2D = (
    "BipedalWalker-v3",
    "BipedalWalkerHardcore-v3",
    "LunarLander-v3",
    "LunarLanderContinuous-v3",
    "LunarLanderSparse-v3",
)
"""Tasks in two dimensions. The sparse one is LunarLander-v3 with all that was earned paid at the end."""

DM_CONTROL = (
    "AcrobotSwingup",
    "AcrobotSwingupSparse",
    "BallInCup",
    "CartpoleBalance",
    "CartpoleBalanceSparse",
    "CartpoleSwingup",
    "CartpoleSwingupSparse",
    "CheetahRun",
    "FingerSpin",
    "FingerTurnEasy",
    "FingerTurnHard",
    "FishSwim",
    "HopperHop",
    "HopperStand",
    "HumanoidRun",
    "HumanoidStand",
    "HumanoidWalk",
    "PendulumSwingup",
    "PointMass",
    "ReacherEasy",
    "ReacherHard",
    "SwimmerSwimmer6",
    "WalkerRun",
    "WalkerStand",
    "WalkerWalk",
)
"""The dm_control suite in JAX, as MuJoCo Playground has it."""

TASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ant": BRAX,
        "halfcheetah": BRAX,
        "hopper": BRAX,
        "humanoid": BRAX,
        "humanoidstandup": BRAX,
        "inverted_double_pendulum": BRAX,
        "inverted_pendulum": BRAX,
        "pusher": BRAX,
        "reacher": BRAX,
        "swimmer": ("generalized",),
        "walker2d": BRAX,
        "Acrobot-v1": (GYMNAX,),
        "CartPole-v1": (GYMNAX,),
        "MountainCar-v0": (GYMNAX,),
        "MountainCarContinuous-v0": (GYMNAX,),
        "Pendulum-v1": (GYMNAX,),
        "Asterix-MinAtar": (GYMNAX,),
        "Breakout-MinAtar": (GYMNAX,),
        "Freeway-MinAtar": (GYMNAX,),
        "Seaquest-MinAtar": (GYMNAX,),
        "SpaceInvaders-MinAtar": (GYMNAX,),
        **dict.fromkeys((*MUJOCO, *BOX2D), (GYMNASIUM,)),
        **dict.fromkeys(ATARI, (ALE,)),
        **dict.fromkeys(DM_CONTROL, (PLAYGROUND,)),
    }
)
"""Each task with its backends, its own first."""


@dataclass(frozen=True)
class AtariOptions:
    """What may be chosen of a game."""

    sticky: float = 0.0  # probability that a frame repeats the action of the one before (Machado et al., 2018: 0.25)
    noop_max: int = 30  # frames without an action at the start: 1 to so many
    fire_reset: bool = True  # press FIRE once at the start, where there is that button
    life_loss: bool = False  # in training a lost life is a termination; the game goes on

    def __post_init__(self) -> None:
        if not 0.0 <= self.sticky < 1.0:
            raise UserError(f"{OPTIONS_KEY}.sticky", self.sticky, "must be at least 0 and below 1")
        if not 1 <= self.noop_max <= 10_000:
            raise UserError(f"{OPTIONS_KEY}.noop_max", self.noop_max, "must be from 1 to 10000")


OPTIONS_KEY = "experiment.env_options"
"""The setting that holds a task's options."""


def options_of(name: str, options: Mapping[str, Any]) -> AtariOptions | None:
    """The options of a task, those not given at their defaults; None for a task that has none.

    Raises UserError, naming the option, for one that does not exist or may not be that.
    """
    if canonical(name) not in ATARI:
        if options:
            raise UserError(OPTIONS_KEY, dict(options), f"{name} has no options")
        return None
    fields: dict[str, Any] = {field.name: type(field.default) for field in dataclasses.fields(AtariOptions)}
    found: dict[str, Any] = {}
    for option, value in options.items():
        key = f"{OPTIONS_KEY}.{option}"
        if option not in fields:
            raise UserError(key, value, f"no such option; there are {', '.join(fields)}")
        kind = fields[option]
        right = type(value) is kind or (kind is float and type(value) is int)
        if not right:
            words = {float: "a number", int: "an integer", bool: "true or false"}
            raise UserError(key, str(value).lower() if isinstance(value, bool) else value, f"must be {words[kind]}")
        found[option] = kind(value)
    return AtariOptions(**found)


def canonical(name: str) -> str:
    """The name of a task as the table has it."""
    bare = name.removeprefix("ALE/")
    return bare if bare in ATARI else name


def split_environment_name(name: str) -> tuple[str, str] | None:
    """`(module, attribute)` of a dotted path such as `my_package.my_env.make`, or None for a name of ours."""
    module, _, attribute = name.rpartition(".")
    return (module, attribute) if module else None


def backend_of(name: str, backend: str | None, key: str) -> str:
    """The backend of a task: the one asked for, else its own. Raises UserError, naming `key` or the backend's, for a
    task or a pair that is not there.

    What a dotted path leads to is not looked at: without a backend it is given Brax's first.
    """
    if split_environment_name(name):
        return backend or BRAX[0]
    name = canonical(name)
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        listed = ", ".join(task for task, on in TASKS.items() if on[0] not in (ALE, GYMNASIUM, PLAYGROUND))
        more = "one of the many like LunarLander-v3, Hopper-v5, Breakout-v5, CheetahRun"
        allowed = f"must be one of {listed}, {more}, or the dotted path to a make{hint}"
        raise UserError(key, name, allowed)
    if backend is None:
        return TASKS[name][0]
    if backend not in BACKENDS:
        raise UserError("experiment.backend", backend, f"must be one of {', '.join(BACKENDS)}")
    if backend not in TASKS[name]:
        raise UserError("experiment.backend", backend, f"{name} has only {', '.join(TASKS[name])}")
    return backend
