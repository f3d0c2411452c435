"""The studio with the real process: a tiny painting, a texture, fast paintings and sketches."""

import asyncio
import io
import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from fast_networks import save_fast
from impasto import images
from impasto.studio.processes import COMMAND
from studio_client import API, Visitor, draw, serving


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    networks = (
        save_fast(folder / "held.safetensors", "dumoulin", ("first", "second")),
        save_fast(folder / "any.safetensors", "micro"),
    )
    with serving(folder / "data", command=COMMAND, networks=networks) as (address, studio):
        yield address, studio


@pytest.fixture(scope="module")
def visitor(studio):
    with Visitor(studio[0]) as visitor:
        yield visitor


def _fetch(visitor, job):
    data = visitor.get(f"{API}/jobs/{job}/result").content
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float), data


def test_tiny_painting_by_the_real_process(visitor):
    settings = {"size": 64, "preset": "draft", "steps": [4], "scales": 1}
    job = visitor.order(visitor.send_picture(draw(96, 96)), settings=settings)["id"]
    done = visitor.wait(job, seconds=120)
    assert done["state"] == "done", done
    losses = [loss for _, loss in done["losses"]]
    assert losses[-1] < losses[0]
    painted, data = _fetch(visitor, job)
    assert painted.shape == (64, 64, 3)
    assert painted.std() > 5
    record = json.loads(images.read_settings(data))
    assert record["settings"] == settings
    assert record["styles"][0]["name"] == "mosaic"


def test_texture_needs_no_photograph(visitor):
    settings = {"width": 96, "height": 64, "preset": "draft", "steps": [3], "scales": 1}
    job = visitor.order(None, kind="texture", settings=settings)["id"]
    assert visitor.wait(job, seconds=120)["result"] == {"width": 96, "height": 64}
    told = visitor.order(visitor.send_picture(), kind="texture", status=422)
    assert "no photograph" in told["error"]["message"]


def test_fast_painting_in_a_style_of_the_network(visitor):
    photo = visitor.send_picture()
    order = {"kind": "fast", "network": "held", "settings": {"size": 64}}
    job = visitor.order(photo, styles=["network:second"], **order)
    assert visitor.wait(job["id"], seconds=120)["state"] == "done"
    assert _fetch(visitor, job["id"])[0].shape[:2] == (43, 64)
    told = visitor.order(photo, styles=["gallery:mosaic"], status=422, **order)
    assert "first, second" in told["error"]["message"]


def test_fault_in_painting_is_one_line(visitor):
    settings = {"size": 64, "content_layers": ["relu9_9"]}
    job = visitor.order(visitor.send_picture(), settings=settings)["id"]
    failed = visitor.wait(job, seconds=120)
    assert failed["state"] == "failed"
    assert "relu9_9" in failed["error"]
    assert "\n" not in failed["error"]


def _ask(photo, **more):
    return {"photo": photo, "styles": ["gallery:mosaic"], "network": "any", "size": 96} | more


def test_sketch_comes_at_once(visitor):
    photo = visitor.send_picture()
    pictures = []
    for styles in (["gallery:mosaic"], ["gallery:charcoal"]):
        answer = visitor.post(f"{API}/sketches", json=_ask(photo, styles=styles))
        assert answer.status_code == 200, answer.text
        image = Image.open(io.BytesIO(answer.content))
        assert (image.format, image.size) == ("JPEG", (96, 64))
        pictures.append(np.asarray(image).astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.5
    held = _ask(photo, styles=["network:first"], network="held")
    assert visitor.post(f"{API}/sketches", json=held).status_code == 200


def test_sketch_that_cannot_be_is_told(visitor):
    photo = visitor.send_picture()
    told = visitor.post(f"{API}/sketches", json=_ask(photo, shares=[1, 1]))
    assert told.status_code == 422
    assert visitor.post(f"{API}/sketches", json=_ask("nothing")).status_code == 404


def test_newest_sketch_wins(studio, visitor):
    """Two wait while the desk is busy: the older one is sent away."""
    photo = visitor.send_picture()
    desk, found = studio[1].desk, {}
    loop = studio[1].crew.loop

    def ask(name):
        found[name] = visitor.post(f"{API}/sketches", json=_ask(photo)).status_code

    # As a sketch in work does.
    asyncio.run_coroutine_threadsafe(desk._turn.acquire(), loop).result()
    older = threading.Thread(target=ask, args=("older",))
    older.start()
    _wait_for(lambda: desk._waiting)
    newer = threading.Thread(target=ask, args=("newer",))
    newer.start()
    older.join(20)
    assert found == {"older": 409}
    loop.call_soon_threadsafe(desk._turn.release)
    newer.join(60)
    assert found["newer"] == 200
    assert not desk._turn.locked()


def test_process_for_sketches_that_dies_is_replaced(studio, visitor):
    photo = visitor.send_picture()
    assert visitor.post(f"{API}/sketches", json=_ask(photo)).status_code == 200
    before = studio[1].desk.pid
    os.kill(before, signal.SIGKILL)
    assert visitor.post(f"{API}/sketches", json=_ask(photo)).status_code == 200
    assert studio[1].desk.pid != before


def test_options_name_the_networks(visitor):
    told = visitor.get(f"{API}/options").json()
    by_name = {one["name"]: one for one in told["networks"]}
    assert by_name["held"]["styles"] == ["first", "second"]
    assert not by_name["any"]["holds_styles"]
    backbones = [
        field["choices"]
        for group in told["kinds"]["paint"]["groups"]
        for field in group["fields"]
        if field["name"] == "backbone"
    ]
    assert backbones[0][0] == "vgg19"


def _wait_for(fact):
    for _ in range(200):
        if fact():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


@pytest.mark.parametrize(("side", "sampling"), [(128, (1, 1)), (600, (2, 2))])
def test_small_previews_are_fine(side, sampling):
    """They are shown several times as large, where blocks would be seen."""
    from impasto.studio.bench import draw_preview

    picture = images.load(Image.effect_noise((side, side), 60).convert("RGB")).flat
    shown = Image.open(io.BytesIO(draw_preview(picture)))
    assert shown.size == (side, side)
    assert shown.layer[0][1:3] == sampling
