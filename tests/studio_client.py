"""What tests of the studio share: servers in this process and in one of their own, and visitors."""

import contextlib
import io
import json
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import uvicorn
from PIL import Image

from impasto.studio.app import create_app
from impasto.studio.settings import StudioSettings
from studio_standin import COMMAND

API = "/api/v1"
#: One step after the other, ten milliseconds each.
SLOW = {"steps": [600], "decay_steps": 20, "scales": 1, "optimizer": "adam", "size": 64}
QUICK = {"steps": [3], "scales": 1, "optimizer": "adam", "size": 64}


def draw(width=96, height=64, format="PNG", **options):
    """A picture file of stripes."""
    planes = np.zeros((height, width, 3), np.uint8)
    planes[:, ::2] = 200
    planes[: height // 2, :, 0] = 255
    buffer = io.BytesIO()
    Image.fromarray(planes).save(buffer, format, **options)
    return buffer.getvalue()


class Visitor(httpx.Client):
    """A program with a session."""

    def __init__(self, address, **options):
        super().__init__(base_url=address, timeout=120, trust_env=False, **options)
        self.headers["authorization"] = f"Bearer {self.post(API + '/session').json()['session']}"

    def __enter__(self):
        return self  # it has been used already

    def __exit__(self, *error):
        self.close()

    def send_picture(self, data=None, role="photo", name="stripes.png"):
        answer = self.post(
            f"{API}/pictures", params={"role": role, "name": name}, content=data or draw()
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"{API}/pictures/{answer.json()['id']}"
        return answer.json()["id"]

    def order(self, photo, status=201, kind="paint", styles=("gallery:mosaic",), **more):
        order = {"kind": kind, "photo": photo, "styles": list(styles)} | more
        answer = self.post(f"{API}/jobs", json=order)
        assert answer.status_code == status, answer.text
        if status == 201:
            assert answer.headers["location"] == f"{API}/jobs/{answer.json()['id']}"
        return answer.json()

    def tell(self, job):
        return self.get(f"{API}/jobs/{job}").raise_for_status().json()

    def wait(self, job, *states, seconds=120, until=lambda job: True):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.tell(job)
            if found["state"] in (states or ("done", "cancelled", "failed")) and until(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"still {found['state']}: {found}")

    def wait_steps(self, job, steps):
        return self.wait(
            job, "running", until=lambda job: job["progress"] and job["progress"]["step"] >= steps
        )


@contextlib.contextmanager
def serving(folder, command=COMMAND, page=None, **settings):
    """A studio in a thread of this process; gives its address and the studio."""
    # Without a second process that nobody needs, where painters only pretend.
    settings = {"sketches": command is not COMMAND} | settings
    chosen = StudioSettings(data=folder, port=0, browser=False, **settings)
    more = {} if page is None else {"page": page}
    app = create_app(chosen, command=command, **more)
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", app.app.state.studio
    finally:
        app.app.state.studio.hub.close()
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def process(folder, **settings):
    """A studio as a process of its own; gives its address and the process."""
    chosen = {"data": str(folder), "port": 0, "browser": False, "sketches": False} | settings
    script = COMMAND[1]
    server = subprocess.Popen(
        [sys.executable, script, "serve", json.dumps(chosen)], stdout=subprocess.PIPE, text=True
    )
    try:
        address = server.stdout.readline().strip()
        assert address, "the server did not start"
        yield address.rstrip("/"), server
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
