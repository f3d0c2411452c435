"""Photograph the studio: a real server paints, a real browser looks, as a visitor would.

    make studio-pictures
    scripts/studio_pictures.py --out build/look --format png --size 256

Empty, painting and comparing; on a desk and on a phone, and once in the dark. Needs a chromium.
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

FOLDER = Path("docs/pictures/studio")
PHOTO, STYLE = "coffee", "swirling-night"
#: Where the page is looked at.
DEVICES = {
    "desk": {"viewport": {"width": 1440, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}
#: (device, colours) of each state of the page.
SHOTS = {
    "empty": [("desk", "light"), ("phone", "light")],
    "painting": [("desk", "light"), ("phone", "light"), ("desk", "dark")],
    "comparing": [("desk", "light"), ("phone", "light")],
}
#: So that all together weigh less than a megabyte.
MOST_BYTES = 140_000
_PATIENCE = 600_000  # milliseconds; nothing here is timed
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
#: Of a painting, when it is photographed.
_BEGUN = re.compile(r"^(3[5-9]|[4-7]\d) %")


def main() -> int:
    """Take all pictures into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--format", choices=("jpeg", "png"), default="jpeg")
    parser.add_argument("--size", type=int, default=640, help="longest side that is painted")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=_PATIENCE)
    with tempfile.TemporaryDirectory() as data, _serve(data) as address, _browse() as browser:
        studio = _Studio(browser, address, options.out, options.format)
        studio.show_empty()
        studio.show_painting(options.size)
        studio.show_comparing()
    return 0


class _Studio:
    """A visitor with two devices, who takes pictures of what is seen."""

    def __init__(self, browser: Browser, address: str, out: Path, kind: str) -> None:
        self._browser, self._address, self._out, self._kind = browser, address, out, kind
        self._pages: dict[tuple[str, str], Page] = {}

    def show_empty(self) -> None:
        """The page as it greets."""
        for device, colours in SHOTS["empty"]:
            self._take("empty", device, colours, self._enter(device, colours))

    def show_painting(self, size: int) -> None:
        """The photograph while it is painted; all devices are of one session."""
        page = self._enter(*SHOTS["painting"][0])
        _prepare(page, size)
        page.locator("[data-key=begin]").click()
        expect(page.locator("#watch .headline")).to_contain_text("%")
        state = page.context.storage_state()
        for device, colours in SHOTS["painting"][1:]:
            self._enter(device, colours, storage_state=state)
        for device, colours in SHOTS["painting"]:
            page = self._pages[device, colours]
            page.bring_to_front()
            expect(page.locator("#watch .headline")).to_have_text(_BEGUN)
            expect(page.locator("#watch .details")).to_contain_text("left")
            _await_picture(page)
            self._take("painting", device, colours, page)

    def show_comparing(self) -> None:
        """The line between photograph and painting, half way."""
        for device, colours in SHOTS["comparing"]:
            page = self._pages[device, colours]
            page.bring_to_front()
            expect(page.locator("#watch")).to_be_hidden()
            page.get_by_role("button", name="Compare", exact=True).click()
            expect(page.locator(".divider")).to_be_visible()
            _await_picture(page)
            self._take("comparing", device, colours, page)

    def _enter(self, device: str, colours: str, **more: object) -> Page:
        settings = DEVICES[device] | {"color_scheme": colours} | more
        context: BrowserContext = self._browser.new_context(**settings)  # type: ignore[arg-type]
        context.set_default_timeout(_PATIENCE)
        page = context.new_page()
        page.goto(self._address)
        expect(page.locator("#wall .framed")).to_have_count(15)
        page.wait_for_load_state("networkidle") if not more else None
        self._pages[device, colours] = page
        return page

    def _take(self, state: str, device: str, colours: str, page: Page) -> None:
        page.mouse.move(1, 1)
        page.wait_for_timeout(600)  # for what moves
        name = "-".join([state, device, *(["dark"] if colours == "dark" else [])])
        path = self._out / f"{name}.{'jpg' if self._kind == 'jpeg' else 'png'}"
        path.write_bytes(_pack(page.screenshot(), self._kind))
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def _prepare(page: Page, size: int) -> None:
    """Photograph, style and size, by the page's own buttons."""
    data = io.BytesIO()
    Image.fromarray(getattr(skimage.data, PHOTO)()).save(data, "PNG")
    with page.expect_file_chooser() as chooser:
        page.locator("[data-pick=photo]:visible").first.click()
    chooser.value.set_files(
        [{"name": f"{PHOTO}.png", "mimeType": "image/png", "buffer": data.getvalue()}]
    )
    expect(page.locator("#stage")).to_be_visible()
    page.locator(f'#wall [data-key="gallery:{STYLE}"]').click()
    page.locator(".preset", has_text="Draft").click()
    size_field = page.locator("[data-field=size] input").first
    size_field.fill(str(size))
    size_field.press("Tab")


def _await_picture(page: Page) -> None:
    page.wait_for_function("document.querySelector('#hang .after').naturalWidth > 0")


def _pack(shot: bytes, kind: str) -> bytes:
    """PNG as it is, or the finest JPEG that is light enough."""
    if kind == "png":
        return shot
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    for quality in range(90, 40, -4):
        data = io.BytesIO()
        image.save(data, "JPEG", quality=quality, optimize=True, progressive=True)
        if data.tell() <= MOST_BYTES:
            break
    return data.getvalue()


@contextlib.contextmanager
def _serve(data: str) -> Iterator[str]:
    """The studio as a user starts it; gives its address."""
    command = [sys.executable, "-m", "impasto", "studio", "--port", "0", "--no-browser"]
    process = subprocess.Popen([*command, "--data", data], stderr=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", process.stderr.readline() if process.stderr else "")
        if found is None:
            raise SystemExit("the studio did not start; try impasto studio")
        yield found[0]
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _browse() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise SystemExit("no chromium on the PATH; run make browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main())
