"""Atari 2600 games as the Arcade Learning Environment emulates them, behind the environment contract.

Knows ale-py and nothing else does; imports it only where a game is asked for, as its licence (GPL) is not ours.

What an agent sees of a game, and when a game begins and ends, follows Machado et al. (2018), with the settings of Mnih
et al. (2015): each action lasts four frames; of the last two the brighter is taken pixel by pixel (sprites flicker);
grey, 84 by 84, each pixel the mean of the area that it covers; the latest four of these are one observation. An episode
begins after 1 to `noop_max` frames without an action and, where the game has such a button, one with FIRE.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from landscapes.envs.hosted import make_hosted
from landscapes.envs.simulator import Hosted, Stepped
from landscapes.envs.tasks import ALE, AtariOptions
from landscapes.errors import UserError
from landscapes.spaces import Box, Discrete
from landscapes.types import Environment

FRAME_SKIP = 4
FRAMES_PER_SECOND = 60
SIDE = 84
STACK = 4
"""Pictures in an observation: the bytes of one number of 32 bits, the latest the highest."""

HEADER_SIZE = 24
SLACK = 256
"""Bytes by which the emulator's own state may grow: it holds texts and lists, and has grown by 50."""

STEPS_PER_SAVE = 16
"""To save the emulator's state takes as long as a frame."""

MOST_IDLE = 256


def make(name: str, episode_length: int, options: AtariOptions, key: str = "env") -> Environment:
    """The game `name` (`Breakout-v5`), truncated after `episode_length` steps of four frames.

    Raises UserError, naming `key`, without ale-py. Rewards are those of the game, not clipped.
    """
    try:
        from ale_py import roms
    except ImportError as error:
        allowed = f"needs ale-py, which cannot be imported ({error}): pip install -r atari_requirements.txt"
        raise UserError(key, name, allowed) from error
    path = str(roms.get_rom_path(rom_name(name)))
    ale = _console(path)
    height, width = ale.getScreenDims()
    beginning = ale.cloneState(include_rng=True).__getstate__()  # where every episode begins, in any process
    saved_size = HEADER_SIZE + len(beginning) + SLACK + SIDE * SIDE * STACK
    hosted = Hosted(
        name=name,
        make=functools.partial(Game, path, beginning, saved_size, options),
        observation=Box((SIDE, SIDE, STACK), 0.0, 255.0, "uint8"),
        action=Discrete(len(ale.getMinimalActionSet())),
        episode_length=episode_length,
        saved_size=saved_size,
        steps_per_save=STEPS_PER_SAVE,
        least_share=1,
        most_idle=MOST_IDLE,
        goes_on=options.life_loss,
        picture=(height, width),
        seconds_per_step=FRAME_SKIP / FRAMES_PER_SECOND,
    )
    return make_hosted(hosted, ALE)


def rom_name(name: str) -> str:
    """What the file of a game is called: `space_invaders` of `SpaceInvaders-v5`."""
    title = name.removesuffix("-v5")
    if title in _IRREGULAR:
        return _IRREGULAR[title]
    return "".join(f"_{letter.lower()}" if letter.isupper() and i else letter.lower() for i, letter in enumerate(title))


_IRREGULAR = {"TicTacToe3D": "tic_tac_toe_3d"}


def _console(path: str) -> Any:
    """An emulator with a game in it, and one frame played: until then it holds numbers that no saved state knows."""
    import ale_py

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 0)
    ale.setFloat("repeat_action_probability", 0.0)  # done here, from the seed of the episode
    ale.loadROM(path)
    ale.reset_game()
    ale.act(ale_py.Action.NOOP)
    return ale


def _state(told: bytes) -> Any:
    """The emulator's state that these bytes tell of."""
    import ale_py

    state: Any = ale_py.ALEState.__new__(ale_py.ALEState)
    state.__setstate__(told)
    return state


@functools.cache
def cover(size: int) -> np.ndarray:
    """How equal parts cover pixels in the shortest stretch of a row of `size` pixels that holds whole numbers of both:
    `[parts, pixels]` float32. The weights are integers, and those of a part add up to the number of pixels."""
    common = math.gcd(size, SIDE)
    pixels, parts = size // common, SIDE // common
    begin, end = np.arange(parts)[:, None] * pixels, np.arange(1, parts + 1)[:, None] * pixels
    left, right = np.arange(pixels) * parts, np.arange(1, pixels + 1) * parts
    return np.maximum(np.minimum(end, right) - np.maximum(begin, left), 0).astype(np.float32)


def shrink(screen: np.ndarray) -> np.ndarray:
    """A grey screen `[height, width]` uint8 as `[84, 84]`: the mean over the area of each pixel, rounded half to even.

    The sums are of integers below 2^24, and so exact in float32.
    """
    height, width = screen.shape
    rows, columns = cover(height), cover(width)
    tall = np.matmul(rows, screen.astype(np.float32).reshape(-1, rows.shape[1], width))
    # Two products instead of one: what is larger BLAS would give to threads of its own, beside ours.
    sums = np.matmul(tall.reshape(2, -1, columns.shape[1]), columns.T)
    return np.rint(sums.reshape(SIDE, SIDE) / np.float32(rows.shape[1] * columns.shape[1])).astype(np.uint8)


class Game:
    """One emulator. All that is drawn at random (how many frames pass at the start, which actions stick) comes from
    the seed of the episode by SplitMix64 (Steele et al., 2014); the emulator draws nothing."""

    def __init__(self, path: str, beginning: bytes, saved_size: int, options: AtariOptions) -> None:
        import ale_py

        self.ale_py, self.ale, self.beginning = ale_py, _console(path), _state(beginning)
        self.saved_size, self.options = saved_size, options
        self.actions: Sequence[Any] = self.ale.getMinimalActionSet()
        self.presses_fire = options.fire_reset and ale_py.Action.FIRE in self.actions
        self.screens = np.zeros((2, *self.ale.getScreenDims()), np.uint8)
        self.pictures: np.ndarray = np.zeros((SIDE, SIDE), np.uint32)
        self.random = self.lives = self.last = 0

    def reset(self, seed: int) -> np.ndarray:
        """After 1 to `noop_max` frames of nothing, and one of FIRE where it is pressed."""
        self.random = seed
        self.ale.restoreState(self.beginning)
        for _ in range(1 + (self._draw() * self.options.noop_max >> 64)):
            self.ale.act(self.ale_py.Action.NOOP)
        if self.presses_fire:
            self.ale.act(self.ale_py.Action.FIRE)
        self.ale.getScreenGrayscale(self.screens[0])
        self.pictures = shrink(self.screens[0]) * np.uint32(0x01010101)
        self.last, self.lives = 0, self.ale.lives()
        return self._observation()

    def step(self, action: np.ndarray) -> Stepped:
        """Four frames of one action, fewer where the game ends."""
        chosen, reward, over = int(action), 0.0, False
        for i in range(FRAME_SKIP):
            if self.options.sticky == 0.0 or self._draw() >= self.options.sticky * 2.0**64:
                self.last = chosen
            reward += self.ale.act(self.actions[self.last])
            over = self.ale.game_over()
            if over or i >= FRAME_SKIP - 2:
                self.ale.getScreenGrayscale(self.screens[i % 2])
            if over:
                self.screens[1 - i % 2] = self.screens[i % 2]
                break
        self.pictures = (self.pictures >> np.uint32(8)) | (shrink(np.maximum(*self.screens)).astype(np.uint32) << 24)
        lives, before = self.ale.lives(), self.lives
        self.lives = lives
        goes_on = self.options.life_loss and not over and lives < before
        return Stepped(self._observation(), reward, over or goes_on, goes_on)

    def save(self) -> np.ndarray:
        state = self.ale.cloneState(include_rng=True).__getstate__()
        saved = np.zeros(self.saved_size, np.uint8)
        saved[:HEADER_SIZE] = np.array([len(state), self.random, self.last], "<u8").view(np.uint8)
        pictures = SIDE * SIDE * STACK
        if HEADER_SIZE + len(state) + pictures > self.saved_size:
            raise RuntimeError(f"the emulator's state has grown to {len(state)} bytes, more than there is room for")
        saved[HEADER_SIZE : HEADER_SIZE + len(state)] = np.frombuffer(state, np.uint8)
        saved[-pictures:] = self._observation().reshape(-1)
        return saved

    def restore(self, saved: np.ndarray) -> None:
        size, self.random, self.last = (int(x) for x in saved[:HEADER_SIZE].copy().view("<u8"))
        self.ale.restoreState(_state(saved[HEADER_SIZE : HEADER_SIZE + size].tobytes()))
        self.pictures = saved[-SIDE * SIDE * STACK :].copy().view("<u4").reshape(SIDE, SIDE).astype(np.uint32)
        self.lives = self.ale.lives()

    def look(self, what: str) -> np.ndarray:
        return np.asarray(self.ale.getScreenRGB()) if what == "picture" else self._observation()

    def close(self) -> None:
        pass

    def _observation(self) -> np.ndarray:
        """`[84, 84, 4]` uint8, the latest picture last."""
        return self.pictures.astype("<u4").view(np.uint8).reshape(SIDE, SIDE, STACK)

    def _draw(self) -> int:
        """64 random bits."""
        mask = 2**64 - 1
        self.random = (self.random + 0x9E3779B97F4A7C15) & mask
        z = self.random
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)
