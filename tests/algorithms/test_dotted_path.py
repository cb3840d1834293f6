"""Environments and algorithms of the user's own, by dotted path; and names that exist nowhere."""

import jax
import probes
import pytest

from landscapes.algorithms import ALGORITHMS, make_algorithm
from landscapes.envs import make_environment, split_environment_name
from landscapes.errors import UserError
from landscapes.loading import make_agent
from landscapes.settings.fields import shown

SPACES = probes.bowl().spaces


def test_what_is_a_dotted_path():
    assert split_environment_name("hopper") is None
    assert split_environment_name("my_package.my_env.make") == ("my_package.my_env", "make")


def test_an_environment_of_ones_own():
    env = make_environment("probes.line", backend="anything", episode_length=7)
    assert (env.name, env.episode_length, env.observation.shape) == ("line", 7, (3,))
    assert make_environment("probes.truncating", episode_length=5).episode_length == 5


def test_an_algorithm_of_ones_own_gets_its_config():
    env = probes.bowl()
    agent = make_agent("probes.quadratic_algorithm", {"start": 0.7, "batch_size": 2}, env)
    assert agent.name == "quadratic"
    state = agent.init(jax.random.key(0))
    assert state.learner.policy.params["point"].tolist() == pytest.approx([0.7] * 3)
    assert agent.sample_batch(jax.random.key(0), state).shape == (2, 3)


def test_settings_that_are_none_of_its_own_are_refused():
    with pytest.raises(UserError, match=r"bach_size=2: is not a setting here; there are start, .*batch_size"):
        make_algorithm("probes.quadratic_algorithm", {"bach_size": 2}, SPACES)
    with pytest.raises(UserError, match=r"clip_eps=0\.1: is not a setting here; there are actor_lr"):
        make_algorithm("td3", {"clip_eps": 0.1}, SPACES)


@pytest.mark.parametrize("path", ["no_such_package.make", "probes.no_such_make", "probes..line", "..line"])
def test_what_cannot_be_imported_is_one_line(path):
    for key, make in [("env", make_environment), ("algorithm", lambda name, key: make_algorithm(name, {}, None, key))]:
        with pytest.raises(UserError, match=r"cannot be imported \(.*\); give package\.module\.make") as error:
            make(path, key=key)
        assert (error.value.key, error.value.value) == (key, path)
        assert "\n" not in str(error.value)


def test_what_is_no_function_or_makes_something_else_is_one_line():
    with pytest.raises(UserError, match=r"env=probes\.NOT_CALLABLE: is not callable"):
        make_environment("probes.NOT_CALLABLE")
    with pytest.raises(UserError, match=r"env=probes\.no_environment: returned a str; .*Environment is needed"):
        make_environment("probes.no_environment")
    with pytest.raises(UserError, match=r"algorithm=probes\.no_algorithm: returned a str; .*Algorithm is needed"):
        make_algorithm("probes.no_algorithm", {}, SPACES)


def test_a_misspelt_name_is_told_its_neighbour():
    with pytest.raises(UserError, match=r"env=hoper: must be one of ant, .*did you mean hopper\?"):
        make_environment("hoper")
    with pytest.raises(UserError, match=r"algorithm=td4: must be one of ppo, sac, td3, vpg, .*did you mean td3\?"):
        make_algorithm("td4", {}, SPACES)
    with pytest.raises(UserError, match=r"experiment\.env=qqq: must be one of") as error:
        make_environment("qqq", key="experiment.env")
    assert "did you mean" not in str(error.value)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    "setting, value, allowed",
    [
        ("gamma", 1.5, "must be a number, from 0 to 1$"),
        ("hidden_dims", [], "must be a list such as .*, not empty$"),
        ("hidden_dims", [8, 0], "must be an integer, at least 1"),
        ("gamma", "high", "must be a number, from 0 to 1$"),
        ("gamma", float("nan"), "must be a number, from 0 to 1$"),
    ],
)
def test_settings_out_of_range_are_one_line(name, setting, value, allowed):
    with pytest.raises(UserError, match=allowed) as error:
        make_algorithm(name, {setting: value}, SPACES)
    assert error.value.key.partition("[")[0] == setting


@pytest.mark.parametrize(
    "name, setting, value",
    [
        ("td3", "tau", 0.0),
        ("td3", "policy_delay", 0),
        ("td3", "learning_starts", 0),
        ("sac", "initial_temperature", 0.0),
        ("sac", "critic_batch_size", 0),
        ("ppo", "num_minibatches", 3),
        ("ppo", "target_kl", 0.0),
        ("ppo", "total_timesteps", 100),
        ("ppo", "max_grad_norm", 0.0),
        ("vpg", "policy_iterations", 0),
        ("vpg", "psi", "advantage"),
        ("vpg", "loss_mode", "trpo"),
        ("vpg", "value_target", "returns"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(name, setting, value):
    with pytest.raises(UserError) as error:
        make_algorithm(name, {setting: value}, SPACES)
    assert (error.value.key, str(error.value.value)) == (setting, shown(value))
