"""Jobs of the studio: painted, watched, cancelled, repeated, and never lost."""

import json
import os
import signal
import time

import pytest
from PIL import Image

from impasto import images
from impasto.studio.live import Live
from studio_client import API, QUICK, SLOW, Visitor, draw, process, serving
from studio_standin import DIES, DIES_ONCE


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("studio"), keep_every=0.2) as (address, studio):
        yield address, studio


@pytest.fixture
def visitor(studio):
    with Visitor(studio[0]) as visitor:
        yield visitor


def test_photograph_becomes_a_painting(visitor):
    job = visitor.order(visitor.send_picture(), settings=QUICK)
    done = visitor.wait(job["id"])
    assert done["state"] == "done"
    assert done["result"] == {"width": 64, "height": 43}
    assert done["progress"]["done"] == 1
    assert [step for step, _ in done["losses"]][-1] == 3
    picture = visitor.get(f"{API}/jobs/{job['id']}/result").content
    assert picture.startswith(b"\x89PNG")
    assert json.loads(images.read_settings(picture))["photo"]["name"] == "stripes"
    assert visitor.get(f"{API}/jobs/{job['id']}/thumbnail").content[8:12] == b"WEBP"


@pytest.mark.parametrize(
    ("format", "start"), [("jpeg", b"\xff\xd8\xff"), ("tiff", b"II*\0"), ("webp", b"RIFF")]
)
def test_result_comes_in_other_formats_with_its_settings(visitor, format, start):
    job = visitor.order(visitor.send_picture(), settings=QUICK)["id"]
    visitor.wait(job)
    answer = visitor.get(f"{API}/jobs/{job}/result", params={"format": format, "download": True})
    assert answer.content.startswith(start)
    assert 'filename="stripes_mosaic.' in answer.headers["content-disposition"]
    assert "settings" in json.loads(images.read_settings(answer.content))


def test_result_is_as_small_as_its_quality_says(visitor):
    job = visitor.order(visitor.send_picture(), settings=SLOW)["id"]
    visitor.wait_steps(job, 1)
    visitor.post(f"{API}/jobs/{job}/cancel")
    visitor.wait(job)

    def fetch(**query):
        return visitor.get(f"{API}/jobs/{job}/result", params={"format": "jpeg"} | query)

    assert len(fetch(quality=20).content) < len(fetch().content) < len(fetch(quality=99).content)
    assert fetch(quality=101).status_code == 422


def test_events_tell_everything_to_the_end(visitor):
    job = visitor.order(visitor.send_picture(), settings=SLOW | {"steps": [40]})["id"]
    events = []
    with visitor.stream("GET", f"{API}/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "id":
            events.append({"id": int(value)})
        elif key in ("event", "data"):
            events[-1][key] = value
    assert events[0]["event"] == "job"
    assert "progress" in {event["event"] for event in events}
    assert json.loads(events[-1]["data"])["state"] == "done"
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


def test_events_count_on_from_what_was_seen(visitor):
    job = visitor.order(visitor.send_picture(), settings=QUICK)["id"]
    visitor.wait(job)
    answer = visitor.get(f"{API}/jobs/{job}/events", headers={"last-event-id": "41"})
    assert answer.text.startswith("id: 42\nevent: job\n")


def test_cancelled_painting_stops_and_keeps_its_picture(visitor):
    job = visitor.order(visitor.send_picture(), settings=SLOW)["id"]
    visitor.wait_steps(job, 3)
    assert visitor.post(f"{API}/jobs/{job}/cancel").status_code == 200
    stopped = visitor.wait(job)
    assert stopped["state"] == "cancelled"
    assert stopped["progress"]["step"] < 600
    assert stopped["result"] == {"width": 64, "height": 43}
    assert visitor.get(f"{API}/jobs/{job}/result").status_code == 200


@pytest.mark.slow
def test_step_that_lasts_is_not_waited_for(visitor):
    endless = SLOW | {"decay_steps": 8000, "steps": [2]}
    first = visitor.order(visitor.send_picture(), settings=endless)["id"]
    visitor.wait(first, "running")
    time.sleep(0.3)
    visitor.post(f"{API}/jobs/{first}/cancel")
    assert visitor.wait(first)["state"] == "cancelled"
    # Another process takes the place of the one that had to be stopped.
    job = visitor.order(visitor.send_picture(), settings=QUICK)["id"]
    assert visitor.wait(job)["state"] == "done"


def test_waiting_jobs_know_their_place_and_can_be_cancelled(visitor):
    photo = visitor.send_picture()
    first, second, third = (visitor.order(photo, settings=SLOW)["id"] for _ in range(3))
    visitor.wait(first, "running")
    assert [visitor.tell(job)["position"] for job in (first, second, third)] == [None, 1, 2]
    assert visitor.tell(third)["wait_seconds"] > visitor.tell(second)["wait_seconds"] > 0
    assert visitor.post(f"{API}/jobs/{second}/cancel").json()["state"] == "cancelled"
    assert visitor.tell(third)["position"] == 1
    for job in (first, third):
        assert visitor.delete(f"{API}/jobs/{job}").status_code == 204
        assert visitor.get(f"{API}/jobs/{job}").status_code == 404


def test_again_replaces_settings(visitor):
    job = visitor.order(visitor.send_picture(), settings=QUICK | {"strength": 2})["id"]
    again = visitor.post(f"{API}/jobs/{job}/again", json={"settings": {"seed": 5}}).json()
    assert again["settings"] == QUICK | {"strength": 2, "seed": 5}
    assert again["id"] != job
    assert visitor.wait(again["id"])["state"] == "done"


def test_list_is_newest_first_and_in_pages(visitor):
    photo = visitor.send_picture()
    jobs = [visitor.order(photo, settings=QUICK)["id"] for _ in range(3)]
    page = visitor.get(f"{API}/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in page] == jobs[:0:-1]
    rest = visitor.get(f"{API}/jobs", params={"before": page[-1]["id"]}).json()
    assert [job["id"] for job in rest] == jobs[:1]


def test_process_that_is_killed_goes_on_from_its_checkpoint(studio, visitor):
    job = visitor.order(visitor.send_picture(), settings=SLOW | {"steps": [120]})["id"]
    visitor.wait_steps(job, 40)
    os.kill(studio[1].crew.posts[0].pid, signal.SIGKILL)
    done = visitor.wait(job)
    assert done["state"] == "done"
    # Not from the beginning: the first step of a painting is always told.
    assert [step for step, _ in done["losses"]].count(1) == 1
    assert studio[1].store.job(job)["attempts"] == 1


def test_process_that_always_dies_fails_with_one_line(visitor):
    job = visitor.order(visitor.send_picture(), settings=QUICK | {"seed": DIES})["id"]
    failed = visitor.wait(job)
    assert failed["state"] == "failed"
    assert "ended by signal 9, twice" in failed["error"]
    assert "\n" not in failed["error"]


@pytest.mark.slow
def test_process_that_dies_once_is_forgiven(visitor):
    settings = SLOW | {"steps": [30], "decay_steps": 120, "seed": DIES_ONCE}
    job = visitor.order(visitor.send_picture(), settings=settings)["id"]
    assert visitor.wait(job)["state"] == "done"


def test_full_queue_says_when_to_come_back(tmp_path):
    with serving(tmp_path, max_queued=2) as (address, _), Visitor(address) as visitor:
        photo = visitor.send_picture()
        first = visitor.order(photo, settings=SLOW)["id"]
        visitor.wait(first, "running")
        for _ in range(2):
            visitor.order(photo, settings=SLOW)
        answer = visitor.post(f"{API}/jobs", json={
            "kind": "paint", "photo": photo, "styles": ["gallery:mosaic"],
        })  # fmt: skip
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "queue_full"


@pytest.mark.slow
def test_sigterm_puts_work_away_within_ten_seconds(tmp_path):
    with process(tmp_path) as (address, server), Visitor(address) as visitor:
        photo = visitor.send_picture()
        running, waiting = (visitor.order(photo, settings=SLOW)["id"] for _ in range(2))
        visitor.wait_steps(running, 5)
        with visitor.stream("GET", f"{API}/jobs/{running}/events"):  # a watcher holds nothing up
            began = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert server.wait(12) == 0
            assert time.monotonic() - began < 10
        key = visitor.headers["authorization"]
    assert (tmp_path / "jobs" / running / "checkpoint.resume").exists()
    with process(tmp_path) as (address, _), Visitor(address) as again:
        again.headers["authorization"] = key
        states = {job["id"]: job for job in again.get(f"{API}/jobs").json()}
        assert states[running]["state"] in ("queued", "running")
        assert states[waiting]["state"] == "queued"
        assert states[running]["progress"]["step"] >= 5  # what was seen is still there


def test_server_that_is_killed_loses_nothing(tmp_path):
    with process(tmp_path, keep_every=0.2) as (address, server), Visitor(address) as visitor:
        key = visitor.headers["authorization"]
        photo = visitor.send_picture()
        done = visitor.order(photo, settings=QUICK)["id"]
        visitor.wait(done)
        running = visitor.order(photo, settings=SLOW | {"steps": [200]})["id"]
        waiting = visitor.order(photo, settings=QUICK)["id"]
        visitor.wait_steps(running, 30)
        kept, seen = tmp_path / "jobs" / running / "checkpoint.resume", time.time()
        while not kept.exists() or kept.stat().st_mtime < seen:
            time.sleep(0.02)
        server.kill()
        server.wait()
    with process(tmp_path) as (address, _), Visitor(address) as visitor:
        visitor.headers["authorization"] = key
        steps = []
        while (now := visitor.tell(running))["state"] != "done":
            steps += [now["progress"]["step"]] if now["progress"] else []
            time.sleep(0.05)
        assert min(steps) > 20  # not from the beginning
        assert visitor.wait(waiting)["state"] == "done"
        assert visitor.get(f"{API}/jobs/{done}/result").status_code == 200
        assert visitor.get(f"{API}/pictures/{photo}/content").status_code == 200


def test_photograph_in_use_is_not_deleted(visitor):
    photo = visitor.send_picture()
    job = visitor.order(photo, settings=SLOW)["id"]
    assert visitor.delete(f"{API}/pictures/{photo}").status_code == 409
    visitor.delete(f"{API}/jobs/{job}")
    assert visitor.delete(f"{API}/pictures/{photo}").status_code == 204
    assert visitor.get(f"{API}/pictures/{photo}").status_code == 404


def test_masks_and_protection_reach_the_painter(visitor):
    photo = visitor.send_picture()
    mask = visitor.send_picture(role="mask")
    masks = [{"picture": mask, "style": n} for n in (1, 0)]
    job = visitor.order(
        photo, styles=["gallery:mosaic", "gallery:marbling"], masks=masks, protect=mask,
        settings=QUICK,
    )["id"]  # fmt: skip
    visitor.wait(job)
    settings = images.read_settings(visitor.get(f"{API}/jobs/{job}/result").content)
    placement = json.loads(settings)["placement"]
    assert len(placement["masks"]) == 2
    assert placement["strength_map"]


def test_losses_are_thinned_and_keep_their_ends():
    live = Live(None, [], 0)
    for step in range(2000):
        live.add({"progress": {}, "preview": 0, "loss": [step, 1.0]})
    assert len(live.losses) <= 400
    assert live.losses[0][0] == 0
    assert live.losses[-1][0] == 1999


def test_animation_of_the_photograph_is_its_first_frame(visitor):
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    data = draw(64, 64, "GIF", save_all=True, append_images=frames)
    assert visitor.send_picture(data)


def test_list_can_be_of_one_state_and_without_losses(visitor):
    photo = visitor.send_picture()
    done = visitor.order(photo, settings=QUICK)["id"]
    assert visitor.wait(done)["losses"]
    running = visitor.order(photo, settings=SLOW)["id"]
    visitor.wait(running, "running")
    for state, id in (("done", done), ("running", running)):
        query = {"state": state, "losses": False}
        (job,) = visitor.get(f"{API}/jobs", params=query).json()
        assert (job["id"], job["losses"]) == (id, [])
    assert visitor.get(f"{API}/jobs", params={"state": "lost"}).status_code == 422
    visitor.delete(f"{API}/jobs/{running}")


def test_session_that_is_closed_leaves_nothing(studio, visitor):
    store = studio[1].store
    with Visitor(studio[0]) as leaver:
        photo, other = leaver.send_picture(), visitor.send_picture()
        done = leaver.order(photo, settings=QUICK)["id"]
        leaver.wait(done)
        running, waiting = (leaver.order(photo, settings=SLOW)["id"] for _ in range(2))
        leaver.wait(running, "running")
        assert leaver.delete(f"{API}/session").status_code == 204
        assert leaver.get(f"{API}/jobs").status_code == 401
    assert not any(store.job_folder(id).exists() for id in (done, running, waiting))
    assert not list((store.folder / "pictures").glob(f"{photo}*"))
    assert visitor.get(f"{API}/pictures/{other}").status_code == 200
