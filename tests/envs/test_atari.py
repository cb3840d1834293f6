"""Atari against the bare emulator, frame by frame; snapshots; pictures against the mean over areas; options."""

import sys
from typing import Any

import ale_py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv

from landscapes.envs import atari, make_environment, tasks
from landscapes.errors import UserError
from landscapes.types import Environment

ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def bare(game: str) -> Any:
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 0)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(str(roms.get_rom_path(game)))
    return ale


def split_mix(seed: int) -> Any:
    """SplitMix64 once more, after the paper's Java: 64 bits at a time."""
    state, mask = seed, (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def played(game: str, seed: int, actions: np.ndarray, options: tasks.AtariOptions) -> list[tuple[float, bool]]:
    """Rewards and ends of one game by a plain loop over the bare emulator's frames."""
    ale, random = bare(game), split_mix(seed)
    ale.reset_game()
    for _ in range(2 + next(random) * options.noop_max // 2**64):
        ale.act(ale_py.Action.NOOP)
    choices = ale.getMinimalActionSet()
    if ale_py.Action.FIRE in choices and options.fire_reset:
        ale.act(ale_py.Action.FIRE)
    rows, last = [], 0
    for action in actions:
        reward = 0.0
        for _ in range(4):
            if not options.sticky or next(random) / 2**64 >= options.sticky:
                last = int(action)
            reward += ale.act(choices[last])
            if ale.game_over():
                break
        rows.append((reward, ale.game_over()))
        if ale.game_over():
            break
    return rows


LANES, STEPS = 5, 260


def rolled_out(env: Environment, key: int = 0) -> tuple[Any, np.ndarray, Any, Any]:
    """Seeds, actions `[T, lanes]`, the time steps and the states after them, of lanes that are never renewed."""

    @jax.jit
    def run(states: Any, actions: jax.Array) -> Any:
        def one(states: Any, action: jax.Array) -> Any:
            states, after = jax.vmap(env.step)(states, action)
            return states, after._replace(obs=(), next_obs=())

        return jax.lax.scan(one, states, actions)

    begun, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(key), LANES))
    actions = jax.random.randint(jax.random.key(key + 1), (STEPS, LANES), 0, env.action.num)
    after, steps = run(begun, actions)
    return np.asarray(begun.seed), np.asarray(actions), steps, after


@pytest.mark.parametrize(
    "name, options",
    [
        ("Breakout-v5", {}),
        ("ALE/Boxing-v5", {"noop_max": 1}),
        ("Qbert-v5", {"sticky": 0.25}),
        ("Freeway-v5", {"fire_reset": False}),
    ],
)
def test_rewards_and_ends_are_those_of_the_bare_emulator(name: str, options: dict[str, Any]) -> None:
    env = make_environment(name, episode_length=STEPS, options=options)
    seeds, actions, steps, _ = rolled_out(env)
    chosen = tasks.options_of(name, options)
    assert chosen is not None
    earned = 0.0
    for lane in range(LANES):
        plain = played(atari.rom_name(env.name), int(seeds[lane]), actions[:, lane], chosen)
        assert np.asarray(steps.reward)[: len(plain), lane].tolist() == [reward for reward, _ in plain]
        assert np.asarray(steps.terminated)[: len(plain), lane].tolist() == [ended for _, ended in plain]
        assert (np.asarray(steps.reward)[len(plain) :, lane] == 0).all()
        last = len(plain) - 1
        assert bool(steps.truncated[last, lane]) == (not plain[-1][1]) and last in (STEPS - 1, len(plain) - 1)
        earned += sum(abs(reward) for reward, _ in plain)
    assert earned > 0 or name == "Freeway-v5"
    if name == "Breakout-v5":
        assert np.asarray(steps.terminated).any()  # some of these games are lost by then
    assert len(set(seeds.tolist())) == LANES


@pytest.mark.parametrize("name", ["Breakout-v5", "Qbert-v5", "Tetris-v5"])
def test_a_state_that_is_taken_up_again_goes_on_identically(name: str) -> None:
    """In simulators of another environment, and in these again; in games that hold more than the emulator saves too."""
    env, other = (make_environment(name, episode_length=1000, options={"sticky": 0.3}) for _ in range(2))
    states, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(3), 2))
    step, elsewhere = jax.jit(jax.vmap(env.step)), jax.jit(jax.vmap(other.step))
    actions = np.asarray(jax.random.randint(jax.random.key(4), (70, 2), 0, env.action.num))
    kept = {}
    for t in range(50):
        if t in (0, 7, 35):  # before the first saving, and behind it
            kept[t] = states
        states, after = step(states, actions[t])
    for t, again in kept.items():
        for one in (elsewhere, step):
            state = jax.tree.map(jnp.array, again)
            for action in actions[t:50]:
                state, found = one(state, action)
            trees.assert_same(state, states)
            trees.assert_same(found, after)
    trees.assert_same(jax.vmap(env.frame)(states), jax.vmap(other.frame)(states))


def test_a_picture_is_the_mean_over_areas() -> None:
    """Against exact sums over a grid that is 84 times finer, one axis after the other, and screens of other heights."""
    generator = np.random.default_rng(0)
    for height in (210, 250, 214):
        screen = generator.integers(0, 256, (height, 160)).astype(np.uint8)
        of_rows = np.repeat(screen.astype(np.int64), 84, axis=0).reshape(84, height, 160).sum(axis=1)
        sums = np.repeat(of_rows, 84, axis=1).reshape(84, 84, 160).sum(axis=2)
        exact = sums / (height * 160)
        assert (np.abs(atari.shrink(screen) - exact) <= 0.5).all()
        ties = 2 * sums % (2 * height * 160) == height * 160
        assert (atari.shrink(screen)[~ties] == np.rint(exact)[~ties]).all()


def test_pictures_are_those_of_the_vector_environment() -> None:
    """Of the same frames: ale-py's vectorised environment, whose pictures OpenCV shrinks with INTER_AREA."""
    vector = AtariVectorEnv("breakout", 1, noop_max=1, use_fire_reset=True)
    vector.reset(seed=np.array([1]))
    ale = bare("breakout")
    ale.reset_game()
    ale.act(ale_py.Action.FIRE)
    screens, choices = np.zeros((2, 210, 160), np.uint8), ale.getMinimalActionSet()
    for t in range(40):
        action = (1, 3, 3, 2)[t % 4]
        theirs, *_ = vector.step(np.array([action]))
        for i in range(4):
            ale.act(choices[action])
            ale.getScreenGrayscale(screens[i % 2])
        ours = atari.shrink(np.maximum(*screens)).astype(int)
        differ = np.abs(theirs[0, -1] - ours)
        assert differ.max() <= 1 and np.mean(differ > 0) < 0.01  # means that lie between two greys


def test_a_lost_life_ends_an_episode_in_training_only() -> None:
    options = {"life_loss": True}
    env = make_environment("Breakout-v5", episode_length=STEPS, options=options)
    trained = make_environment("Breakout-v5", episode_length=STEPS, options=options, training=True)
    _, _, plain, _ = rolled_out(env)
    _, _, lived, states = rolled_out(trained)
    assert np.asarray(plain.terminated).sum(axis=0).max() > 0
    alive = np.cumsum(np.asarray(plain.terminated), axis=0) - np.asarray(plain.terminated) == 0
    ends = np.asarray(lived.terminated) & alive
    assert (ends.sum(axis=0) == 5)[np.asarray(plain.terminated).any(axis=0)].all()  # five lives
    trees.assert_same(np.asarray(lived.reward), np.asarray(plain.reward))  # the game goes on as if nothing were
    state = jax.tree.map(lambda x: x[0], states)._replace(over=jnp.array(False))
    same, obs = trained.renew(jax.random.key(0), state, jnp.array(True))
    trees.assert_same(same, state)
    _, after = trained.step(state, jnp.int32(0))
    assert obs.shape == after.obs.shape and (np.asarray(obs)[..., 1:] == np.asarray(after.obs)[..., :3]).all()


def test_every_game_of_the_table_has_its_rom() -> None:
    stored = set(roms.get_all_rom_ids())
    named = {atari.rom_name(name) for name in tasks.ATARI}
    assert named <= stored and stored - named == {"combat", "joust", "maze_craze", "warlords"}  # for two players


def test_without_ale_py_one_line_says_which_file_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(UserError, match=r"^experiment.env_id=Pong-v5: needs ale-py.*-r atari_requirements.txt$"):
        make_environment("ALE/Pong-v5", key="experiment.env_id")


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("Pong-v5", {"stiky": 0.25}, "experiment.env_options.stiky=0.25: no such option; there are sticky, noop_max"),
        ("Pong-v5", {"sticky": 1.0}, "experiment.env_options.sticky=1.0: must be at least 0 and below 1"),
        ("Pong-v5", {"noop_max": 0}, "experiment.env_options.noop_max=0: must be from 1 to 10000"),
        ("Pong-v5", {"life_loss": 1}, "experiment.env_options.life_loss=1: must be true or false"),
        ("hopper", {"sticky": 0.25}, "experiment.env_options={'sticky': 0.25}: hopper has no options"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_environment(name, options=options)
    assert str(caught.value).startswith(message)
