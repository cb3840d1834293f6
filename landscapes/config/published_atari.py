"""The jobs that the published Atari scripts stand for: their flags as settings of ours.

Knows settings and the scripts' own numbers; no run folder, no file, and runs nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from landscapes.commands import setting
from landscapes.config.atari_flags import ENV, LEARNING, Flags
from landscapes.config.published import KEYS, PREFIX, VALUES
from landscapes.envs.tasks import ATARI, canonical
from landscapes.errors import UserError
from landscapes.settings.fields import closest, shown

RUNS = "runs"
"""Where a training puts its run: this folder where one stands."""

KIND = "full_update"
"""What one published sample is: all epochs and minibatches of a whole update."""

NOISE = 3e-4
"""Standard deviation of the weight noise at each point of a path."""

EPISODE_LENGTH = 27_000
"""Steps of four frames: half an hour of a game, which envpool cuts off there."""

POLICIES_AT_ONCE = 100
"""On paths: a policy of pictures has 1.7 million weights."""


def check_run(flags: Flags, config: Mapping[str, Any]) -> None:
    """Raises UserError for a typed flag of the training that says otherwise than a run's own settings, `config`: an
    update is as the run makes it."""
    for name in (ENV, *LEARNING):
        if name not in flags.typed:
            continue
        key, value = _meant(name, flags.typed[name])
        value = canonical(value) if name == ENV else value
        if config.get(key) != value:
            told = f"the run was trained with {shown(config.get(key))}, and is measured with it"
            raise UserError(f"--{name}", shown(value), told)


def _meant(flag: str, value: Any) -> tuple[str, Any]:
    """The setting that a flag of the training stands for, and its value."""
    name = flag.replace("-", "_")
    if name in VALUES["train_ppo"]:
        key, words = VALUES["train_ppo"][name]
        return key, words[shown(value)]
    return KEYS["train_ppo"].get(name, name), value


def checkpoint_steps(flags: Flags) -> list[int]:
    """Where the published training stores: before update int(updates · i / n), i = 1..n, counted from 1."""
    batch, number = flags["num-envs"] * flags["num-steps"], flags["num-checkpoints"]
    for name in ("num-envs", "num-steps", "num-checkpoints"):
        if flags[name] < 1:
            raise UserError(f"--{name}", flags[name], "must be at least 1")
    updates = flags["total-timesteps"] // batch
    before = {int(updates * i / number) for i in range(1, number + 1)}
    return [(update - 1) * batch for update in sorted(before) if update > 0]


def stem(flags: Flags) -> str:
    """What the name of a training's run begins with; the time, in seconds, ends it."""
    return f"{canonical(flags[ENV])}__{flags['exp-name'] or flags.script}__{flags['seed']}__"


def training(flags: Flags, name: str) -> list[str]:
    """The settings of `run_algorithm` for the run called `name`. Raises UserError for what is no game."""
    if canonical(flags[ENV]) not in ATARI:
        raise UserError(f"--{ENV}", flags[ENV], f"no such game; {closest(flags[ENV], list(ATARI))}")
    learning = (_meant(flag, flags[flag]) for flag in (ENV, *LEARNING))
    return [
        "experiment=train_ppo",
        *(f"{PREFIX}{key}={shown(value)}" for key, value in learning),
        f"{PREFIX}num_seeds=1",
        f"{PREFIX}checkpoints={shown(checkpoint_steps(flags))}",
        f"{PREFIX}episode_length={EPISODE_LENGTH}",
        f"{PREFIX}eval_episode_length={flags['eval-len']}",
        f"{PREFIX}clip_rewards=1.0",  # returns are the game's own
        f"+{PREFIX}env_options.life_loss=true",
        f"run_name={name}",
        f"results_dir={RUNS}",
        *_shared(flags),
    ]


def policy_variance(flags: Flags, results: str, run: str, steps: Sequence[int]) -> list[str]:
    """The settings of `eval_policy` for the returns after whole updates of those checkpoints of a run in `results`."""
    return [
        "experiment=policy_variance",
        setting(f"{PREFIX}run_name", run),
        f"{PREFIX}seed=0",
        f"{PREFIX}ckpt_indexes={shown(list(steps))}",
        f"{PREFIX}eval_episodes={flags['purd-samples']}",
        f"{PREFIX}batch_size={flags['outer-batch-size']}",
        f"{PREFIX}episode_length={flags['eval-len']}",
        f"{PREFIX}noise_type={KIND}",
        f"{PREFIX}noise_amounts=[null]",
        setting("results_dir", results),
        *_shared(flags),
    ]


def interpolation(flags: Flags, results: str, ends: Sequence[tuple[str, int]]) -> list[str]:
    """The settings of `eval_policy` for the path from the first of two policies (run, step) to the second; column 0 of
    ours is policy 2."""
    (run_a, step_a), (run_b, step_b) = ends
    return [
        "experiment=policy_interpolation",
        *(f"{PREFIX}{key}=[{value}]" for key, value in (("run_names1", run_b), ("seeds1", 0), ("ckpts1", step_b))),
        *(f"{PREFIX}{key}=[{value}]" for key, value in (("run_names2", run_a), ("seeds2", 0), ("ckpts2", step_a))),
        f"{PREFIX}num_points={flags['num-interpolation-points']}",
        f"{PREFIX}num_purd_samples={flags['purd-samples']}",
        f"{PREFIX}batch_size={max(1, POLICIES_AT_ONCE // max(1, flags['num-interpolation-points']))}",
        f"{PREFIX}episode_length={flags['eval-len']}",
        f"{PREFIX}noise_type=init_parameter",
        f"{PREFIX}noise_amount={NOISE}",
        setting("results_dir", results),
        *_shared(flags),
    ]


def _shared(flags: Flags) -> list[str]:
    """The settings beside the experiment's own."""
    words = [f"random_seed={flags['seed']}", f"use_wandb={shown(flags['track'])}"]
    if flags["overwrite"]:
        words.append("overwrite=true")
    named = {"wandb-project-name": "wandb.project_name", "wandb-entity": "wandb.entity_name"}
    return words + [setting(key, flags[flag]) for flag, key in named.items() if flags[flag] is not None]
