"""Manners of the studio's page: for phones and keyboards, readable, small, of its own house."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from studiofake import PAGE, House
from studiovisitors import (
    Visitor,
    ask,
    begin,
    browser,
    choose,
    house,
    last_job,
    needs_browser,
    page,
    prepare,
    read_image,
    save,
    studio,
    upload,
    visit,
    wait_done,
)  # fmt: skip

LARGEST = 150_000  # bytes of the whole page

__all__ = ["browser", "house", "page", "studio", "visit"]
pytestmark = needs_browser


def test_the_start_invites_and_shows_the_gallery(page: Page, tmp_path: Path) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text("photograph")
    assert len(read_image(page, ".leaning img")) > 0
    expect(page.locator("#stage")).to_be_hidden()
    expect(page.locator("section.works")).to_be_hidden()
    save(page, tmp_path, "start")


def test_the_device_is_named_once_it_is_known(visit: Callable[..., Visitor], house: House) -> None:
    house.ready = False
    page = visit().enter()
    expect(page.locator("#house")).to_have_text("0.1")
    house.ready = True
    expect(page.locator("#house")).to_have_text("0.1 · cpu")


def test_works_stand_on_one_line(page: Page, house: House) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    prepare(page, "impressionist-garden", "woodblock-wave")
    begin(page)
    wait_done(page)
    choose(page, "impressionist-garden")  # no more
    page.get_by_role("radio", name="Texture").check(force=True)
    page.locator("[data-key=begin]").click()
    expect(page.locator('#works [data-state="done"]')).to_have_count(2)
    boxes = [work.bounding_box() for work in page.locator("#works .framed").all()]
    feet = {round(box["y"] + box["height"]) for box in boxes if box}
    titles = {
        round(box["y"])
        for title in page.locator("#works .title").all()
        if (box := title.bounding_box())
    }
    assert len(boxes) == 2
    assert len(feet) == len(titles) == 1


def test_two_visitors_do_not_see_each_other(visit: Callable[..., Visitor], house: House) -> None:
    first, second = visit().enter(), visit().enter()
    prepare(first, "mosaic")
    prepare(second, "cubist")
    house.held = True
    begin(first)
    begin(second)
    expect(second.locator("#watch .headline")).to_contain_text("Waiting")
    house.held = False
    wait_done(first)
    wait_done(second)
    expect(first.locator("#works li")).to_have_count(1)
    expect(first.locator("#works .title")).to_have_text("Mosaic")
    expect(second.locator("#works .title")).to_have_text("Cubist")


def test_a_phone(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    page = visit(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True).enter()
    save(page, tmp_path, "phone-start")
    prepare(page, "mosaic")
    expect(page.locator("[data-key=begin]")).to_be_in_viewport()
    page.locator("[data-key=door]").scroll_into_view_if_needed()
    expect(page.locator(".corner")).to_be_in_viewport()
    save(page, tmp_path, "phone-draft")
    begin(page)
    wait_done(page)
    page.get_by_role("button", name="Compare", exact=True).tap()
    expect(page.locator("#hang")).to_be_in_viewport()
    box = page.locator("#hang").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    assert 20 <= int(page.locator(".split").input_value()) <= 30
    save(page, tmp_path, "phone-done")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_keyboard_only(page: Page, house: House) -> None:
    upload(page)
    expect(page.locator("#stage")).to_be_visible()
    page.locator('#wall [data-key="gallery:mosaic"]').focus()
    page.keyboard.press("Space")
    expect(page.locator('#wall [data-key="gallery:mosaic"]')).to_be_focused()
    page.locator("[data-key=regions]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("canvas.tint")).to_have_attribute("tabindex", "0")
    page.locator("canvas.tint").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "]", "Space", "Escape"):
        page.keyboard.press(key)
    expect(page.locator("#brushes")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#works li")).to_have_count(1)
    wait_done(page)
    assert len(last_job(house)["masks"]) == 1
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("c")
    page.locator(".split").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.locator(".split").input_value() == "55"
    page.locator("[data-key=download]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-format=tiff]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-format=tiff]")).to_be_hidden()


def test_every_control_has_a_name_and_can_be_reached(page: Page) -> None:
    prepare(page, "mosaic", "marbling")
    begin(page)
    wait_done(page)
    assert ask(page, "nameless") == []
    assert page.evaluate("[...document.images].every((image) => image.hasAttribute('alt'))")
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.dataset.key ?? document.activeElement.id"))
    assert {"begin", "regions", "door", "again", "theme", "kind-paint"} <= seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit: Callable[..., Visitor], scheme: str, tmp_path: Path) -> None:
    """WCAG AA: 4.5 to 1 for each text on its own ground; texts over pictures have a dark veil."""
    page = visit(color_scheme=scheme).enter()
    prepare(page, "mosaic", "marbling")
    begin(page)
    wait_done(page)
    save(page, tmp_path, scheme)
    pairs = ask(page, "texts")
    assert len(pairs) > 20
    assert [text for text, ink, paper in pairs if measure_contrast(ink, paper) < 4.5] == []


def measure_contrast(ink: list[int], paper: list[int]) -> float:
    def luminance(color: list[int]) -> float:
        parts = np.array(color[:3]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(ink), luminance(paper)))
    return (light + 0.05) / (dark + 0.05)


def test_the_theme_can_be_chosen_and_is_kept(page: Page) -> None:
    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    page.get_by_role("button", name="Light or dark").click()
    dark = ground()
    assert dark != light
    page.reload()
    assert ground() == dark


def test_zoom_shows_each_pixel(page: Page) -> None:
    prepare(page)
    begin(page)
    wait_done(page)
    page.get_by_role("button", name="1 : 1").click()
    width = page.evaluate("document.querySelector('#hang').getBoundingClientRect().width")
    assert width == 226
    page.get_by_role("button", name="1 : 1").click()
    assert page.evaluate("document.querySelector('#hang').getBoundingClientRect().width") > 300


def test_motion_is_reduced_for_those_who_ask(visit: Callable[..., Visitor]) -> None:
    page = visit(reduced_motion="reduce").enter()
    duration = page.evaluate(
        "getComputedStyle(document.querySelector('.canvas')).transitionDuration"
    )
    assert float(duration.removesuffix("s")) < 0.001


def test_the_page_is_small_and_needs_nothing_from_elsewhere() -> None:
    files = sorted(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) < LARGEST
    text = "".join(file.read_text("utf-8") for file in files)
    links = set(re.findall(r"https?://[^\s\"'`)]+", text))
    assert links <= {"http://www.w3.org/2000/svg"}
    html = (PAGE / "index.html").read_text("utf-8")
    assert "style=" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"\son[a-z]+=", html) == []
