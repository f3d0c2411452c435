"""Processes of the studio: there before they are needed, and gone with whoever started them."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fast_networks import save_fast
from impasto.studio import events
from impasto.studio.bench import Bench
from impasto.studio.events import Hub
from studio_client import API, QUICK, SLOW, Visitor, draw, process, serving
from studio_standin import COMMAND

FIRST = {
    "device": "cpu", "max_pixels": 10**6, "keep_every": 60, "paints": True, "networks": [],
}  # fmt: skip
#: Starts what its words say, with its own standard input, tells its number, and waits.
_MIDDLE = """
import subprocess, sys, time
started = subprocess.Popen(sys.argv[1:])
sys.stderr.write(f"{started.pid}\\n")
sys.stderr.flush()
time.sleep(600)
"""


def _is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def _await(fact, seconds=30):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def _make_task(folder, photo):
    config = {"size": 64, "steps": (600,), "decay_steps": 10, "scales": 1, "optimizer": "adam"}
    paint = {
        "photo": {"path": str(photo), "name": "stripes"}, "canvas": None, "settings": config,
        "styles": [], "masks": [], "protect": None, "protect_found": [], "network": None,
    }  # fmt: skip
    return {"paint": paint, "job": "job", "folder": str(folder), "preview": 0}


def test_end_of_input_keeps_a_checkpoint_and_ends(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(draw())
    worker = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for told in (FIRST, _make_task(tmp_path, photo)):
        worker.stdin.write(json.dumps(told) + "\n")
    worker.stdin.flush()
    _await(lambda: "progress" in worker.stdout.readline())
    worker.stdin.close()
    rest = worker.stdout.read()
    assert worker.wait(30) in (0, 1)
    worker.stdout.close()
    ends = [json.loads(line) for line in rest.splitlines() if "ended" in line]
    assert [(end["ended"], end["leaving"]) for end in ends] == [("parked", True)]
    assert (tmp_path / "checkpoint.resume").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it by a signal")
def test_worker_ends_with_its_parent_though_its_input_stays_open(tmp_path):
    """As when another process has inherited the pipe."""
    reading, writing = os.pipe()
    middle = subprocess.Popen(
        [sys.executable, "-c", _MIDDLE, *COMMAND],
        stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        pid = int(middle.stderr.readline())
        os.write(writing, json.dumps(FIRST).encode() + b"\n")
        _await(lambda: "ready" in middle.stdout.readline())
        assert _is_there(pid)
        middle.kill()
        middle.wait()
        _await(lambda: not _is_there(pid))
    finally:
        middle.kill()
        middle.wait()
        for end in (reading, writing):
            os.close(end)
        middle.stdout.close()
        middle.stderr.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_processes_end_with_a_server_that_is_killed_in_a_long_step(tmp_path):
    with process(tmp_path) as (address, server), Visitor(address) as visitor:
        endless = SLOW | {"decay_steps": 300_000, "steps": [2]}
        visitor.wait(visitor.order(visitor.send_picture(), settings=endless)["id"], "running")
        path = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        children = path.read_text().split()
        assert children
        server.kill()
        server.wait()
        _await(lambda: not any(map(_is_there, children)))


@pytest.mark.slow
def test_step_that_is_not_waited_for_costs_no_process(tmp_path):
    with serving(tmp_path) as (address, studio), Visitor(address) as visitor:
        photo = visitor.send_picture()
        # Steps of 1.5 seconds: a job is ended in the middle of one.
        job = visitor.order(photo, settings=SLOW | {"decay_steps": 1500})["id"]
        visitor.wait_steps(job, 1)
        before = studio.crew.posts[0].pid
        assert visitor.post(f"{API}/jobs/{job}/cancel").status_code == 200
        assert visitor.wait(job)["state"] == "cancelled"
        assert visitor.get(f"{API}/jobs/{job}/result").status_code == 200
        following = visitor.order(photo, settings=QUICK)["id"]
        assert visitor.wait(following)["state"] == "done"
        assert studio.crew.posts[0].pid == before
        assert studio.store.job(following)["attempts"] == 0


def test_sketches_have_their_process_before_anybody_asks(tmp_path):
    network = save_fast(tmp_path / "any.safetensors", "micro")
    with serving(tmp_path / "data", networks=(network,), sketches=True) as (_, studio):
        _await(lambda: studio.desk.pid is not None)


def test_warming_up_opens_networks_and_can_be_left(tmp_path):
    network = save_fast(tmp_path / "any.safetensors", "micro")
    bench = Bench("cpu", 10**7)
    pieces = bench.warm(False, [str(network)])
    next(pieces)
    assert bench.open_network.cache_info().currsize == 1
    assert len(list(pieces)) == 1
    assert bench.open_network(str(network)) is bench.open_network(str(network))


def test_first_preview_is_told_at_once(monkeypatch):
    """With a pace of a minute between events only what is new in kind comes in time."""
    monkeypatch.setattr(events, "_PACE_SECONDS", 60.0)
    hub = Hub()
    quiet = {"position": None, "result": None, "error": None, "losses": [[1, 0.5]]}
    steps = [
        {"state": "queued", "progress": None, "preview": 0},
        {"state": "running", "progress": None, "preview": 0},
        {"state": "running", "progress": {"step": 1}, "preview": 1},
        {"state": "done", "progress": {"step": 2}, "preview": 2},
    ]
    shown = itertools.chain(steps)

    def show():
        hub.all_changed()
        return quiet | next(shown)

    async def watch():
        async with asyncio.timeout(20):
            return [event async for event in events.stream(hub, "job", show, 0)]

    told = asyncio.run(watch())
    assert [event.split("\n")[1] for event in told] == [
        "event: job", "event: job", "event: progress", "event: job",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "sigwait"), reason="needs signals")
def test_process_that_is_asked_to_leave_puts_its_job_away(tmp_path):
    with serving(tmp_path, keep_every=60) as (address, studio), Visitor(address) as visitor:
        job = visitor.order(visitor.send_picture(), settings=SLOW | {"steps": [150]})["id"]
        visitor.wait_steps(job, 20)
        before = studio.crew.posts[0].pid
        os.kill(before, signal.SIGTERM)
        done = visitor.wait(job)
        assert done["state"] == "done"
        assert [step for step, _ in done["losses"]].count(1) == 1  # not from the beginning
        assert studio.crew.posts[0].pid != before
        assert studio.store.job(job)["attempts"] == 0
