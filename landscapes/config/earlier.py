"""What runs were told by earlier versions, whose records are in the published spelling, by the keys of today.

Knows the shape of those records; which key stands for which is in `published`. Reads no file.
"""

from collections.abc import Mapping
from typing import Any

from landscapes.config.published import KEYS, VALUES
from landscapes.config.training import own_keys
from landscapes.settings.algorithms import ALGORITHMS

_PPO = {"algorithm": "ppo", "checkpoint_burst": 1, "checkpoint_spacing": 2, "log_interval": None}
"""What was not to be set of it."""


def config_of_today(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `config` of a run.json of any version as this version would have written it.

    That of a training by an earlier one is translated, settings of algorithms that it did not train are left out, and
    those that there were not yet have their defaults, which leave all as it was; any other comes back as it is.
    """
    own = config.get("experiment")
    if not isinstance(own, Mapping) or not own.keys() & {"algo", "env_id"}:
        return config
    algorithm = own.get("algo", "ppo")
    experiment = f"train_{algorithm}" if algorithm in ALGORITHMS else "train"
    told = {"env_options": {}, **(_PPO if "env_id" in own else {"algorithm": algorithm})}
    for key, value in _flat(own).items():
        if key in KEYS[experiment]:
            told[KEYS[experiment][key]] = value
        elif key in VALUES.get(experiment, {}):
            meant, values = VALUES[experiment][key]
            told[meant] = values[str(value).lower()]
        elif key.startswith("algo_config."):
            told[key.removeprefix("algo_config.")] = value
        elif not _is_of_others(key, experiment):
            told[key] = value
    later = own_keys(algorithm) if algorithm in ALGORITHMS else []
    return {**config, "experiment": {each.name: each.default for each in later} | told}


def _is_of_others(key: str, experiment: str) -> bool:
    """Whether the record has it only because all off-policy algorithms had their keys side by side."""
    off_policy = ("start_training", "replay_buffer_size", "updates_per_step", "actor_batch_size", "critic_batch_size")
    groups = ("algo", "algo_config", "ddpg_config", "sac_config")
    return key.partition(".")[0] in groups or (experiment == "train" and key in off_policy)


def _flat(own: Mapping[str, Any]) -> dict[str, Any]:
    groups = {key: value for key, value in own.items() if isinstance(value, Mapping)}
    inner = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return {key: value for key, value in own.items() if key not in groups} | inner
