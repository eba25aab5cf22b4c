"""Temporaries that a killed process left go with the next one of their name; those in use, and other files, stay."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genotools.files import swap_folder, write_text
from genotools.temporaries import MIN_AGE_S, temporary_file, temporary_folder

HOLD = """
import sys, time
from pathlib import Path
from genotools.temporaries import temporary_file, temporary_folder

make = temporary_folder if sys.argv[2] == "folder" else temporary_file
with make(Path(sys.argv[1])) as temporary:
    folder = temporary if temporary.is_dir() else temporary.parent
    (folder / ".tmp-of-a-library").write_text("half")
    print(folder, flush=True)
    time.sleep(600)
"""


@contextmanager
def another_process(path: Path, kind: str) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A process that holds a temporary folder for ``path`` until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), kind], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


def grow_old(path: Path) -> None:
    then = path.stat().st_mtime - 2 * MIN_AGE_S
    os.utime(path, (then, then))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_goes_when_the_next_one_writes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out.txt"
    with another_process(path, kind) as (left, process):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.exists()
    write_text(path, "young")
    assert left.exists(), "its maker may be about to hold it"
    grow_old(left)
    write_text(path, "new")
    assert [item.name for item in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_another_process_holds_stays_however_old(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out.txt"
    with another_process(path, kind) as (held, _):
        grow_old(held)
        write_text(path, "new")
        assert held.exists()


def test_a_writer_may_put_another_file_in_the_place_of_the_temporary(tmp_path: Path) -> None:
    """As safetensors does: what is held is the folder."""
    path = tmp_path / "w.safetensors"
    with temporary_file(path) as temporary:
        (temporary.parent / "other").write_text("new")
        (temporary.parent / "other").replace(temporary)
        grow_old(temporary)
        grow_old(temporary.parent)
        write_text(path, "of somebody else")
        assert temporary.read_text() == "new"


@pytest.mark.parametrize(
    "name", [".out.txt.swp", ".out.txt.genotools-abc", ".other.txt.genotools-abcdefgh", "out.txt.bak"]
)
def test_folders_of_other_names_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    grow_old(tmp_path / name)
    write_text(tmp_path / "out.txt", "new")
    assert (tmp_path / name).is_dir()


def test_what_is_no_folder_stays_and_hides_no_other(tmp_path: Path) -> None:
    """A link is not followed, a pipe not waited for."""
    (tmp_path / "mine").mkdir()
    (tmp_path / ".out.txt.genotools-link0000").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / ".out.txt.genotools-pipe0000")
    (tmp_path / ".out.txt.genotools-file0000").write_text("mine")
    (tmp_path / ".out.txt.genotools-left0000").mkdir()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    write_text(tmp_path / "out.txt", "new")
    left = sorted(path.name.removeprefix(".out.txt.genotools-") for path in tmp_path.iterdir())
    assert left == ["file0000", "link0000", "mine", "out.txt", "pipe0000"]


def test_temporaries_of_this_process_end_with_their_block(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "a.h5") as file, temporary_folder(tmp_path / "a") as folder:
        assert file.name == "a.h5"
        assert file.parent.parent == folder.parent == tmp_path
        (folder / "inside").write_text("x")
    assert list(tmp_path.iterdir()) == []


SWAP = """
import os, sys
from pathlib import Path
from genotools import files

folder = Path(sys.argv[1])
renames = 0
rename = Path.rename

def killed_at(self, target):
    global renames
    renames += 1
    if renames == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    return rename(self, target)

Path.rename = killed_at
files.swap_folder(folder / "new", folder / "entry", aside=folder / "aside")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
@pytest.mark.parametrize("at", [1, 2])
def test_a_kill_between_leaves_the_old_folder_or_the_new_one(tmp_path: Path, at: int) -> None:
    for name, text in (("entry", "old"), ("new", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(text)
    subprocess.run([sys.executable, "-c", SWAP, str(tmp_path), str(at)], check=False)
    assert (tmp_path / "entry" / "text").read_text() in ("old", "new")


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_put_in_the_place_of_another(
    tmp_path: Path, in_one_step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_one_step:
        monkeypatch.setattr("genotools.files._exchange", lambda first, second: False)
    for text in ("first", "second"):
        made = tmp_path / "made"
        made.mkdir()
        (made / "text").write_text(text)
        swap_folder(made, tmp_path / "entry", aside=tmp_path / "aside")
        assert (tmp_path / "entry" / "text").read_text() == text
    old = tmp_path / ("made" if in_one_step else "aside")
    assert (old / "text").read_text() == "first"
