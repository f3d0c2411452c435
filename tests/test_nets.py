"""Networks that come with impasto: each says what it is, and paints."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import impasto
from fast_networks import make_network, save_fast
from impasto import shelf
from impasto.cli.doctor import _examine_networks
from impasto.provenance import find_commit
from impasto.trained import Card, read_card, save_network
from test_cli import folder  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[1]
NETWORKS = shelf.list_networks()
#: Bytes of all of them.
MOST = 25_000_000


def list_gaps(card):
    """What a card does not say."""
    wanted = {
        "steps": card.steps > 0, "data": len(card.data) > 20, "style_size": "style_size" in
        card.recipe, "licence": card.licence == "Apache-2.0",
        "commit": re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", card.commit),
    }  # fmt: skip
    return [name for name, said in wanted.items() if not said]


def judge(picture, photo):
    """What is wrong with a painting of a photograph, both (1, 3, H, W); empty if nothing is."""
    deviation = float(picture.std())
    if deviation < 0.05:
        return "flat"
    steps = (picture.diff(dim=3).abs().mean() + picture.diff(dim=2).abs().mean()) / 2
    # Neighbours of white noise differ by 1.13 deviations, those of photographs by a fifth.
    if steps > 0.7 * deviation:
        return "noise"
    # At a twelfth of its side a painting still shows where the photograph is bright.
    forms = [F.avg_pool2d(one.mean(1, keepdim=True), 12).flatten() for one in (picture, photo)]
    alike = abs(float(torch.corrcoef(torch.stack(forms))[0, 1]))
    return "" if alike > 0.3 else "another picture"


@pytest.mark.parametrize("name", NETWORKS)
def test_its_card_tells(name):
    assert list_gaps(read_card(NETWORKS[name])) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_it_paints(name, photo):
    painter = impasto.FastPainter(name, device="cpu")
    large = F.interpolate(photo, scale_factor=3, mode="bicubic").clamp(0, 1)
    styles = painter.card.styles or ("mosaic", "marbling")
    seen = []
    for style in styles:
        job = painter.prepare(large, [style], impasto.FastConfig(size=240))
        (*_, last) = job.run()
        seen.append(last.picture())
        assert judge(seen[-1], large) == "", f"{name} in {style}"
        assert (seen[-1] - large).abs().mean() > 0.03, f"{name} copies the photograph in {style}"
    for one, other in itertools.pairwise(seen):
        assert (one - other).abs().mean() > 0.02, f"{name} knows one style only"


def test_all_of_them_are_small():
    assert sum(path.stat().st_size for path in NETWORKS.values()) <= MOST


def test_what_is_no_painting_is_seen(photo):
    torch.manual_seed(0)
    assert judge(photo, photo) == ""
    assert judge(1 - 0.5 * photo, photo) == ""
    assert judge(torch.full_like(photo, 0.4), photo) == "flat"
    assert judge(torch.rand_like(photo), photo) == "noise"
    waves = (0.5 + 0.4 * torch.linspace(0, 6 * torch.pi, photo.shape[-1]).sin()).expand_as(photo)
    assert judge(waves, photo) == "another picture"


def test_a_card_that_says_little_is_seen():
    assert list_gaps(Card(network="micro")) == ["steps", "data", "style_size", "licence", "commit"]


# What tells of them.


@pytest.fixture
def shelf_folder(folder, monkeypatch):  # noqa: F811
    monkeypatch.setattr(shelf, "FOLDER", folder / "nets")
    (folder / "nets").mkdir()
    return folder / "nets"


def test_list(run, shelf_folder):
    code, out, error = run("fast", "--list")
    assert (code, out) == (0, "")
    assert error == "No network comes with this installation; train one, or name a file.\n"
    save_fast(shelf_folder / "any.safetensors", "micro")
    save_fast(shelf_folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))
    (shelf_folder / "worn.safetensors").write_bytes(b"nothing")
    code, out, error = run("fast", "--list")
    assert (code, error) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["any", "micro", "any style"], ["two", "dumoulin", "mosaic, dusk"], ["worn", "damaged", ""],
    ]  # fmt: skip
    code, out, _ = run("fast", "--list", "--json")
    facts = json.loads(out)
    assert [one["name"] for one in facts] == ["any", "two", "worn"]
    assert facts[1]["styles"] == ["mosaic", "dusk"]
    assert "damaged" in facts[2]


def test_no_photograph(run, shelf_folder):
    code, out, error = run("fast")
    assert (code, out) == (2, "")
    assert error == (
        "impasto: Which picture is to be painted? Name a photograph, a folder or a film.\n"
    )


def test_doctor(shelf_folder):
    assert _examine_networks() == ("none", [])
    save_fast(shelf_folder / "any.safetensors", "micro")
    assert _examine_networks() == ("any", [])
    (shelf_folder / "worn.safetensors").write_bytes(b"nothing")
    assert _examine_networks() == ("any, worn", ["worn"])


# How they get there.


def test_a_network_is_shipped(tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import ship_network
    finally:
        sys.path.pop(0)
    state = make_network("johnson").state_dict()
    first, last = tmp_path / "first.safetensors", tmp_path / "last.safetensors"
    sizes = {"styles": 1, "width": 4, "blocks": 1}
    card = Card(network="johnson", arguments=sizes, steps=30, pictures=60)
    save_network(first, state, card)
    save_network(last, state, card.model_copy(update={"started_from": {"name": first.name}}))
    recipe = tmp_path / "net.toml"
    recipe.write_text('data = "drawn at random, for a test"\nlicence = "Apache-2.0"\n')
    commit = "0123456789abcdef"
    path = ship_network.ship("dots", last, recipe, commit, [first], tmp_path / "nets")
    found = read_card(path)
    assert path == tmp_path / "nets" / "dots.safetensors"
    assert (found.steps, found.pictures, found.commit) == (60, 120, commit)
    assert found.started_from == {}
    assert list_gaps(found) == ["style_size"]
    assert path.stat().st_size == pytest.approx(last.stat().st_size, abs=400)


def test_commit(tmp_path):
    assert find_commit(tmp_path) == ""
    package = tmp_path / "package"
    package.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "other").write_text("one")
    subprocess.run([*git, "add", "other"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    find_commit.cache_clear()
    assert find_commit(package) == ""  # inside, but not part of it
    (package / "code").write_text("one")
    subprocess.run([*git, "add", "package"], check=True)
    subprocess.run([*git, "commit", "-qm", "two"], check=True)
    find_commit.cache_clear()
    assert re.fullmatch(r"[0-9a-f]{40}", find_commit(package))
    (package / "code").write_text("two")
    find_commit.cache_clear()
    assert find_commit(package).endswith("-dirty")
    find_commit.cache_clear()
