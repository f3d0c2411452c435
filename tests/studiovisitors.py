"""Visitors of the stand-in studio: real browsers, and what they do again and again."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from studiofake import House, Server, serve

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
PATIENCE = 120_000  # milliseconds; machines can be busy, and nothing here is timed
PROBES = Path(__file__).with_name("studioprobes.js").read_text("utf-8")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium on the PATH; install it (Debian: apt-get install chromium)",
)


expect.set_options(timeout=PATIENCE)


class Visitor:
    """A browser of its own, and all that went wrong in it."""

    def __init__(self, browser: Browser, address: str, **device: Any) -> None:
        self.context: BrowserContext = browser.new_context(**device)
        self.context.set_default_timeout(PATIENCE)
        self.address = address
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.refusals = False  # whether refused requests are part of the test
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._check_host)

    def _hear(self, message: ConsoleMessage) -> None:
        expected = self.refusals and message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not expected:
            self.wrong.append(message.text)

    def _check_host(self, request: Request) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.wrong.append(f"asked {request.url}")

    def enter(self) -> Page:
        self.page.goto(self.address, wait_until="domcontentloaded")
        expect(self.page.locator("#wall .framed")).to_have_count(15)
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def studio() -> Iterator[tuple[Server, House]]:
    server, house = serve()
    yield server, house
    house.down, house.held = True, False
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser: Browser, studio: tuple[Server, House]) -> Iterator[Callable[..., Visitor]]:
    """Visitors; at the end nothing may have gone wrong in any of their browsers."""
    visitors: list[Visitor] = []

    def enter(**device: Any) -> Visitor:
        address = f"http://127.0.0.1:{studio[0].server_port}/"
        visitors.append(
            Visitor(browser, address, **({"viewport": {"width": 1280, "height": 860}} | device))
        )
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.context.close()
    wrong = [line for one in visitors for line in one.wrong]
    assert not wrong, wrong


@pytest.fixture
def page(visit: Callable[..., Visitor]) -> Page:
    return visit().enter()


@pytest.fixture
def house(studio: tuple[Server, House]) -> House:
    return studio[1]


def write_photo(name: str = "cat.png") -> dict[str, Any]:
    """A small picture as a file that a browser can pick."""
    pixels = {"cat.png": skimage.data.chelsea, "coffee.png": skimage.data.coffee}[name]()
    data = io.BytesIO()
    Image.fromarray(pixels[::2, ::2]).save(data, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": data.getvalue()}


def upload(page: Page, file: dict[str, Any] | None = None, role: str = "photo") -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"[data-pick={role}]:visible").first.click()
    chooser.value.set_files([file or write_photo()])


def choose(page: Page, *names: str) -> None:
    for name in names:
        page.locator(f'#wall [data-key="gallery:{name}"]').click()


def begin(page: Page) -> None:
    page.locator("[data-key=begin]").click()
    expect(page.locator("#works li").first).to_be_visible()


def prepare(page: Page, *styles: str) -> None:
    upload(page)
    expect(page.locator("#stage")).to_be_visible()
    choose(page, *(styles or ("mosaic",)))


def wait_done(page: Page) -> None:
    expect(page.locator('#works [data-state="done"]').first).to_be_attached()
    expect(page.locator("#watch")).to_be_hidden()


def ask(page: Page, question: str, *words: object) -> Any:
    """The answer of one of the probes."""
    code = PROBES.partition("\n")[2].strip()
    return page.evaluate(f"([name, word]) => {code}[name](word)", [question, *words])


def read_image(page: Page, selector: str) -> np.ndarray:
    """The pixels that an image element shows."""
    await_truth(page, lambda: ask(page, "loaded", selector))
    data = ask(page, "pixels", selector)
    return np.array(data, np.uint8)


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Draw over the photograph; points are parts of its width and height."""
    box = page.locator("canvas.tint").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def await_truth(page: Page, question: Callable[[], bool]) -> None:
    """Wait until something outside the page is so."""
    for _ in range(PATIENCE // 100):
        if question():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not become so")


def last_job(house: House) -> dict[str, Any]:
    return list(house.jobs.values())[-1]


def save(page: Page, tmp_path: Path, name: str) -> None:
    """A screenshot for whoever looks; IMPASTO_SCREENSHOTS names a folder to keep them."""
    page.screenshot(path=Path(os.environ.get("IMPASTO_SCREENSHOTS", tmp_path)) / f"{name}.png")
