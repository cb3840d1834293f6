"""`experiment=neighborhood`: of a whole run, what one more update of its own does to every stored policy.

Knows the job's settings; the measurement is in eval_policy.purds, figures and the page are the commands' own.
"""

from eval_policy.distributions import Wanted
from eval_policy.purds import Purds
from eval_policy.stored import chosen_policies
from landscapes import loading, storage
from landscapes.config.job import Job
from landscapes.config.schemas import Neighborhood
from landscapes.errors import UserError
from landscapes.figures.gallery import draw_all
from landscapes.jobs.find_run import finder
from landscapes.report.writing import write_report
from landscapes.studies import neighborhood


def run(job: Job) -> None:
    """Measures every policy that is asked for, then draws the run's figures and writes its page."""
    s = job.settings
    assert isinstance(s, Neighborhood)
    stored, policies = chosen_policies(finder(job), s)
    env, agent = loading.rebuild(stored, s.episode_length)
    kind = neighborhood.own_update(agent, "experiment.noise_type") if s.noise_type is None else s.noise_type
    if neighborhood.is_update(agent, kind) and isinstance(s.checkpoints, str):
        policies = _with_data(stored, policies)
    wanted = Wanted(
        policies=policies,
        kind=kind,
        amounts=s.noise_amounts,
        num_samples=s.num_samples,
        batch_size=s.batch_size,
        episode_length=s.episode_length,
        discount=s.discount,
        num_recorded=s.record_trajectories,
        show_progress=s.tqdm,
        ckpt_key="experiment.checkpoints",
        amounts_key="experiment.noise_amounts",
    )
    Purds(job, stored, wanted, (env, agent)).run(job.member_name or f"{stored.name}-{kind}")
    if job.dry_run:
        return
    for path in [*draw_all(stored, ["png"]), write_report([stored.name], str(stored.path.parent)).target]:
        print(f"  {path}")


def _with_data(stored: storage.Run, policies: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those at which an update has data; says which have not, and raises UserError where that is all of them."""
    empty = [(seed, step) for seed, step in policies if not loading.has_data(stored, seed, step)]
    if len(empty) == len(policies):
        allowed = "no update can be made at any checkpoint: every replay log was still empty"
        raise UserError("experiment.run", stored.name, allowed)
    if empty:
        steps = ", ".join(map(str, dict.fromkeys(step for _, step in empty)))
        print(f"left out: checkpoints {steps}, at which the replay log was still empty")
    return [each for each in policies if each not in empty]
