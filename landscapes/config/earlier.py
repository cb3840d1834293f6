"""What runs were told by earlier versions, whose records are in the published spelling, by the keys of today.

Knows the shape of those records; which key stands for which is in `published`. Reads no file.
"""

from collections.abc import Mapping
from typing import Any

from landscapes.config.published import KEYS
from landscapes.settings.algorithms import ALGORITHMS

_PPO = {"algorithm": "ppo", "checkpoint_burst": 1, "checkpoint_spacing": 2, "log_interval": None}
"""What was not to be set of it."""


def config_of_today(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `config` of a run.json of any version as this version would have written it.

    That of a training by an earlier one is translated, and settings of algorithms that it did not train are left out;
    any other comes back as it is.
    """
    own = config.get("experiment")
    if not isinstance(own, Mapping) or not own.keys() & {"algo", "env_id"}:
        return config
    algorithm = own.get("algo", "ppo")
    experiment = f"train_{algorithm}" if algorithm in ALGORITHMS else "train"
    told = dict(_PPO) if "env_id" in own else {"algorithm": algorithm}
    for key, value in _flat(own).items():
        if key in KEYS[experiment]:
            told[KEYS[experiment][key]] = value
        elif key.startswith("algo_config."):
            told[key.removeprefix("algo_config.")] = value
        elif not _is_of_others(key, experiment):
            told[key] = value
    return {**config, "experiment": told}


def _is_of_others(key: str, experiment: str) -> bool:
    """Whether the record has it only because all off-policy algorithms had their keys side by side."""
    off_policy = ("start_training", "replay_buffer_size", "updates_per_step", "actor_batch_size", "critic_batch_size")
    groups = ("algo", "algo_config", "ddpg_config", "sac_config")
    return key.partition(".")[0] in groups or (experiment == "train" and key in off_policy)


def _flat(own: Mapping[str, Any]) -> dict[str, Any]:
    groups = {key: value for key, value in own.items() if isinstance(value, Mapping)}
    inner = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return {key: value for key, value in own.items() if key not in groups} | inner
