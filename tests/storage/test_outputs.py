"""Files that a user has named: links stay links, pipes and devices stay what they are."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import layouts
import pytest

from landscapes.errors import UserError
from landscapes.figures import __main__ as figures_command
from landscapes.report import __main__ as report_command
from landscapes.runs import __main__ as runs_command
from landscapes.storage import Output


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(folder))
    layouts.add_curves(layouts.make_run(folder, "calm"))
    return folder


def write_csv(path: Path) -> int:
    return runs_command.main(["list", "--csv", str(path)])


def write_page(path: Path) -> int:
    return report_command.main(["calm", "--out", str(path)])


def write_figure(path: Path) -> int:
    link = path.parent / "figures" / "learning_curves.svg"
    link.parent.mkdir()
    path.rename(link)
    code = figures_command.main(["calm", "--only", "learning_curves", "--format", "svg", "--out", str(link.parent)])
    link.rename(path)
    return code


@pytest.mark.parametrize("write", [write_csv, write_page, write_figure])
@pytest.mark.usefixtures("results")
def test_a_link_stays_a_link_and_its_file_keeps_its_permissions(write: Callable[[Path], int], tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert write(link) == 0
    assert link.is_symlink() and os.readlink(link) == str(target)
    assert target.stat().st_size > 3 and target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("write", [write_csv, write_page, write_figure])
@pytest.mark.usefixtures("results")
def test_a_device_stays_a_device(
    write: Callable[[Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    assert write(tmp_path / "link") > 0
    told = "".join(capsys.readouterr())
    assert "No space left on device" in told and told.count("\n") == 1
    assert (tmp_path / "link").is_char_device()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    Output("--csv", tmp_path / "pipe").write(b"x" * 100_000)
    reader.join(10)
    assert read == [b"x" * 100_000] and (tmp_path / "pipe").is_fifo()


def test_a_pipe_that_nobody_reads_is_no_mistake_of_the_users() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Output("--csv", f"/dev/fd/{writer}").write(b"x")
    os.close(writer)


def test_a_link_to_where_no_file_is_yet_makes_it_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new" / "file")
    Output("--out", tmp_path / "link").write(b"x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "new" / "file").read_bytes() == b"x"


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_standard_output_holds_that_and_nothing_else(target: str, tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        name = target if target == "-" else f"/dev/fd/{stream.fileno()}"
        assert report_command.main(["calm", "--out", name]) == 0
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert text.startswith("<!") and text.rstrip().endswith("</html>")


@pytest.mark.parametrize("name", ["folder", "no/where/file", "loop", "file/below"])
def test_what_cannot_be_written_is_one_line_before_anything_is_done(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match=f"--csv=.*{name}: cannot be written: "):
        Output("--csv", tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]
