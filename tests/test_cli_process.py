"""The command line as a process of its own: start-up, pipes, signals."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from test_cli import make_pictures

COMMAND = (sys.executable, "-m", "impasto.cli")


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path):
    make_pictures(tmp_path)
    return tmp_path


STARTED = []


def start(*arguments, **more):
    process = subprocess.Popen(*arguments, **more)
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def _leave_no_process():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
        process.communicate()


def call(folder, *arguments, **more):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment(), capture_output=True, timeout=100,
        check=False, **more,
    )  # fmt: skip


def open_signals():
    """A shell's background job ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(folder, number, *arguments):
    """Send a signal after the second step; gives the exit code and the last event."""
    process = start(
        [*COMMAND, *arguments, "--json"], cwd=folder, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=open_signals,
    )  # fmt: skip
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if len(events) == 3:
            process.send_signal(number)
    error = process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    assert error == ""
    return process.wait(), events


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("paint", "--help"), ("fast", "--help"), ("export", "--help"), ("styles",)],
)
def test_starts_without_heavy_imports(folder, arguments):
    code = (
        "import sys; from impasto.cli import main; code = main(sys.argv[1:]);"
        "print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"
    assert result.stdout


def test_pipes(folder):
    photo = (folder / "lake.jpg").read_bytes()
    options = ("--size", "64", "--steps", "2", "--json")
    result = call(folder, "paint", "-", "brush.png", "-o", "-", *options, input=photo)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"\x89PNG")
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert events[-1]["event"] == "done"
    assert not list(folder.glob("stdin*"))


def test_a_pipe_that_ends_early(folder):
    process = start(
        [*COMMAND, "styles"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_ctrl_c_and_resume(folder):
    options = ("paint", "lake.jpg", "brush.png", "--size", "64", "--steps", "20,6", "-o")
    code, events = interrupt(folder, signal.SIGINT, *options, "part.png")
    assert code == 130
    assert events[-1] == {
        "event": "interrupted", "output": "part.png", "saved": True, "resumable": True,
    }  # fmt: skip
    assert (folder / "part.png").exists()
    assert (folder / "part.png.resume").exists()
    refused = call(folder, *options, "part.png")
    assert refused.returncode == 6
    assert re.fullmatch(rb"impasto: .*--resume.*\n", refused.stderr)
    resumed = call(folder, *options, "part.png", "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    again = [json.loads(line) for line in resumed.stdout.splitlines()]
    done = max(event["step"] for event in events if event["event"] == "progress")
    assert (again[1]["scale"], again[1]["step"]) == (1, done + 1)
    assert not (folder / "part.png.resume").exists()
    assert call(folder, *options, "whole.png").returncode == 0
    assert (folder / "part.png").read_bytes() == (folder / "whole.png").read_bytes()


@pytest.mark.slow
def test_terminated_in_a_folder(folder):
    (folder / "in").mkdir()
    (folder / "lake.jpg").rename(folder / "in" / "lake.jpg")
    (folder / "hill.png").rename(folder / "in" / "hill.png")
    options = ("paint", "in", "brush.png", "--size", "64", "--steps", "40", "-o", "out")
    code, events = interrupt(folder, signal.SIGTERM, *options)
    assert code == 143
    assert events[-1]["event"] == "interrupted"
    assert [path.name for path in (folder / "out").iterdir()] == ["hill.png.resume"]
    result = call(folder, *options)
    assert result.returncode == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["hill.png", "lake.png"]


def test_ctrl_c_before_the_first_step(folder):
    process = start(
        [*COMMAND, "paint", "-", "brush.png", "-o", "out.png"], cwd=folder, env=environment(),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=open_signals,
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=4)  # it waits for its photograph
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error == b"impasto: interrupted; nothing was written.\n"
    assert not list(folder.glob("out*"))
