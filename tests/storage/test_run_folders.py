"""Run folders: names that cannot escape, making, refusing, replacing, finding; and the record of the surroundings."""

import json
import os
import re
import subprocess
import sys

import pytest

from landscapes.errors import UserError
from landscapes.run_names import check_run_name
from landscapes.storage import (
    RUN_SCHEMA_VERSION,
    check_checkpoint,
    check_results_writable,
    check_seed,
    create_run,
    differing_keys,
    environment_record,
    open_run,
    provenance,
    results_directory,
    run_names,
)

RECORD = {"num_seeds": 4, "config": {"experiment": {"algo": "td3", "dims": (256, 256)}, "seed": 0}, "random_seed": 0}


def tree_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_results_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "environment"))
    assert results_directory(str(tmp_path / "setting")) == tmp_path / "setting"
    assert results_directory(None) == results_directory("") == tmp_path / "environment"
    monkeypatch.setenv("LANDSCAPES_RESULTS", "~nosuch/x")
    with pytest.raises(UserError, match=r"^LANDSCAPES_RESULTS=~nosuch/x: no home folder is known for ~nosuch"):
        results_directory(None)
    with pytest.raises(UserError, match=r"^results_dir=~nosuch/y: "):
        results_directory("~nosuch/y")
    monkeypatch.delenv("LANDSCAPES_RESULTS")
    assert results_directory(None) == provenance.REPOSITORY / "results"
    monkeypatch.chdir(tmp_path)
    assert results_directory("below") == tmp_path / "below"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "a\\b", "/a", ".a", "1a", "1_2_3", "a\n", "a b", "ä", "a" * 201, "sweeps"]
)
def test_bad_names(tmp_path, name):
    with pytest.raises(UserError, match=r"^run_name="):
        check_run_name(name)
    with pytest.raises(UserError, match=r"^run_name="):
        create_run(tmp_path / "results", name, RECORD, overwrite=True)
    with pytest.raises(UserError, match=r"^experiment"):
        open_run(tmp_path / "results", name)
    assert tree_of(tmp_path) == []


def test_create_and_open(tmp_path):
    results = tmp_path / "deep" / "results"
    run = create_run(results, "one", RECORD, overwrite=False)
    assert tree_of(results) == ["one", "one/run.json"]
    assert open_run(results, "one") == run
    assert (run.name, run.num_seeds, run.path) == ("one", 4, results / "one")
    assert run.record["schema_version"] == RUN_SCHEMA_VERSION and run.record["name"] == "one"
    changed = run.write_record(wandb_id="abc", diverged={"1": 500})
    assert open_run(results, "one") == changed
    assert changed.record == {**run.record, "wandb_id": "abc", "diverged": {"1": 500}}
    assert tree_of(results) == ["one", "one/run.json"]


def test_files_of_a_run(tmp_path):
    run = create_run(tmp_path, "one", RECORD, overwrite=False)
    files = [run.checkpoint_path(2, 500), run.returns_path(2, 500), run.rejection_path(2, 500)]
    files += [run.interpolation_path(2), run.interpolation_purd_path(2)]
    assert [str(path.relative_to(run.path)) for path in files] == [
        "seed2/ckpt_500.h5",
        "seed2/s0_returns_500.h5",
        "seed2/td3_reject_ltp_500.h5",
        "seed2/policy_interpolation.h5",
        "seed2/policy_interpolation_purd.h5",
    ]
    assert run.curves_path == run.path / "curves.h5"


def test_existing_run_is_refused_and_names_what_differs(tmp_path):
    create_run(tmp_path, "one", RECORD, overwrite=False)
    with pytest.raises(UserError, match=r"^run_name=one: .*config is equal.*overwrite=true"):
        create_run(tmp_path, "one", RECORD, overwrite=False)
    other = {**RECORD, "config": {"experiment": {"algo": "sac", "dims": [256, 256]}, "seed": 0, "new": {}}}
    with pytest.raises(UserError, match=r"differs in experiment\.algo, new\)"):
        create_run(tmp_path, "one", other, overwrite=False)
    (tmp_path / "one" / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        create_run(tmp_path, "one", RECORD, overwrite=False)


def test_differing_keys():
    assert differing_keys({"a": {"b": 1, "c": (1, 2)}}, {"a": {"b": 2, "c": [1, 2]}, "d": None}) == ["a.b", "d"]


def test_overwriting_removes_that_run_only(tmp_path):
    results = tmp_path / "results"
    for name in ("one", "one_2"):
        run = create_run(results, name, RECORD, overwrite=False)
        run.seed_directory(0).mkdir()
        run.checkpoint_path(0, 5).touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (results / "one" / "link").symlink_to(outside)
    create_run(results, "one", RECORD, overwrite=True)
    assert tree_of(results) == [
        "one",
        "one/run.json",
        "one_2",
        "one_2/run.json",
        "one_2/seed0",
        "one_2/seed0/ckpt_5.h5",
    ]
    assert tree_of(outside) == ["kept"]


def test_what_is_no_run_is_never_overwritten(tmp_path):
    results = tmp_path / "results"
    elsewhere = create_run(tmp_path / "elsewhere", "one", RECORD, overwrite=False)
    (results / "folder").mkdir(parents=True)
    (results / "folder" / "thesis.tex").touch()
    (results / "file").touch()
    (results / "link").symlink_to(elsewhere.path)
    (results / "dangling").symlink_to(tmp_path / "nowhere")
    before = tree_of(tmp_path)
    told = {"folder": "is not a run", "file": "is not a run", "dangling": "is not a run", "link": "is a link to"}
    for name, complaint in told.items():
        with pytest.raises(UserError, match=f"^run_name={name}: .* {complaint}"):
            create_run(results, name, RECORD, overwrite=True)
    assert tree_of(tmp_path) == before


def test_failed_overwrite_keeps_the_old_run(tmp_path, monkeypatch):
    old = create_run(tmp_path, "one", {**RECORD, "mark": "old"}, overwrite=False)
    rename = os.rename

    def refuse_new(source, target):
        if target == old.path and os.path.exists(os.path.join(source, "run.json")):
            record = json.loads((source / "run.json").read_text())
            if "mark" not in record:
                raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_new)
    with pytest.raises(UserError, match=r"^results_dir="):
        create_run(tmp_path, "one", RECORD, overwrite=True)
    assert open_run(tmp_path, "one") == old
    assert [name for name in tree_of(tmp_path) if not name.endswith(".lock")] == ["one", "one/run.json"]


def test_unwritable_results(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    unusable = [tmp_path / "file", tmp_path / "file" / "below" / "results"]
    for results in unusable:
        with pytest.raises(UserError, match=r"^results_dir=.*no run can be stored there"):
            check_results_writable(results)
    for results in [*unusable, tmp_path / "dangling", tmp_path / "new" / ("x" * 300)]:
        with pytest.raises(UserError, match=r"^results_dir=.*no run can be stored there"):
            create_run(results, "one", RECORD, overwrite=False)
    assert tree_of(tmp_path) == ["dangling", "file"]


def test_read_only_results(tmp_path, monkeypatch):
    """The superuser may write despite permission bits, so the refusal of a read-only mount is played."""

    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match=r"^results_dir=.*Read-only file system$"):
        create_run(tmp_path / "results", "one", RECORD, overwrite=False)
    assert tree_of(tmp_path) == []


def test_checking_makes_nothing(tmp_path):
    check_results_writable(tmp_path / "a" / "b")
    assert tree_of(tmp_path) == []


def test_impossible_records_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="num_seeds"):
        create_run(tmp_path / "results", "one", {}, overwrite=False)
    with pytest.raises(TypeError):
        create_run(tmp_path / "results", "one", {**RECORD, "bad": object()}, overwrite=False)
    assert tree_of(tmp_path) == []


def test_unknown_run_names_the_closest(tmp_path):
    with pytest.raises(UserError, match=r"^experiment\.run_name=one: .*it holds no runs$"):
        open_run(tmp_path / "missing", "one")
    for i in range(15):
        create_run(tmp_path, f"other-{i}", RECORD, overwrite=False)
    create_run(tmp_path, "td3-hopper", RECORD, overwrite=False)
    (tmp_path / "no-run").mkdir()
    assert len(run_names(tmp_path)) == 16
    with pytest.raises(UserError, match=r"it holds td3-hopper, .*\.\.\. \(16 in all\)$") as caught:
        open_run(tmp_path, "td3-hoper")
    assert str(caught.value).count(",") == 10


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 99, "num_seeds": 1}', "\xff"]
)
def test_damaged_record_is_one_line(tmp_path, text):
    run = create_run(tmp_path, "one", RECORD, overwrite=False)
    (run.path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"^key=one: .*run\.json cannot be used") as caught:
        open_run(tmp_path, "one", "key")
    assert "\n" not in str(caught.value)
    anew = create_run(tmp_path, "one", RECORD, overwrite=True)
    assert anew == open_run(tmp_path, "one") and anew.id != run.id


def test_seeds_and_checkpoints(tmp_path):
    run = create_run(tmp_path, "one", RECORD, overwrite=False)
    check_seed(run, 3, "seed")
    for seed in (-1, 4, True, "0"):
        with pytest.raises(UserError, match=r"^seed=.*run one has seeds 0\.\.3$"):
            check_seed(run, seed, "seed")
    assert run.checkpoint_steps(0) == []
    with pytest.raises(UserError, match=r"has no checkpoints yet$"):
        check_checkpoint(run, 0, 5, "ckpt")
    run.seed_directory(0).mkdir()
    for step in (150000, 50000):
        run.checkpoint_path(0, step).touch()
    for name in (".ckpt_7.h5.1-ab.tmp", "ckpt_8.h5.lock", "ckpt_x.h5", "s0_returns_9.h5"):
        (run.seed_directory(0) / name).touch()
    assert run.checkpoint_steps(0) == [50000, 150000]
    check_checkpoint(run, 0, 50000, "ckpt")
    with pytest.raises(UserError, match=r"^ckpt=7: seed 0 of run one has checkpoints 50000, 150000$"):
        check_checkpoint(run, 0, 7, "ckpt")


def test_environment_record_is_json_and_has_no_clock():
    record = environment_record()
    assert json.loads(json.dumps(record)) == record == environment_record()
    assert record["versions"]["jax"] and record["versions"]["python"] == sys.version.split()[0]
    assert record["machine"]["cores"] >= 1 and record["machine"]["processor"]


def test_git_state(tmp_path, monkeypatch, caplog):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    def state():
        return environment_record()["git"]

    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert state() is None
    git("init")
    assert state() is None
    caplog.clear()
    (tmp_path / "file").write_text("a")
    git("add", ".")
    git("commit", "-m", "one")
    assert re.fullmatch("[0-9a-f]{40}", state()["commit"]) and state()["dirty"] is False
    (tmp_path / "new").touch()
    assert state()["dirty"] is False
    (tmp_path / "file").write_text("b")
    assert state()["dirty"] is True
    if os.geteuid() == 0:  # a checkout of somebody else, as in a container
        for path in [tmp_path, *tmp_path.rglob("*")]:
            os.chown(path, 12345, -1, follow_symlinks=False)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))  # as a hook or an alias of another one sets it
    assert re.fullmatch("[0-9a-f]{40}", state()["commit"]) and state()["dirty"] is True
    assert not caplog.records
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path / "below")
    (tmp_path / "below").mkdir()
    assert state() is None and not caplog.records
    (tmp_path / "below" / ".git").mkdir()
    assert state() is None and state() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state() is None
    broken, absent = (record.getMessage() for record in caplog.records)
    assert broken.startswith(f"{tmp_path / 'below'}: its commit is not recorded (fatal: not a git repository")
    assert absent.endswith("is not recorded (git is not installed)")


def test_importing_storage_imports_no_simulator():
    script = """
import sys, landscapes.storage
heavy = {"brax", "flax", "hydra", "matplotlib", "mujoco", "omegaconf", "optax", "wandb"} & set(sys.modules)
assert not heavy, heavy
import landscapes.storage.provenance
"""
    root = provenance.REPOSITORY
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=root, check=True, timeout=120)
