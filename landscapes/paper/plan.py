"""The stages of a study, in order: each a list of command lines of the entry points, as they would be typed.

Knows keys and names; runs nothing. What a later stage does depends on what an earlier one has measured, so its
command lines are made when it is reached; all of them go on where they stood, or end at once where they are finished.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from landscapes import storage
from landscapes.paper.roots import Choice, Measured, choose_pairs, choose_roots
from landscapes.paper.study import AMOUNTS, Study, measured
from landscapes.stages.running import Command, Stage
from landscapes.storage import PolicyName, Run


def stages(study: Study) -> list[Stage]:
    """All stages of the study but those that are to be left out."""
    s = study.size
    some = study.member(study.run_name(*study.trainings[0]))
    first = study.algorithms[0]
    policy = PolicyName(some, 0, study.steps(first)[-1])
    left_out = [
        *(["paths within", "paths across"] if s.path_checkpoints < 2 else []),
        *(["reject"] if s.num_roots == 0 else []),
        *(["clone", "measure clones"] if s.num_pairs == 0 else []),
    ]
    every = [
        Stage("train", "every algorithm on every task, all seeds of one in one program", partial(_train, study)),
        Stage("measure", "every checkpoint, one update away from it", partial(_measure, study)),
        Stage("paths within", "between checkpoints of one seed", partial(_paths, study, True)),
        Stage("paths across", "between checkpoints of a seed and the next", partial(_paths, study, False)),
        Stage(
            "reject",
            f"from at most {s.num_roots} roots of each algorithm with a tail to lose, each beside its control",
            partial(_reject, study),
            known=False,
            example=_walk(study, policy, first),
        ),
        Stage(
            "clone",
            f"both policies of at most {s.num_pairs} pairs of like mean and unlike spread in each run",
            partial(_clone_pairs, study),
            known=False,
            example=_clone(study, policy),
        ),
        Stage(
            "measure clones",
            "each clone at the end, one update away",
            partial(_measure_clones, study),
            known=False,
            example=_measure_clone(study, policy, first),
        ),
        Stage("figures", "what the results of each run allow", partial(_figures, study), may_fail=True),
        Stage("report", "one page a run, to be opened without a network", partial(_reports, study)),
        Stage("claims", "the published claims, computed from the files", partial(_claims, study)),
    ]
    return [stage for stage in every if stage.name not in left_out]


def choice_of_roots(study: Study, algorithm: str) -> Choice:
    """The roots of an algorithm among all its runs, and what they were chosen among."""
    found: list[Measured] = []
    for task in study.tasks:
        run = study.trained(algorithm, task)
        found += measured(run) if run else []
    return choose_roots(found, study.size.num_roots)


def pairs_of(study: Study) -> list[tuple[str, Measured, Measured]]:
    """(algorithm, calm, noisy) of each run."""
    found = []
    for algorithm, task in study.trainings:
        run = study.trained(algorithm, task)
        pairs = choose_pairs(measured(run), study.size.num_pairs) if run else []
        found += [(algorithm, calm, noisy) for calm, noisy in pairs]
    return found


def _shared(study: Study) -> list[str]:
    """What every job is told."""
    return study.launch.job_words("{}={}".format)


def _list(values: Iterable[object]) -> str:
    return f"[{','.join(map(str, values))}]"


def _train(study: Study) -> list[Command]:
    s, commands = study.size, []
    for algorithm, task in study.trainings:
        words = ["run_algorithm", f"run_name={study.run_name(algorithm, task)}"]
        if algorithm == "ppo":
            words += ["experiment=train_ppo", f"experiment.env_id={task}"]
            words += [f"experiment.total_timesteps={s.total_timesteps}"]
            words += [f"experiment.agent_num_logs={s.ppo_checkpoints}", *s.on_policy]
        else:
            words += [f"experiment.algo={algorithm}", f"experiment.env_name={task}"]
            words += [f"experiment.max_steps={s.max_steps}", f"experiment.agent_log_starts={_list(s.checkpoints)}"]
            words += s.off_policy
        words += [f"experiment.backend={study.backend}", f"experiment.num_seeds={study.num_seeds}"]
        commands.append((*words, *_shared(study)))
    return commands


def _groups(study: Study, algorithm: str, task: str) -> list[tuple[list[int], tuple[int, ...]]]:
    """Seeds with the checkpoints that they all have: one that diverged has fewer. Before training, what it will "
    "store."""
    run = study.trained(algorithm, task)
    if run is None or run.record["status"] == "running":
        return [(list(range(study.num_seeds)), study.steps(algorithm))]
    groups: dict[tuple[int, ...], list[int]] = {}
    for seed in range(run.num_seeds):
        groups.setdefault(tuple(run.checkpoint_steps(seed)), []).append(seed)
    return [(seeds, steps) for steps, seeds in groups.items() if steps]


def _of_seeds(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(len(seeds)))
    return f"experiment.seed=range({len(seeds)})" if whole else f"experiment.seed={','.join(map(str, seeds))}"


def _purds(study: Study, run: str, seeds: Sequence[int], steps: Sequence[int], algorithm: str) -> Command:
    s = study.size
    return (
        "eval_policy",
        "--multirun",
        f"experiment.run_name={run}",
        _of_seeds(seeds),
        f"experiment.ckpt_indexes={_list(steps)}",
        f"experiment.noise_type={algorithm}_optimization",
        f"experiment.noise_amounts=[{AMOUNTS[algorithm]}]",
        f"experiment.eval_episodes={study.samples(algorithm)}",
        *([] if s.episode_length == 1000 else [f"experiment.episode_length={s.episode_length}"]),
        *_shared(study),
    )


def _measure(study: Study) -> list[Command]:
    return [
        _purds(study, study.member(study.run_name(algorithm, task)), seeds, steps, algorithm)
        for algorithm, task in study.trainings
        for seeds, steps in _groups(study, algorithm, task)
    ]


def _paths(study: Study, same_seed: bool) -> list[Command]:
    s, commands = study.size, []
    for algorithm, task in study.trainings:
        for seeds, steps in _groups(study, algorithm, task):
            # The other end of a path across is of the next seed: the last one has none.
            last = max((seed for others, _ in _groups(study, algorithm, task) for seed in others), default=0)
            own = seeds if same_seed else [seed for seed in seeds if seed < last and (seed + 1) in seeds]
            if not own or len(steps) < 2:
                continue
            words = [
                "eval_policy",
                "--multirun",
                "experiment=policy_interpolation_seed",
                f"experiment.run_name={study.member(study.run_name(algorithm, task))}",
                _of_seeds(own),
                f"experiment.same_seed={str(same_seed).lower()}",
                "experiment.first_half=null",
                f"experiment.ckpt_indexes={_list(steps[-s.path_checkpoints :])}",
                f"experiment.num_points={s.path_points}",
                f"experiment.num_purd_samples={s.path_samples}",
                *([] if s.episode_length == 1000 else [f"experiment.episode_length={s.episode_length}"]),
            ]
            commands.append((*words, *_shared(study)))
    return commands


def _walk(study: Study, root: PolicyName, algorithm: str) -> Command:
    s = study.size
    return (
        "improve_ltp",
        # Of the two equal experiments the published one fills in TD3's learning rate; others take the run's own.
        *([] if algorithm == "td3" else ["experiment=reject_ltp"]),
        f"experiment.root_policy_conf.run_name={root.run}",
        f"experiment.root_policy_conf.seed={root.seed}",
        f"experiment.root_policy_conf.ckpt={root.step}",
        f"experiment.eval_episodes={study.walk_samples(algorithm)}",
        f"experiment.max_steps={s.proposals}",
        f"experiment.fresh_purds={s.fresh_purds}",
        *([] if s.episode_length == 1000 else [f"experiment.episode_length={s.episode_length}"]),
        *_shared(study),
    )


def _reject(study: Study) -> list[Command]:
    return [
        _walk(study, root.policy, algorithm)
        for algorithm in study.algorithms
        for root in choice_of_roots(study, algorithm).roots
    ]


def _clone_name(policy: PolicyName) -> str:
    return f"{policy.run}_s{policy.seed}_c{policy.step}_clones"


def _clone(study: Study, policy: PolicyName) -> Command:
    s = study.size
    return (
        "run_algorithm",
        "experiment=train_bc",
        f"run_name={_clone_name(policy)}",
        f"experiment.root_policy_conf.run_name={policy.run}",
        f"experiment.root_policy_conf.seed={policy.seed}",
        f"experiment.root_policy_conf.ckpt={policy.step}",
        f"experiment.num_seeds={s.num_clones}",
        f"experiment.max_steps={s.clone_steps}",
        f"experiment.ckpt_steps=[{s.clone_steps}]",
        *s.cloning,
        *_shared(study),
    )


def _measure_clone(study: Study, policy: PolicyName, algorithm: str) -> Command:
    name = study.member(_clone_name(policy))
    return _purds(study, name, range(study.size.num_clones), [study.size.clone_steps], algorithm)


def _cloned(study: Study) -> list[tuple[PolicyName, str]]:
    policies = [(one.policy, algorithm) for algorithm, *pair in pairs_of(study) for one in pair]
    return list(dict.fromkeys(policies))


def _clone_pairs(study: Study) -> list[Command]:
    return [_clone(study, policy) for policy, _ in _cloned(study)]


def _measure_clones(study: Study) -> list[Command]:
    return [
        _measure_clone(study, policy, algorithm)
        for policy, algorithm in _cloned(study)
        if storage.find_run(study.launch.results, study.member(_clone_name(policy))) is not None
    ]


def _finished(study: Study) -> list[Run]:
    runs = [study.trained(algorithm, task) for algorithm, task in study.trainings]
    return [run for run in runs if run is not None]


def _names(study: Study) -> list[str]:
    found = [run.name for run in _finished(study)]
    return found or [study.member(study.run_name(*training)) for training in study.trainings]


def _figures(study: Study) -> list[Command]:
    return [("landscapes.figures", name, "--format", "png", *study.launch.elsewhere) for name in _names(study)]


def _reports(study: Study) -> list[Command]:
    return [("landscapes.report", name, *study.launch.elsewhere) for name in _names(study)]


def _claims(study: Study) -> list[Command]:
    launch = study.launch
    where = [] if launch.results_dir is None else [f"results_dir={launch.results_dir}"]
    return [("landscapes.paper", "claims", *_names(study), f"out={launch.results / launch.name}.md", *where)]
