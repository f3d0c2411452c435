"""The studio's page in a real browser, against a stand-in server: every button, whole journeys."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from studiofake import House
from studiovisitors import (
    Visitor,
    ask,
    await_truth,
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
    stroke,
    studio,
    upload,
    visit,
    wait_done,
    write_photo,
)  # fmt: skip

__all__ = ["browser", "house", "page", "studio", "visit"]
pytestmark = needs_browser


def test_the_whole_journey(page: Page, house: House, tmp_path: Path) -> None:
    prepare(page, "mosaic")
    house.held = True
    begin(page)
    expect(page.locator("#watch .headline")).to_contain_text("%")
    expect(page.locator("#watch .details")).to_contain_text("step")
    expect(page.locator("#watch .details")).to_contain_text(re.compile("size [1-3] of 3"))
    expect(page.locator("#watch .curve polyline")).to_be_attached()
    save(page, tmp_path, "watching")
    page.get_by_role("button", name="Stop here").click()
    expect(page.locator('#works [data-state="cancelled"]')).to_have_count(1)
    expect(page.locator("#placard .line")).to_contain_text("Stopped")
    house.held = False
    page.locator("[data-key=again]").click()
    wait_done(page)
    assert len(house.jobs) == 2
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".divider")).to_be_visible()
    save(page, tmp_path, "comparing")
    for format, signature in {"png": b"\x89PNG", "jpeg": b"\xff\xd8", "tiff": b"II*\x00"}.items():
        page.locator("[data-key=download]").click()
        with page.expect_download() as download:
            page.locator(f"[data-format={format}]").click()
        assert Path(download.value.path()).read_bytes().startswith(signature)


def test_what_is_painted_is_what_was_chosen(page: Page, house: House) -> None:
    prepare(page, "mosaic", "marbling")
    page.get_by_role("slider", name="Share of Marbling").fill("0.5")
    page.locator(".preset", has_text="Draft").click()
    page.locator("[data-field=size] [data-value='384']").click()
    page.get_by_role("switch", name="Keep colors").check()
    begin(page)
    wait_done(page)
    job = last_job(house)
    assert job["styles"] == ["gallery:mosaic", "gallery:marbling"]
    assert job["settings"] == {
        "preset": "draft", "size": 384, "keep_colors": True, "style_shares": [1, 0.5],
    }  # fmt: skip
    assert job["kind"] == "paint"
    assert job["photo"] in house.pictures


def test_defaults_are_not_sent(page: Page, house: House) -> None:
    prepare(page)
    page.get_by_role("switch", name="Keep colors").check()
    page.locator("[data-field=keep_colors] .reset").click()
    begin(page)
    assert last_job(house)["settings"] == {}


def test_every_expert_setting_is_behind_one_door(page: Page, house: House) -> None:
    prepare(page)
    page.locator("[data-key=door]").click()
    dialog = page.locator("#expert")
    dialog.get_by_role("searchbox").fill("layers")
    expect(dialog.locator(".field:visible")).to_have_count(1)
    dialog.locator("[data-field=style_layers] input").fill("relu1_1, relu2_1")
    dialog.get_by_role("searchbox").fill("")
    dialog.locator("[data-field=loss] label", has_text="Gatys").click()
    dialog.locator("[data-field=tv_weight] input").fill("0.5")
    dialog.locator("[data-field=history] input").fill("5")
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("[data-key=door]")).to_contain_text("4 changed")
    begin(page)
    assert last_job(house)["settings"] == {
        "style_layers": ["relu1_1", "relu2_1"], "loss": "gatys", "tv_weight": 0.5, "history": 1,
    }  # fmt: skip


def test_all_settings_can_be_put_back(page: Page, house: House) -> None:
    prepare(page)
    page.locator(".preset", has_text="Fine").click()
    page.locator("[data-key=door]").click()
    page.get_by_role("button", name="All as they come").click()
    page.locator("#expert").get_by_role("button", name="Done").click()
    begin(page)
    assert last_job(house)["settings"] == {}


def test_a_refusal_is_told_in_one_line(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.refusals = True
    page = visitor.enter()
    prepare(page)
    ask(page, "spoil", 13)
    page.reload()
    page.locator("[data-key=begin]").click()
    expect(page.locator(".toast")).to_contain_text("that brings bad luck, give another")
    page.get_by_role("button", name="Put away").click()
    expect(page.locator(".toast")).to_have_count(0)


def test_what_is_not_a_picture_is_refused(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.refusals = True
    page = visitor.enter()
    upload(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"})
    expect(page.locator(".toast")).to_contain_text("notes.txt is not a picture")
    expect(page.locator("#invitation")).to_be_visible()


def test_too_large_a_file_is_not_even_sent(page: Page, house: House) -> None:
    upload(page, {"name": "big.png", "mimeType": "image/png", "buffer": bytes(4_000_001)})
    expect(page.locator(".toast")).to_contain_text("big.png has 4 MB")
    assert house.pictures == {}


def test_fast_and_texture(page: Page, house: House) -> None:
    prepare(page, "ink-wash")
    page.get_by_role("radio", name="In one pass").check(force=True)
    expect(page.get_by_label("Network")).to_have_value("")
    begin(page)
    wait_done(page)
    assert last_job(house)["kind"] == "fast"
    assert last_job(house)["network"] is None, "the one that suits the styles"
    page.get_by_role("radio", name="Texture").check(force=True)
    page.locator("[data-key=begin]").click()
    expect(page.locator("#works li")).to_have_count(2)
    assert last_job(house)["kind"] == "texture"
    assert last_job(house)["photo"] is None
    wait_done(page)


def test_a_network_stays_chosen(page: Page, house: House) -> None:
    prepare(page, "ink-wash")
    page.get_by_role("radio", name="In one pass").check(force=True)
    for name in ("micro", ""):
        page.get_by_label("Network").select_option(name)
        page.reload()
        expect(page.get_by_label("Network")).to_have_value(name)
    page.get_by_label("Network").select_option("micro")
    begin(page)
    assert last_job(house)["network"] == "micro"


def test_what_has_no_photograph_is_never_cut(page: Page) -> None:
    prepare(page, "mosaic")
    begin(page)
    wait_done(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".after")).to_have_css("clip-path", re.compile("inset"))
    page.get_by_role("radio", name="Texture").check(force=True)
    page.locator("[data-key=begin]").click()
    expect(page.locator('#works [data-state="done"]')).to_have_count(2)
    expect(page.locator(".after")).to_be_visible()
    expect(page.locator(".after")).to_have_css("clip-path", "none")


def test_a_texture_needs_no_photograph(page: Page, house: House) -> None:
    page.locator("#texture-only").click()
    choose(page, "mosaic")
    begin(page)
    assert last_job(house)["photo"] is None


def test_sketches_follow_the_choice(page: Page, house: House) -> None:
    prepare(page, "mosaic")
    expect(page.locator(".corner")).to_have_text("Sketch by micro")
    first = read_image(page, ".after")
    choose(page, "marbling")
    page.get_by_role("slider", name="Share of Mosaic").fill("0.1")
    await_truth(page, lambda: house.sketched[-1]["shares"] == [0.1, 1])
    await_truth(page, lambda: not np.array_equal(read_image(page, ".after"), first))
    # Small at once, and sharper when the hand rests.
    await_truth(page, lambda: [one["size"] for one in house.sketched[-2:]] == [256, 512])
    page.get_by_role("button", name="Sketch at once").click()
    expect(page.locator(".corner")).to_be_hidden()


def test_regions_become_masks(page: Page, house: House, tmp_path: Path) -> None:
    prepare(page, "mosaic", "marbling")
    page.locator("[data-key=regions]").click()
    page.locator('.chip[data-key="gallery:mosaic"]').click()
    stroke(page, (0.2, 0.3), (0.4, 0.3))
    page.locator(".chip[data-key=protect]").click()
    stroke(page, (0.7, 0.7), (0.8, 0.7))
    save(page, tmp_path, "brush")
    page.locator("[data-key=done]").click()
    expect(page.locator("[data-key=regions]")).to_contain_text("Regions · 2")
    begin(page)
    wait_done(page)
    job = last_job(house)
    first, rest = (house.files[mask["picture"]].convert("L") for mask in job["masks"])
    width, height = first.size
    inside, outside = (int(0.3 * width), int(0.3 * height)), (int(0.3 * width), int(0.9 * height))
    assert (first.getpixel(inside), first.getpixel(outside)) == (255, 0)
    assert (rest.getpixel(inside), rest.getpixel(outside)) == (0, 255)
    protected = house.files[job["protect"]].convert("L")
    assert protected.getpixel((int(0.75 * width), int(0.7 * height))) == 255
    assert protected.getpixel(inside) == 0


def test_what_is_found_becomes_a_region(page: Page, house: House) -> None:
    prepare(page, "mosaic")
    page.locator("[data-key=regions]").click()
    finder = page.get_by_label("Find in the photograph")
    expect(finder.locator("option")).to_have_text(["Find", "Sky"])
    page.locator('.chip[data-key="gallery:mosaic"]').click()
    finder.select_option("sky")
    await_truth(page, lambda: ask(page, "covered") > 0)
    # What is drawn and what is found make one region.
    stroke(page, (0.2, 0.8), (0.4, 0.8))
    page.locator("[data-key=done]").click()
    begin(page)
    wait_done(page)
    (mask,) = (house.files[one["picture"]].convert("L") for one in last_job(house)["masks"])
    width, height = mask.size
    points = [(0.5, 0.2), (0.3, 0.8), (0.8, 0.8)]
    assert [mask.getpixel((int(x * width), int(y * height))) for x, y in points] == [255, 255, 0]


def test_strokes_can_be_erased_taken_back_and_cleared(page: Page, house: House) -> None:
    prepare(page, "mosaic")
    page.locator("[data-key=regions]").click()

    stroke(page, (0.2, 0.5), (0.8, 0.5))
    whole = ask(page, "covered")
    page.get_by_role("button", name="Eraser").click()
    stroke(page, (0.5, 0.2), (0.5, 0.8))
    erased = ask(page, "covered")
    assert 0 < erased < whole
    page.get_by_role("button", name="Undo").click()
    assert ask(page, "covered") == whole
    page.get_by_label("Size of the brush").fill("0.2")
    page.get_by_role("button", name="Clear all regions").click()
    assert ask(page, "covered") == 0
    page.locator("[data-key=done]").click()
    begin(page)
    assert last_job(house)["masks"] == []


def test_regions_survive_a_reload(page: Page) -> None:
    prepare(page, "mosaic")
    page.locator("[data-key=regions]").click()
    stroke(page, (0.3, 0.5), (0.6, 0.5))
    expect(page.locator("[data-key=regions]")).to_contain_text("Regions · 1")
    page.reload()
    expect(page.locator("[data-key=regions]")).to_contain_text("Regions · 1")
    page.locator("[data-key=regions]").click()
    await_truth(page, lambda: ask(page, "covered") > 0)


def test_a_reload_in_the_middle_restores_everything(page: Page, house: House) -> None:
    prepare(page, "mosaic", "marbling")
    page.locator(".preset", has_text="Draft").click()
    house.held = True
    begin(page)
    expect(page.locator("#watch .headline")).to_contain_text("%")
    page.reload()
    expect(page.locator("#watch .headline")).to_contain_text("%")
    expect(page.locator('#wall [aria-pressed="true"]')).to_have_count(2)
    expect(page.locator("input[name=preset][value=draft]")).to_be_checked()
    expect(page.locator("#photos .thumb")).to_have_count(1)
    expect(page.locator("#watch .curve polyline")).to_be_attached()
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.locator("#watch .headline")).to_contain_text("%")
    expect(page.locator('#wall [aria-pressed="true"]')).to_have_count(2)
    page.get_by_role("button", name="Stop here").click()


def test_a_lost_connection_is_shown_and_found_again(
    visit: Callable[..., Visitor], house: House
) -> None:
    visitor = visit()
    visitor.refusals = True
    page = visitor.enter()
    prepare(page, "mosaic")
    house.held = True
    begin(page)
    expect(page.locator("#watch .headline")).to_contain_text("%")
    house.down = True
    house.tell(last_job(house))
    expect(page.locator("#connection")).to_be_visible()
    house.down = False
    expect(page.locator("#connection")).to_be_hidden()
    house.held = False
    wait_done(page)


def test_works_can_be_used_repeated_and_deleted(page: Page, house: House, tmp_path: Path) -> None:
    prepare(page, "mosaic")
    page.locator(".preset", has_text="Draft").click()
    begin(page)
    wait_done(page)
    choose(page, "mosaic", "cubist")
    page.locator(".preset", has_text="Fine").click()
    page.locator("#works").get_by_role("button", name="Use settings").click()
    expect(page.locator('#wall [data-key="gallery:mosaic"]')).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.locator('#wall [data-key="gallery:cubist"]')).to_have_attribute(
        "aria-pressed", "false"
    )
    expect(page.locator("input[name=preset][value=draft]")).to_be_checked()
    page.locator("#works").get_by_role("button", name="Again").click()
    expect(page.locator("#works li")).to_have_count(2)
    wait_done(page)
    page.get_by_role("button", name="All its settings").click()
    expect(page.locator("#details")).to_contain_text("Preset")
    save(page, tmp_path, "details")
    page.locator("#details").get_by_role("button", name="Close").click()
    remove = page.locator("#works li").first.get_by_role("button", name="Delete")
    remove.click()
    page.locator("#works .asking").click()
    expect(page.locator("#works li")).to_have_count(1)
    assert len(house.jobs) == 1


def test_a_style_of_ones_own(page: Page, house: House) -> None:
    upload(page, write_photo("coffee.png"), "style")
    expect(page.locator("#wall .framed")).to_have_count(16)
    upload(page)
    begin(page)
    own = next(one for one in house.pictures.values() if one["role"] == "style")
    assert last_job(house)["styles"] == [own["id"]]
    item = page.locator("#wall li", has=page.locator(f'[data-key="{own["id"]}"]'))
    item.hover()
    item.locator(".remove").click()
    item.locator(".remove").click()
    expect(page.locator("#wall .framed")).to_have_count(15)


def test_photographs_can_be_changed_and_deleted(page: Page, house: House) -> None:
    prepare(page)
    upload(page, write_photo("coffee.png"))
    expect(page.locator("#placard")).to_contain_text("coffee")
    page.get_by_role("button", name="cat.png", exact=True).click()
    expect(page.locator("#placard")).to_contain_text("cat")
    remove = page.locator("#photos li").last.locator(".remove")
    page.locator("#photos li").last.hover()
    remove.click()
    remove.click()
    expect(page.locator("#placard")).to_contain_text("coffee")
    assert [one["name"] for one in house.pictures.values()] == ["coffee.png"]


def test_pictures_can_be_dropped_and_pasted(page: Page, house: House) -> None:
    ask(page, "give", ["drop", "[data-drop=photo]", "dropped.png"])
    expect(page.locator("#photos .thumb")).to_have_count(1)
    expect(page.locator("#dropping")).to_be_hidden()
    ask(page, "give", ["drop", "[data-drop=style]", "style.png"])
    expect(page.locator("#wall .framed")).to_have_count(16)
    ask(page, "give", ["paste", "body", "pasted.png"])
    expect(page.locator("#photos .thumb")).to_have_count(2)
    assert [one["role"] for one in house.pictures.values()] == ["photo", "style", "photo"]


def test_the_camera_takes_a_photograph(visit: Callable[..., Visitor], house: House) -> None:
    visitor = visit()
    visitor.context.grant_permissions(["camera"])
    page = visitor.enter()
    page.get_by_role("button", name="Take one").click()
    await_truth(page, lambda: ask(page, "filmed"))
    page.get_by_role("button", name="Take the photograph").click()
    expect(page.locator("#photos .thumb")).to_have_count(1)
    expect(page.locator("#camera")).to_be_hidden()
    assert next(iter(house.pictures.values()))["width"] > 100
