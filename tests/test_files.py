"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from impasto.errors import OutputError
from impasto.files import check_writable, replacing


def _write(path: Path, text: str = "new") -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def test_a_new_file_has_the_content_and_the_mode_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        _write(tmp_path / "a.txt")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o604)
    _write(path)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt(), ValueError("x")])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    expected = OutputError if isinstance(error, OSError) else type(error)

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(expected):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_old_file_is_seen_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert temporary.parent == path.parent
        assert path.read_text() == "old"


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    _write(link)
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize("act", [_write, check_writable])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/a.txt", "create it first"),
        (".", "is a folder"),
        ("file/a.txt", "is a file, not a folder"),
        ("x" * 300, "too long"),
        ("pipe", "a device or a pipe"),
        ("nul\0l", "null"),
        ("loop/a.txt", "Cannot write"),
    ],
)
def test_impossible_targets_are_refused_with_advice(
    tmp_path: Path, act: object, name: str, words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=words) as caught:
        act(tmp_path / name)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop", "pipe"}


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(OutputError, match="use - for standard output"):
        _write(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o444)
    # The superuser may write anything, so the system's answer is given here.
    monkeypatch.setattr(os, "access", lambda *_: False)
    for act in (_write, check_writable):
        with pytest.raises(OutputError, match="no permission"):
            act(path)
    assert path.read_text() == "old"


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from impasto.files import replacing\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with replacing(Path(sys.argv[1])) as file: file.write_bytes(bytes(2000))\n"
    )
    target = tmp_path / "a.bin"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"impasto.errors.OutputError: Cannot write {target}: the file would be")
    assert list(tmp_path.iterdir()) == []


def test_check_writable_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
