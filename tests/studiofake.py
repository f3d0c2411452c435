"""A studio without painters: the HTTP API with canned pictures, for tests of the page alone.

A job "paints" by blending its style over its photograph within a second or so. One process, no
library beyond numpy and Pillow. Run it by itself for a look: `python tests/studiofake.py 8123`.
"""

import functools
import io
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from PIL import Image, UnidentifiedImageError

from impasto.gallery import STYLES, picture_path
from studioforms import MOST_BYTES, OPTIONS

PAGE = Path(__file__).parent.parent / "src/impasto/studio/page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
FINAL = ("done", "cancelled", "failed")


#: A job that nobody has looked at yet.
BLANK: dict[str, Any] = {
    "state": "queued", "position": 1, "started": None, "finished": None, "wait_seconds": 2,
    "progress": None, "losses": [], "preview": 0, "result": None, "error": None, "masks": [],
    "protect": None, "network": None, "photo": None,
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - it is an answer
    """An answer other than 2xx."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class House:
    """All that the studio holds; `session` is part of every key."""

    def __init__(self, seconds: float = 1.2) -> None:
        self.seconds = seconds
        self.pictures: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Image.Image] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.results: dict[str, Image.Image] = {}
        self.owners: dict[str, str] = {}
        self.sketched: list[dict[str, Any]] = []
        self.news = threading.Condition()
        self.painting = threading.Lock()
        self.down = False  # answers nothing, as a server that was stopped
        self.ready = True  # whether a painter is there
        self.held = False  # stops every painting half way, until it is let go

    def keep_picture(self, session: str, role: str, name: str, data: bytes) -> dict[str, Any]:
        if len(data) > MOST_BYTES:
            raise Refused(413, "too_large", "The picture is too large; send a smaller one.")
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB")
        except UnidentifiedImageError:
            message = f"{name} is not a picture we read; send a PNG, JPEG, TIFF or WebP."
            raise Refused(415, "not_a_picture", message) from None
        picture = {"id": secrets.token_urlsafe(9), "role": role, "name": name,
                   "created": time.time(), **_measure(image)}  # fmt: skip
        self.files[picture["id"]] = image
        self.pictures[picture["id"]] = picture
        self.owners[picture["id"]] = session
        return picture

    def see(self, session: str, ident: str, among: dict[str, Any]) -> Any:
        if ident not in among or self.owners.get(ident) != session:
            raise Refused(404, "not_found", "There is no such thing.")
        return among[ident]

    def open_style(self, ident: str) -> Image.Image:
        if ident.startswith("gallery:"):
            return _open_gallery(ident.partition(":")[2])
        return self.files[ident]

    def start(self, session: str, order: dict[str, Any]) -> dict[str, Any]:
        if order["settings"].get("strength") == 13:
            raise Refused(422, "invalid", "strength is 13; that brings bad luck, give another.")
        job = BLANK | {"id": secrets.token_urlsafe(9), "created": time.time()} | order
        self.jobs[job["id"]] = job
        self.owners[job["id"]] = session
        threading.Thread(target=self._paint, args=(job,), daemon=True).start()
        return job

    def _paint(self, job: dict[str, Any]) -> None:
        with self.painting:
            if job["state"] != "queued":
                return
            self.tell(job, state="running", position=None, started=time.time())
            style = self.open_style(job["styles"][0])
            photo = self.files[job["photo"]] if job["photo"] else style
            steps = 24
            for step in range(1, steps + 1):
                time.sleep(self.seconds / steps)
                while self.held and step > steps / 2 and job["state"] == "running":
                    time.sleep(0.05)
                if job["state"] != "running":
                    return
                self._advance(job, photo, style, step, steps)
            self.tell(job, state="done", finished=time.time())

    def _advance(
        self, job: dict[str, Any], photo: Image.Image, style: Image.Image, step: int, steps: int
    ) -> None:
        if step % 4 == 1 or step == steps:
            self.results[job["id"]] = blend(photo, [style], 0.2 + 0.5 * step / steps)
        size = self.results[job["id"]].size
        loss, scale = 9e5 / step**1.5 + 2e4, min(step // 9, 2)
        self.tell(job, preview=job["preview"] + 1, losses=[*job["losses"], [step, loss]],
                  result={"width": size[0], "height": size[1]},
                  progress={"done": step / steps, "step": step, "steps": steps, "width": size[0],
                            "height": size[1], "scale": scale, "scales": 3, "loss": loss,
                            "seconds_left": self.seconds * (1 - step / steps)})  # fmt: skip

    def tell(self, job: dict[str, Any], **changes: Any) -> None:
        with self.news:
            job.update(changes)
            self.news.notify_all()

    def cancel(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["state"] not in FINAL:
            self.tell(job, state="cancelled", position=None, finished=time.time())
        return job


def blend(photo: Image.Image, styles: list[Image.Image], amount: float) -> Image.Image:
    """The photograph's lights in the styles' colours: cheap, and visibly changing."""
    photo = photo.copy()
    photo.thumbnail((512, 512))
    colors = np.mean([np.asarray(one.resize(photo.size), float) for one in styles], axis=0)
    light = np.asarray(photo.convert("L"), float)[..., None] / 160
    mixed = (1 - amount) * np.asarray(photo, float) + amount * colors * light
    return Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


@functools.cache
def _open_gallery(name: str) -> Image.Image:
    with Image.open(picture_path(name)) as image:
        return image.convert("RGB")


@functools.cache
def _encode_gallery(name: str, size: int) -> bytes:
    return _encode(_open_gallery(name), size, "JPEG")


def _encode(image: Image.Image, size: int | None, format: str) -> bytes:
    if size:
        image = image.copy()
        image.thumbnail((size, size))
    data = io.BytesIO()
    image.save(data, format)
    return data.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Routes by method and the first part of the path."""

    protocol_version = "HTTP/1.1"
    house: House

    def log_message(self, format: str, *words: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        if self.house.down:
            self.close_connection = True
            self.connection.close()
            return
        address = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = [unquote(part) for part in address.path.split("/") if part]
        try:
            if parts[:2] == ["api", "v1"]:
                getattr(self, f"{method.lower()}_{parts[2]}")(*parts[3:])
            else:
                self._send_page(parts)
        except Refused as refused:
            error = {"error": {"code": refused.code, "message": str(refused)}}
            self._send(json.dumps(error).encode(), "application/json", refused.status)
        except (BrokenPipeError, ConnectionResetError):
            pass

    @property
    def session(self) -> str:
        cookies = self.headers.get("Cookie", "")
        found = [
            part.partition("=")[2]
            for part in cookies.split("; ")
            if part.startswith("impasto_session=")
        ]
        return found[0] if found else ""

    def _send_page(self, parts: list[str]) -> None:
        file = PAGE / (parts[-1] if parts[:1] == ["static"] else "index.html")
        if not file.is_file() or (parts and parts[0] != "static"):
            raise Refused(404, "not_found", "There is no such page.")
        cookie = (
            None
            if parts or self.session
            else f"impasto_session={secrets.token_hex(32)}; HttpOnly; SameSite=Strict; Path=/"
        )
        self._send(file.read_bytes(), KINDS[file.suffix], cookie=cookie)

    def _send(self, data: bytes, kind: str, status: int = 200, cookie: str | None = None,
              name: str | None = None) -> None:  # fmt: skip
        self.send_response(status)
        self._send_headers(kind)
        self.send_header("Content-Length", str(len(data)))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        if name:
            self.send_header("Content-Disposition", f'attachment; filename="{name}"')
        self.end_headers()
        self.wfile.write(data)

    def _send_headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")

    def _send_json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _read_size(self) -> int | None:
        size = self.query.get("size")
        if size not in (None, "256", "1024"):
            raise Refused(422, "invalid", "size: input should be 256 or 1024")
        return int(size) if size else None

    def _send_image(self, image: Image.Image, format: str = "PNG", name: str | None = None) -> None:
        self._send(_encode(image, self._read_size(), format), f"image/{format.lower()}", name=name)

    def get_health(self) -> None:
        where = "cpu" if self.house.ready else "auto"
        told = {"version": "0.1", "device": where, "workers": 1, "queued": 0}
        self._send_json(told | {"ready": self.house.ready})

    def get_options(self) -> None:
        self._send_json(OPTIONS)

    def get_styles(self, ident: str = "", _: str = "") -> None:
        if ident:
            kind = "image/jpeg"
            self._send(_encode_gallery(ident.partition(":")[2], self._read_size() or 1024), kind)
            return
        ours = [{"id": f"gallery:{name}", "name": name, "title": style.title, "own": False,
                 **_measure(_open_gallery(name))} for name, style in STYLES.items()]  # fmt: skip
        own = [picture | {"title": picture["name"], "own": True} for picture in self._list("style")]
        self._send_json(ours + own)

    def _list(self, role: str | None) -> list[dict[str, Any]]:
        mine = [
            one
            for key, one in self.house.pictures.items()
            if self.house.owners[key] == self.session
        ]
        return [one for one in reversed(mine) if role in (None, one["role"])]

    def get_pictures(self, ident: str = "", content: str = "") -> None:
        if not ident:
            self._send_json(self._list(self.query.get("role")))
            return
        picture = self.house.see(self.session, ident, self.house.pictures)
        if content:
            self._send_image(self.house.files[ident])
        else:
            self._send_json(picture)

    def post_pictures(self, ident: str = "", _: str = "") -> None:
        if ident:
            photo = self.house.see(self.session, ident, self.house.files)
            name = json.loads(self.body)["find"]
            if photo.width < 100:
                raise Refused(422, "invalid", f"No {name} found in that picture.")
            mask = Image.new("L", photo.size)
            mask.paste(255, (0, 0, photo.width, photo.height // 2))
            data = _encode(mask.convert("RGB"), None, "PNG")
            self._send_json(self.house.keep_picture(self.session, "mask", name, data), 201)
            return
        role, name = self.query["role"], self.query.get("name", "picture")
        self._send_json(self.house.keep_picture(self.session, role, name, self.body), 201)

    def delete_pictures(self, ident: str) -> None:
        self.house.see(self.session, ident, self.house.pictures)
        del self.house.pictures[ident]
        self._send(b"", "text/plain", 204)

    def get_jobs(self, ident: str = "", part: str = "") -> None:
        if not ident:
            mine = [
                job
                for key, job in self.house.jobs.items()
                if self.house.owners[key] == self.session
            ]
            self._send_json(mine[::-1][: int(self.query.get("limit", 50))])
            return
        job = self.house.see(self.session, ident, self.house.jobs)
        shows: dict[str, Callable[[], None]] = {
            "": lambda: self._send_json(job),
            "events": lambda: self._stream(job),
            "preview": lambda: self._send_image(self.house.results[ident], "JPEG"),
            "thumbnail": lambda: self._send_image(self.house.results[ident], "JPEG"),
            "result": lambda: self._send_result(ident),
        }
        shows[part]()

    def _send_result(self, ident: str) -> None:
        format = self.query.get("format", "png")
        name = f"impasto.{format}" if self.query.get("download") else None
        self._send_image(self.house.results[ident], format.upper(), name)

    def _stream(self, job: dict[str, Any]) -> None:
        self.send_response(200)
        self._send_headers("text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for count, (event, data) in enumerate(self._follow(job)):
            message = f"id: {count}\nevent: {event}\ndata: {json.dumps(data)}\n\n"
            self.wfile.write(message.encode())
            self.wfile.flush()

    def _follow(self, job: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        state, preview = None, 0
        while True:
            if job["state"] != state:
                state = job["state"]
                yield "job", job
            elif job["preview"] != preview:
                preview = job["preview"]
                yield (
                    "progress",
                    {"progress": job["progress"], "loss": job["losses"][-1], "preview": preview},
                )
            if state in FINAL or self.house.down:
                return
            with self.house.news:
                self.house.news.wait(0.2)

    def post_jobs(self, ident: str = "", action: str = "") -> None:
        order = json.loads(self.body or b"{}")
        if not ident:
            for style in order["styles"]:
                self.house.open_style(style)
            self._send_json(self.house.start(self.session, order), 201)
            return
        job = self.house.see(self.session, ident, self.house.jobs)
        if action == "cancel":
            self._send_json(self.house.cancel(job))
            return
        kept = {
            name: job[name] for name in ("kind", "photo", "styles", "masks", "protect", "network")
        }
        settings = job["settings"] | order["settings"]
        self._send_json(self.house.start(self.session, kept | {"settings": settings}), 201)

    def delete_jobs(self, ident: str) -> None:
        self.house.cancel(self.house.see(self.session, ident, self.house.jobs))
        del self.house.jobs[ident]
        self._send(b"", "text/plain", 204)

    def post_sketches(self) -> None:
        order = json.loads(self.body)
        self.house.sketched.append(order)
        styles = [self.house.open_style(one) for one in order["styles"]]
        photo = self.house.see(self.session, order["photo"], self.house.files)
        self._send_image(blend(photo, styles, min(0.8, 0.5 * order["strength"])), "JPEG")


def _measure(image: Image.Image) -> dict[str, int]:
    return {"width": image.width, "height": image.height}


class Server(ThreadingHTTPServer):
    """Threads that do not hold up the end."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that left is no matter."""


def serve(port: int = 0, seconds: float = 1.2) -> tuple[Server, House]:
    """Serve in a thread of its own; shut it down when done."""
    house = House(seconds)
    server = Server(("127.0.0.1", port), type("Bound", (Handler,), {"house": house}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, house


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 8)
    threading.Event().wait()
