"""Masks that a studio finds by name: ordered, refused, painted, and kept for another time."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from impasto import images, networkfiles
from impasto.studio.processes import COMMAND
from studio_client import API, QUICK, Visitor, draw, serving

TWO = ["gallery:mosaic", "gallery:marbling"]
NAMED = [{"find": "rest", "style": 1}, {"find": "cluster:1/2", "style": 0}]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("studio")) as (address, studio):
        yield address, studio


@pytest.fixture
def visitor(studio):
    with Visitor(studio[0]) as visitor:
        yield visitor


def _read_placement(visitor, job):
    data = visitor.get(f"{API}/jobs/{job}/result").content
    return json.loads(images.read_settings(data))["placement"]


def test_masks_by_name_reach_the_painter_and_are_kept(visitor):
    photo = visitor.send_picture()
    order = {"masks": NAMED, "protect_found": ["auto:cluster:2/2:0.25"], "settings": QUICK}
    job = visitor.order(photo, styles=TWO, **order)
    assert [(one["find"], one["picture"]) for one in job["masks"]] == [
        ("cluster:1/2", None), ("rest", None),
    ]  # fmt: skip
    assert job["protect_found"] == ["cluster:2/2:0.25"]
    assert visitor.wait(job["id"])["state"] == "done"
    placement = _read_placement(visitor, job["id"])
    assert [one["automatic"] for one in placement["masks"]] == ["cluster:1/2", "rest"]
    assert [one["automatic"] for one in placement["protect"]] == ["cluster:2/2:0.25"]
    again = visitor.post(f"{API}/jobs/{job['id']}/again", json={"settings": {"seed": 3}}).json()
    assert (again["masks"], again["protect_found"]) == (job["masks"], job["protect_found"])
    assert visitor.wait(again["id"])["state"] == "done"


def test_names_and_pictures_of_masks_mix(visitor):
    photo, mask = visitor.send_picture(), visitor.send_picture(role="mask")
    masks = [{"find": "rest", "style": 0}, {"picture": mask, "style": 1}]
    job = visitor.order(photo, styles=TWO, masks=masks, settings=QUICK)["id"]
    assert visitor.wait(job)["state"] == "done"
    first, second = _read_placement(visitor, job)["masks"]
    assert first["automatic"] == "rest"
    assert "sha256" in second


def test_what_is_not_in_the_photograph_fails_in_one_line(visitor):
    pytest.importorskip("cv2")
    masks = [{"find": "faces", "style": 0}]
    order = visitor.order(visitor.send_picture(), masks=masks, settings=QUICK)
    failed = visitor.wait(order["id"])
    assert failed["state"] == "failed"
    assert failed["error"] == "No face found in stripes."


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"masks": [{"find": "clouds", "style": 0}]}, "no mask 'clouds'"),
        ({"masks": [{"find": "/etc/passwd", "style": 0}]}, "no mask '/etc/passwd'"),
        ({"masks": [{"style": 0}]}, "either a picture or a name"),
        ({"masks": [{"find": "sky", "picture": "x", "style": 0}]}, "either a picture or a name"),
        ({"masks": [{"find": "sky", "style": 1}]}, "give one for each style"),
        ({"protect_found": ["faces:2"]}, "from 0 to below 1"),
        ({"protect_found": ["rest"]}, "nothing to protect"),
        ({"protect_found": ["sky"] * 9}, "protect_found"),
        ({"kind": "texture", "photo": None, "protect_found": ["sky"]}, "no photograph"),
    ],
)
def test_names_that_mean_nothing_are_refused(visitor, more, words):
    order = {"photo": visitor.send_picture()} | more
    message = visitor.order(status=422, **order)["error"]["message"]
    assert words in message
    assert "file" not in message
    assert "--" not in message


def test_what_cannot_be_found_here_is_told_before_it_waits(visitor, monkeypatch):
    there = networkfiles.inventory()
    lost = [replace(one, available=False) for one in there]
    monkeypatch.setattr(networkfiles, "inventory", lambda: lost)
    told = {one["name"]: one["ready"] for one in visitor.get(f"{API}/options").json()["masks"]}
    assert not told["people"]
    assert not told["background"]
    assert told["cluster"]
    order = {"masks": [{"find": "background", "style": 0}], "status": 422}
    message = visitor.order(visitor.send_picture(), **order)["error"]["message"]
    assert "impasto weights pull people" in message


@pytest.mark.slow
def test_what_is_found_is_left_alone_by_the_real_painter(tmp_path):
    real = serving(tmp_path, command=COMMAND, sketches=False)
    with real as (address, _), Visitor(address) as visitor:
        # Above, red stripes; below, dark ones: two groups of colours.
        photo = visitor.send_picture(draw(64, 64))
        settings = {"size": 64, "steps": [3], "scales": 1}
        job = visitor.order(photo, settings=settings, protect_found=["cluster:1/2"])["id"]
        assert visitor.wait(job)["state"] == "done"
        data = visitor.get(f"{API}/jobs/{job}/result").content
    painted = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    given = np.asarray(Image.open(io.BytesIO(draw(64, 64)))).astype(float)
    changed = np.abs(painted - given).mean(-1)
    assert np.percentile(changed, 20) < 1.5
    assert np.percentile(changed, 80) > 5


def test_mask_is_found_kept_and_painted_with(tmp_path):
    with serving(tmp_path, command=COMMAND) as (address, studio), Visitor(address) as visitor:
        photo = visitor.send_picture(draw(96, 64), name="hills.png")

        def find(name, id=photo):
            return visitor.post(f"{API}/pictures/{id}/masks", json={"find": name})

        found = find("cluster:1/2")
        assert found.status_code == 201, found.text
        mask = found.json()
        assert (mask["role"], mask["name"]) == ("mask", "cluster:1/2")
        assert (mask["width"], mask["height"]) == (96, 64)
        data = visitor.get(f"{API}/pictures/{mask['id']}/content").content
        planes = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(float)
        # The darkest are the columns between the stripes below.
        assert planes[:28].mean() < 20
        assert planes[36:, ::2].mean() < 20
        assert planes[36:, 1::2].mean() > 200
        masks = [{"picture": mask["id"], "style": 0}]
        settings = {"size": 64, "steps": [2], "scales": 1}
        job = visitor.order(photo, masks=masks, settings=settings)["id"]
        assert visitor.wait(job)["state"] == "done"
        for name, status in (("clouds", 422), ("rest", 422), ("/etc/passwd", 422)):
            assert find(name).status_code == status
        assert find("cluster:1/2", "nothing").status_code == 404
        assert list((studio.store.folder / "incoming").iterdir()) == []
