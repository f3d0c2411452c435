"""What the studio refuses, one test for each point of the list in docs/studio.md."""

import errno
import io
import re
import shutil
import socket
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from impasto import images
from impasto.config import PaintConfig
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig
from impasto.studio import store as storing
from impasto.studio.faults import DiskError, UnknownError
from impasto.studio.form import TEXTS, is_safe
from impasto.studio.settings import StudioSettings
from impasto.studio.store import Store
from studio_client import API, QUICK, SLOW, Visitor, draw, serving

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text("<!doctype html><title>the page</title>")
    (folder / "studio.js").write_text("'use strict'")
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory, page):
    settings = {"max_bytes": 200_000, "max_pixels": 40_000, "patience": 1.0, "max_size": 256}
    folder = tmp_path_factory.mktemp("studio")
    with serving(folder, page=page, **settings) as (address, studio):
        yield address, studio


@pytest.fixture
def visitor(studio):
    with Visitor(studio[0]) as visitor:
        yield visitor


def _send(visitor, data, **headers):
    return visitor.post(f"{API}/pictures", content=data, headers=headers)


def _talk(address, text, seconds=5.0):
    """Say something by hand; gives what is answered until the connection ends."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), seconds) as line:
        line.sendall(text)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    return answer


# What is sent.


def test_too_many_bytes_are_refused_by_their_length(visitor, studio):
    answer = _send(visitor, b"x" * 200_001)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert list((studio[1].store.folder / "incoming").iterdir()) == []


def test_bytes_are_counted_while_they_stream(visitor, studio):
    pieces = (b"x" * 50_000 for _ in range(60))  # no Content-Length
    answer = _send(visitor, pieces)
    assert answer.status_code == 413
    assert list((studio[1].store.folder / "incoming").iterdir()) == []


def test_json_has_a_limit_of_its_own(visitor):
    answer = visitor.post(f"{API}/jobs", content=b'{"kind": "' + b"x" * 2**20 + b'"}')
    assert answer.status_code == 413


def test_slow_sender_is_cut_off(studio, visitor):
    key = visitor.headers["authorization"]
    host = studio[0].removeprefix("http://")
    head = f"POST {API}/pictures HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key}\r\n"
    answer = _talk(studio[0], f"{head}Content-Length: 1000\r\n\r\nabc".encode(), 10)
    assert b" 408 " in answer.splitlines()[0]
    assert b"too_slow" in answer


def test_drop_by_drop_is_cut_off_too(studio, visitor):
    """Each drop in time, all of them too slow."""
    drops = iter(range(1000))

    def drip():
        for _ in drops:
            yield b"x"
            time.sleep(0.2)

    with pytest.raises((AssertionError, httpx.HTTPError)):
        assert _send(visitor, drip()).status_code != 408
    assert next(drops) < 100


def test_pixels_are_counted_before_they_are_decoded(visitor, monkeypatch):
    data = draw(300, 200)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    answer = _send(visitor, data)
    assert answer.status_code == 413
    assert "40,000 pixels" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", draw()[:80]],
)
def test_what_is_no_picture_is_refused_by_its_content(visitor, data):
    answer = _send(visitor, data, **{"content-type": "image/png"})
    assert answer.status_code == 415
    message = answer.json()["error"]["message"]
    assert "incoming" not in message  # no names of ours
    assert "\n" not in message


def test_nothing_but_pixels_is_kept(visitor, studio):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "Camera of Alice"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    data = draw(96, 64, "JPEG", exif=exif, comment=b"Alice at home")
    sent = _send(visitor, data).json()
    assert (sent["width"], sent["height"]) == (64, 96)  # upright
    kept = visitor.get(f"{API}/pictures/{sent['id']}/content").content
    image = Image.open(io.BytesIO(kept))
    assert not image.getexif()
    assert not image.info
    assert b"Alice" not in kept
    files = [path for path in studio[1].store.folder.rglob("*") if path.is_file()]
    assert not any(b"Camera of Alice" in path.read_bytes() for path in files)


def test_result_tells_nothing_of_the_photograph_but_its_name(visitor):
    exif = Image.Exif()
    exif[0x010F] = "Camera of Alice"
    photo = visitor.send_picture(draw(96, 64, "JPEG", exif=exif), name="/home/alice/cat.jpg")
    job = visitor.order(photo, settings=QUICK)["id"]
    visitor.wait(job)
    for format in ("png", "jpeg", "tiff"):
        result = visitor.get(f"{API}/jobs/{job}/result", params={"format": format}).content
        assert b"Alice" not in result
        assert "/home" not in images.read_settings(result)


# Who asks.


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:1x"])
def test_foreign_name_is_refused(studio, name):
    answer = httpx.get(f"{studio[0]}{API}/health", headers={"host": name}, trust_env=False)
    assert answer.status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_page_changes_nothing(visitor, headers):
    answer = visitor.post(f"{API}/pictures", content=draw(), headers=headers)
    assert answer.status_code == 403
    assert visitor.get(f"{API}/pictures").json() == []


def test_own_page_may_change_things(visitor, studio):
    headers = {"origin": studio[0], "sec-fetch-site": "same-origin"}
    assert _send(visitor, draw(), **headers).status_code == 201


def test_no_other_origin_is_ever_allowed(visitor):
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for answer in (
        visitor.options(f"{API}/jobs", headers=asked),
        visitor.get(f"{API}/health", headers=asked),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_has_its_headers(visitor):
    photo = visitor.send_picture()
    paths = ["/", "/static/studio.js", f"{API}/health", f"{API}/nothing", f"{API}/pictures",
             f"{API}/pictures/{photo}/content", f"{API}/openapi.json"]  # fmt: skip
    for path in paths:
        headers = visitor.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in headers
    assert "immutable" in visitor.get(f"{API}/pictures/{photo}/content").headers["cache-control"]
    assert visitor.get(f"{API}/pictures").headers["cache-control"] == "no-store"


def test_refusals_have_their_headers_too(studio):
    answer = httpx.get(studio[0], headers={"host": "evil.example"}, trust_env=False)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_page_gives_a_session_that_scripts_cannot_read(studio):
    with httpx.Client(base_url=studio[0], trust_env=False) as browser:
        answer = browser.get("/")
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert part.lower() in cookie.lower()
        assert len(browser.cookies["impasto_session"]) >= 43  # 256 bits
        assert browser.get(f"{API}/pictures").json() == []
        assert "set-cookie" not in browser.get("/").headers  # it stays the same


def test_link_from_elsewhere_does_not_replace_the_session(studio):
    """The cookie does not come with it; the page asks once more by itself."""
    answer = httpx.get(studio[0], headers={"sec-fetch-site": "cross-site"}, trust_env=False)
    assert "set-cookie" not in answer.headers
    assert 'http-equiv="refresh"' in answer.text


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer guessed"},
                                     {"cookie": "impasto_session=guessed"}])  # fmt: skip
def test_nobody_is_answered_without_a_session(studio, headers):
    for path in ("options", "styles", "pictures", "jobs"):
        answer = httpx.get(f"{studio[0]}{API}/{path}", headers=headers, trust_env=False)
        assert answer.status_code == 401


def test_sessions_do_not_see_each_other(studio, visitor):
    photo = visitor.send_picture()
    job = visitor.order(photo, settings=QUICK)["id"]
    visitor.wait(job)
    with Visitor(studio[0]) as other:
        for path in (f"pictures/{photo}", f"pictures/{photo}/content", f"jobs/{job}",
                     f"jobs/{job}/result", f"jobs/{job}/preview", f"jobs/{job}/thumbnail",
                     f"jobs/{job}/events"):  # fmt: skip
            assert other.get(f"{API}/{path}").status_code == 404
        for path in (f"pictures/{photo}", f"jobs/{job}"):
            assert other.delete(f"{API}/{path}").status_code == 404
        assert other.post(f"{API}/jobs/{job}/cancel").status_code == 404
        assert other.post(f"{API}/jobs/{job}/again", json={}).status_code == 404
        assert other.get(f"{API}/jobs").json() == other.get(f"{API}/pictures").json() == []
        other.order(photo, status=404)
        other.order(other.send_picture(), status=404, styles=[photo])
    assert visitor.tell(job)["state"] == "done"


def test_beyond_this_computer_a_token_is_needed(tmp_path, page):
    with serving(tmp_path, page=page, host="0.0.0.0", token=TOKEN) as (address, _):
        with httpx.Client(base_url=address, trust_env=False) as browser:
            for answer in (browser.get("/"), browser.get("/?token=guess"),
                           browser.post(f"{API}/session"), browser.get(f"{API}/jobs")):  # fmt: skip
                assert answer.status_code == 401
                assert "set-cookie" not in answer.headers
            assert browser.get(f"{API}/health").status_code == 200
            answer = browser.get("/", params={"token": TOKEN})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            assert browser.get("/").status_code == 200
            assert browser.get(f"{API}/jobs").status_code == 200
        asked = {"authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{address}{API}/session", headers=asked, trust_env=False)
        assert len(answer.json()["session"]) >= 43


def test_token_is_made_up_where_one_is_needed(tmp_path):
    with serving(tmp_path, host="0.0.0.0") as (_, studio):
        assert len(studio.settings.token) >= 20
    with pytest.raises(ConfigError, match="16 characters"):
        StudioSettings(token="short")


# What is asked for.


@pytest.mark.parametrize(
    "settings",
    [
        {"weights": "/etc/passwd"},
        {"weights_file": "/etc/passwd"},
        {"init": "file"},
        {"init": "/etc/passwd"},
        {"backbone": "/etc/passwd"},
        {"backbone": "http://evil.example/vgg.pth"},
        {"size": "/etc/passwd"},
        {"finish": "/etc/passwd"},
        {"family": "/etc/passwd"},
    ],
)
def test_no_setting_opens_a_file(visitor, settings):
    told = visitor.order(visitor.send_picture(), status=422, settings=settings)
    assert told["error"]["code"] == "invalid"


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../etc/passwd", "http://evil.example/a.png",
                                  "canvas:64x64", "-", "gallery:../../x"])  # fmt: skip
def test_no_name_opens_a_file(visitor, monkeypatch, name):
    photo = visitor.send_picture()
    opened = []
    usual = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: opened.append(self) or usual(self, *a, **k)
    )
    visitor.order(name, status=404)
    visitor.order(photo, status=404, styles=[name])
    visitor.order(photo, status=404, protect=name)
    visitor.order(photo, status=404, masks=[{"picture": name, "style": 0}])
    visitor.order(photo, status=422, kind="fast", network=name)
    # A smaller copy of the photograph may still be on its way to the disk.
    assert [path for path in opened if not re.fullmatch(r"\.[0-9a-f]{16}", path.name)] == []


def test_every_free_text_is_listed_or_refused():
    """A new setting that is a text is refused until somebody has thought about it."""
    schemas = {
        name: schema
        for model in (PaintConfig, FastConfig)
        for name, schema in model.model_json_schema()["properties"].items()
    }
    assert {name for name, schema in schemas.items() if not is_safe(name, schema)} == set()
    assert {name for name in TEXTS if name not in schemas} == set()
    assert not is_safe("lookup_table", {"type": "string"})
    assert not is_safe("files", {"anyOf": [{"type": "array", "items": {"type": "string"}}]})


def test_names_that_are_sent_name_no_file(visitor, studio):
    sent = visitor.send_picture(name="../../evil\0\n.png")
    found = visitor.get(f"{API}/pictures/{sent}").json()
    assert found["name"] == "evil"
    assert not list(studio[1].store.folder.rglob("*evil*"))


@pytest.mark.parametrize("id", ["..%2f..%2fstudio.sqlite3", "a.b", "%00", "x" * 500])
def test_ids_are_ids(visitor, id):
    for path in (f"pictures/{id}", f"jobs/{id}", f"jobs/{id}/result"):
        assert visitor.get(f"{API}/{path}").status_code in (404, 422)


def test_ids_cannot_be_guessed(visitor):
    first, second = visitor.send_picture(), visitor.send_picture()
    assert len(first) >= 22
    assert first[:6] != second[:6]


@pytest.mark.parametrize("path", ["../app.py", "%2e%2e/app.py", "/etc/passwd", ".."])
def test_only_files_of_the_page_are_served(studio, path):
    host = studio[0].removeprefix("http://")
    asked = f"GET /static/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert b" 404 " in _talk(studio[0], asked.encode()).splitlines()[0]


def test_larger_paintings_than_allowed_are_refused(visitor):
    told = visitor.order(visitor.send_picture(), status=422, settings={"size": 300})
    assert "256 px" in told["error"]["message"]


# What is kept.


def test_full_disk_is_told_and_leaves_nothing(visitor, studio, monkeypatch):
    def fill(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(studio[1].store.folder.rglob("*.png"))
    monkeypatch.setattr(Path, "write_bytes", fill)
    answer = _send(visitor, draw())
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "disk_full"
    assert sorted(studio[1].store.folder.rglob("*.png")) == before
    assert list((studio[1].store.folder / "incoming").iterdir()) == []
    assert visitor.get(f"{API}/pictures").json() == []


def test_little_space_is_told_before_anything_is_written(visitor, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(storing.shutil, "disk_usage", lambda _: usage)
    assert _send(visitor, draw()).status_code == 507


def _keep(store, session, count):
    file = store.incoming()
    file.write_bytes(b"x" * count)
    return store.add_picture(session, "photo", "name", (10, 10), file)["id"]


def _ask(photo):
    return {"photo": photo, "styles": [], "settings": {}, "masks": [], "protect": None,
            "network": None}  # fmt: skip


def test_oldest_finished_work_makes_room(tmp_path):
    store = Store(tmp_path, quota=1000)
    used, free = _keep(store, "me", 300), _keep(store, "me", 100)
    jobs = [store.add_job("me", "paint", _ask(used), 1.0) for _ in range(3)]
    for job in jobs[:2]:
        (store.job_folder(job) / "result.png").write_bytes(b"x" * 200)
        store.end_job(job, "done")
    (store.job_folder(jobs[2]) / "preview.jpg").write_bytes(b"x" * 400)
    _keep(store, "me", 300)  # 1100: the first job goes
    with pytest.raises(UnknownError):
        store.job(jobs[0])
    assert not store.job_folder(jobs[0]).exists()
    assert store.job(jobs[1])
    _keep(store, "me", 350)  # 1250: the second job, and the picture that nobody looks at
    with pytest.raises(UnknownError):
        store.picture("me", free)
    assert store.picture("me", used)  # the waiting job needs it
    assert store.job(jobs[2])["state"] == "queued"
    with pytest.raises(DiskError):
        _keep(store, "me", 900)
    store.close()


def test_only_a_digest_of_the_session_is_kept(tmp_path):
    store = Store(tmp_path, quota=1000)
    key = store.open_session()
    assert store.find_session(key)
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert key.encode() not in kept


def test_two_studios_do_not_share_a_folder(tmp_path):
    import filelock

    from impasto.studio.serving import serve

    with filelock.FileLock(tmp_path / "studio.lock"), pytest.raises(ConfigError, match="Another"):
        serve(StudioSettings(data=tmp_path, port=0), print)


def test_taken_port_is_told_in_one_line(tmp_path):
    from impasto.studio.serving import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="choose another --port"):
            serve(StudioSettings(data=tmp_path, port=port), print)


def test_fault_of_ours_tells_no_secrets(visitor, studio, monkeypatch):
    def break_down(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(studio[1].store, "jobs", break_down)
    answer = visitor.get(f"{API}/jobs")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "unexpected"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_it_listens_to_this_computer_only_by_itself():
    assert StudioSettings().is_local
    assert not StudioSettings(host="0.0.0.0").is_local


def test_running_job_of_another_is_not_stopped(studio, visitor):
    job = visitor.order(visitor.send_picture(), settings=SLOW)["id"]
    visitor.wait_steps(job, 2)
    with Visitor(studio[0]) as other:
        other.delete(f"{API}/jobs/{job}")
    assert visitor.tell(job)["state"] == "running"
    visitor.delete(f"{API}/jobs/{job}")
