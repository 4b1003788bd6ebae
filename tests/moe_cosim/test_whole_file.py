"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import moe_cosim
from moe_cosim.whole_file import whole_folder, write_whole

SOURCES = Path(moe_cosim.__file__).parent


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("aside", [None, "aside"])
def test_the_file_is_there_and_nothing_else(tmp_path: Path, aside: str | None) -> None:
    folder = tmp_path / (aside or "")
    folder.mkdir(exist_ok=True)
    for text in (b"first", b"second, which replaces it"):
        write_whole(tmp_path / "file", text, folder if aside else None)
        assert (tmp_path / "file").read_bytes() == text
    assert below(tmp_path) == ([aside] if aside else []) + ["file"]


def test_a_folder_on_the_way_is_made_where_the_writing_is_done_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    write_whole(tmp_path / "new" / "file", b"data", tmp_path / "aside")
    assert (tmp_path / "new" / "file").read_bytes() == b"data"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("aside", [None, "aside"])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, aside: str | None
) -> None:
    def fail(file: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "aside").mkdir()
    (tmp_path / "file").write_bytes(b"before")
    with monkeypatch.context() as patched:
        patched.setattr("os.write", fail)
        with pytest.raises(OSError, match=re.escape(f"{os.strerror(number)}: '{tmp_path / 'file'}'")):
            write_whole(tmp_path / "file", b"after", tmp_path / aside if aside else None)
    assert below(tmp_path) == ["aside", "file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"data")
    assert below(tmp_path) == []


def test_a_missing_parent_is_said_by_the_files_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as found:
        write_whole(tmp_path / "missing" / "file", b"data")
    assert found.value.filename == str(tmp_path / "missing" / "file")
    assert below(tmp_path) == []


def test_a_killed_process_leaves_no_half_written_file(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from moe_cosim.whole_file import write_whole\n"
        "os.fsync = lambda file: (print('written', flush=True), time.sleep(60))\n"
        "write_whole(Path(sys.argv[1]), b'data')"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SOURCES.parent)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "file").exists()


def test_a_device_is_written_to_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"data")
    assert os.read(reader, 10) == b"data"
    os.close(reader)
    assert below(tmp_path) == ["pipe"]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    with whole_folder(target) as folder:
        (folder / "file").write_bytes(b"data")
        assert not target.exists()
    assert below(tmp_path) == ["new", "new/folder", "new/folder/file"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_a_folder_that_cannot_be_filled_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), whole_folder(tmp_path / "new" / "folder") as folder:  # noqa: PT012
        (folder / "file").write_bytes(b"data")
        raise error
    assert below(tmp_path) == []


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "theirs").write_bytes(b"data")
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "folder"):
        pass
    assert below(tmp_path) == ["folder", "folder/theirs"]


def test_nobody_else_renames_what_he_has_written() -> None:
    """One place for the rule: other files may move finished files about, but not write aside what is to stay."""
    own = re.compile(r"os\.fsync|mkstemp|NamedTemporaryFile(?=.*delete=False)|uuid4")
    found = [
        os.path.relpath(os.path.join(root, name), SOURCES)
        for root, _, names in os.walk(SOURCES, followlinks=True)
        for name in names
        if name.endswith(".py") and own.search(Path(root, name).read_text(encoding="utf-8"))
    ]
    assert found == ["whole_file.py"]
