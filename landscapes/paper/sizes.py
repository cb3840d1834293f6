"""How large the study is: as published, for a laptop, or only to see that all of it runs.

Knows numbers and the keys that carry them to the entry points; knows no run.
"""

from dataclasses import dataclass, field

PUBLISHED_STEPS = tuple(50_000 + 100_000 * i for i in range(10))


@dataclass(frozen=True)
class Size:
    """Everything that depends on how much time there is. Steps are environment steps of one seed."""

    tasks: tuple[str, ...]
    algorithms: tuple[str, ...]
    backend: str
    num_seeds: int
    max_steps: int
    """Of TD3 and SAC."""
    checkpoints: tuple[int, ...]
    """Of TD3 and SAC."""
    total_timesteps: int
    """Of PPO."""
    ppo_checkpoints: int
    samples: int
    """Of every PURD."""
    ppo_samples: int
    """PPO's cost a fresh unroll each, in its walks too."""
    path_checkpoints: int
    """Of each seed, the last ones; all pairs of them are walked."""
    path_points: int
    path_samples: int
    proposals: int
    walk_samples: int
    fresh_purds: int
    num_roots: int
    num_pairs: int
    """Pairs of like mean and unlike spread whose policies are cloned."""
    num_clones: int
    """Of each policy."""
    clone_steps: int
    episode_length: int = 1000
    off_policy: tuple[str, ...] = ()
    """Further settings of the training of TD3 and SAC."""
    on_policy: tuple[str, ...] = ()
    """And of PPO."""
    cloning: tuple[str, ...] = ()
    num_envs: int = 2048
    num_steps: int = 16

    def ppo_steps(self) -> tuple[int, ...]:
        """The checkpoints that PPO's training will store: one before every (updates // number)-th update."""
        batch = self.num_envs * self.num_steps
        each = max(1, self.total_timesteps // batch // self.ppo_checkpoints)
        return tuple((each * k - 1) * batch for k in range(1, self.ppo_checkpoints + 1))


SIZES = {
    "published": Size(
        tasks=("halfcheetah", "walker2d", "hopper", "ant"),
        algorithms=("td3", "sac", "ppo"),
        backend="positional",
        num_seeds=20,
        max_steps=1_000_000,
        checkpoints=PUBLISHED_STEPS,
        total_timesteps=60_000_000,
        ppo_checkpoints=10,
        samples=1000,
        ppo_samples=1000,
        path_checkpoints=10,
        path_points=100,
        path_samples=100,
        proposals=40,
        walk_samples=1000,
        fresh_purds=1,
        num_roots=10,
        num_pairs=4,
        num_clones=5,
        clone_steps=20_000,
        off_policy=("experiment.eval_interval=10000",),
    ),
    "laptop": Size(
        tasks=("hopper",),
        algorithms=("td3", "sac", "ppo"),
        backend="spring",
        num_seeds=4,
        max_steps=100_000,
        checkpoints=tuple(range(10_000, 100_001, 10_000)),
        total_timesteps=8_000_000,
        ppo_checkpoints=5,
        samples=300,
        ppo_samples=40,
        path_checkpoints=3,
        path_points=21,
        path_samples=20,
        proposals=20,
        walk_samples=200,
        fresh_purds=3,
        num_roots=10,
        num_pairs=2,
        num_clones=3,
        clone_steps=20_000,
        off_policy=("experiment.start_training=2000",),
    ),
    "smoke": Size(
        tasks=("inverted_pendulum",),
        algorithms=("td3",),
        backend="spring",
        num_seeds=2,
        max_steps=60,
        checkpoints=(40, 60),
        total_timesteps=256,
        ppo_checkpoints=2,
        samples=6,
        ppo_samples=6,
        path_checkpoints=2,
        path_points=3,
        path_samples=2,
        proposals=2,
        walk_samples=5,
        fresh_purds=1,
        num_roots=2,
        num_pairs=1,
        num_clones=2,
        clone_steps=20,
        episode_length=10,
        off_policy=(
            "experiment.start_training=20",
            "experiment.eval_interval=30",
            "experiment.log_interval=20",
            "experiment.reset_interval=10",
            "experiment.eval_episodes=2",
            "experiment.eval_episode_length=10",
            "experiment.ddpg_config.hidden_dims=[8,8]",
            "experiment.sac_config.hidden_dims=[8,8]",
        ),
        on_policy=(
            "experiment.num_envs=8",
            "experiment.num_steps=8",
            "experiment.hidden_dims=[8,8]",
            "experiment.reset_interval=10",
            "experiment.eval_episodes=2",
            "experiment.eval_episode_length=10",
        ),
        cloning=("experiment.eval_episodes=2", "experiment.eval_episode_length=10"),
        num_envs=8,
        num_steps=8,
    ),
}
"""By the name that `size=` takes. Smoke shows that every stage runs; its numbers mean nothing."""


@dataclass(frozen=True)
class Rates:
    """What one machine does in a second, for the estimate that is printed beforehand."""

    machine: str
    updates: dict[str, float]
    """Environment steps of training, all seeds together."""
    measured: float
    """Environment steps of PURDs and of everything like them."""
    clone_updates: float
    slower: dict[str, float] = field(default_factory=dict)
    """How many times slower than `spring` a backend is."""


RATES = Rates(
    machine="two cores of a Xeon without an accelerator (docs/performance.md)",
    updates={"td3": 430.0, "sac": 330.0, "ppo": 56_000.0},
    measured=90_000.0,
    clone_updates=600.0,
    slower={"spring": 1.0, "positional": 3.5, "generalized": 5.0, "mjx": 10.0},
)
CHECKPOINT_BYTES = {"td3": 3.4e6, "sac": 2.9e6, "ppo": 8e6}
ROW_BYTES = 256
"""Of the replay log, on the task with the largest observations."""
