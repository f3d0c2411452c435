"""Masks that are found: faces, people, sky, colours; and their edges."""

import os
from pathlib import Path

import pytest
import skimage.data
import torch
from torch import Tensor

from impasto.errors import ConfigError, ImageError, WeightsError
from impasto.images import Picture
from impasto.masknames import MaskName, parse_mask_name
from impasto.masks import MaskFinder, libraries
from impasto.masks.clusters import find_cluster, group
from impasto.masks.edges import box_mean, follow_edges
from impasto.masks.faces import Face, detect_faces, draw_faces, find_faces
from impasto.masks.found import find_masks, find_protection, read_mask, spare
from impasto.masks.people import SIDE, find_people, open_network
from impasto.masks.sky import find_sky

#: The published network, where a developer has it: its licence is its own, and so is its file.
NETWORK = os.environ.get("IMPASTO_PEOPLE_NETWORK", "")


def to_tensor(picture: object) -> Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def astronaut() -> Tensor:
    return to_tensor(skimage.data.astronaut())


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def landscape(height: int = 96, width: int = 144) -> tuple[Tensor, Tensor]:
    """A blue sky over dark, rough hills; and the true mask."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
    skyline = height * (0.45 + 0.12 * torch.sin(columns / 20))
    sky = (rows < skyline).float()[None, None]
    fade = (rows / height).expand(height, width)
    blue = torch.stack([0.35 + 0.4 * fade, 0.55 + 0.3 * fade, 0.9 + 0 * fade])[None]
    ground = torch.tensor([0.25, 0.3, 0.12]).view(1, 3, 1, 1) + 0.25 * noise(height, width)
    return sky * (blue + 0.01 * noise(height, width, 1)) + (1 - sky) * ground, sky


# --- edges ------------------------------------------------------------------------------------


def test_a_box_mean_is_a_mean_over_what_is_inside() -> None:
    image = noise(7, 9)
    mean = box_mean(image, 2)
    assert torch.allclose(mean[0, :, 3, 4], image[0, :, 1:6, 2:7].mean((1, 2)), atol=1e-6)
    assert torch.allclose(mean[0, :, 0, 0], image[0, :, :3, :3].mean((1, 2)), atol=1e-6)
    assert torch.allclose(box_mean(image, 50), image.mean((2, 3), True).expand_as(image), atol=1e-6)


@pytest.mark.parametrize("side", [120, 1100])
def test_edges_follow_the_photograph(side: int) -> None:
    photo = torch.full((1, 3, side, side), 0.2)
    photo[..., side // 2 :] = 0.8
    photo = photo + 0.01 * noise(side, side)
    coarse = torch.zeros(1, 1, 24, 24)
    coarse[..., 13:] = 1  # a twelfth too far to the right, and as coarse as that
    mask = follow_edges(coarse, photo, 0.1)
    assert mask.shape == (1, 1, side, side)
    middle = slice(side // 4, 3 * side // 4)
    assert mask[..., middle, : side // 2 - side // 50].max() < 0.25
    assert mask[..., middle, side // 2 + side // 12 :].min() > 0.7
    step = mask[..., side // 2 + side // 50] - mask[..., side // 2 - side // 50]
    assert step.mean() > 0.5


# --- clusters ---------------------------------------------------------------------------------


def test_clusters_go_from_dark_to_light_and_cover_everything() -> None:
    photo = torch.zeros(1, 3, 60, 90)
    photo[..., 30:60] = torch.tensor([0.8, 0.2, 0.1]).view(1, 3, 1, 1)
    photo[..., 60:] = 0.95
    photo = (photo + 0.02 * noise(60, 90)).clamp(0, 1)
    masks = [find_cluster(photo, number, 3) for number in (1, 2, 3)]
    for index, mask in enumerate(masks):
        inside = slice(30 * index + 5, 30 * index + 25)
        assert mask[..., inside].mean() > 0.95
        assert mask.mean() < 0.4
    assert (torch.stack(masks).sum(0) - 1).abs().max() < 0.05
    assert torch.equal(masks[1], find_cluster(photo, 2, 3))


def test_few_colours_leave_groups_empty() -> None:
    labels, centres = group(torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(20, 1), 4)
    assert centres.shape == (4, 2)
    assert len(labels.unique()) == 2
    assert (labels[::2] == labels[0]).all()


# --- faces ------------------------------------------------------------------------------------


def test_the_astronauts_face_is_found(astronaut: Tensor) -> None:
    (face,) = detect_faces(astronaut)
    assert 0.40 < face.left + face.width / 2 < 0.48
    assert 0.18 < face.top + face.height / 2 < 0.26
    mask = find_faces(astronaut)
    assert mask is not None
    assert mask.shape == (1, 1, 512, 512)
    assert mask[0, 0, 110, 225] == 1
    assert mask[0, 0, 40, 225] > 0.3  # hair
    assert mask[0, 0, 330:].max() == 0
    assert 0.03 < mask.mean() < 0.15


def test_the_mask_scales_with_the_picture(astronaut: Tensor) -> None:
    small = torch.nn.functional.avg_pool2d(astronaut, 2)
    large, half = find_faces(astronaut), find_faces(small)
    assert large is not None
    assert half is not None
    shrunk = torch.nn.functional.avg_pool2d(large, 2)
    assert (shrunk - half).abs().mean() < 0.02


def test_cats_and_cups_have_no_faces() -> None:
    for picture in (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()):
        assert find_faces(to_tensor(picture)) is None


def test_an_ellipse_is_soft_and_longer_than_wide() -> None:
    mask = draw_faces([Face(0.4, 0.4, 0.2, 0.2)], (200, 200))[0, 0]
    assert mask[100, 100] == 1
    assert ((mask > 0.1) & (mask < 0.9)).sum() > 300
    wide, high = (mask > 0.5).any(0).sum(), (mask > 0.5).any(1).sum()
    assert high > 1.25 * wide
    assert (mask[1:] - mask[:-1]).abs().max() < 0.2


# --- people -----------------------------------------------------------------------------------


def disc(centre: tuple[float, float], radius: float, peak: float = 1.0) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    away = ((y - centre[0]).square() + (x - centre[1]).square()).sqrt()
    return (peak * ((radius - away) / 6 + 0.5).clamp(0, 1))[None, None]


def test_the_network_sees_a_square_and_its_answer_is_put_back() -> None:
    seen: list[Tensor] = []

    def segment(picture: Tensor) -> Tensor:
        seen.append(picture)
        return disc((128, 192), 30)

    photo = noise(100, 200) * 0.2 + 0.4
    mask = find_people(photo, segment)
    assert seen[0].shape == (1, 3, SIDE, SIDE)
    assert seen[0][:, :, :64].max() == 0  # beyond the photograph
    assert seen[0][:, :, 70:180].min() > 0.3
    assert mask is not None
    assert mask.shape == (1, 1, 100, 200)
    rows, columns = torch.meshgrid(torch.arange(100.0), torch.arange(200.0), indexing="ij")
    weights = mask[0, 0] / mask.sum()
    assert abs(float((rows * weights).sum()) - 50) < 3
    assert abs(float((columns * weights).sum()) - 150) < 3


def test_specks_and_doubts_are_nobody() -> None:
    photo = noise(64, 64)
    assert find_people(photo, lambda _: disc((100, 100), 3)) is None
    assert find_people(photo, lambda _: disc((100, 100), 60, peak=0.7)) is None
    assert find_people(photo, lambda _: torch.zeros(1, 1, SIDE, SIDE)) is None


def test_people_and_background_are_one_search(astronaut: Tensor) -> None:
    calls = []

    def segment(picture: Tensor) -> Tensor:
        calls.append(picture)
        return disc((128, 128), 60)

    finder = MaskFinder(astronaut, "astronaut", segment=segment)
    people, background = (finder.find(parse_mask_name(n)) for n in ("people", "background"))
    assert torch.equal(people + background, torch.ones_like(people))
    assert len(calls) == 1


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no network" * 100)
    with pytest.raises(WeightsError, match="not a network"):
        open_network(path)


@pytest.mark.skipif(not Path(NETWORK).is_file(), reason="IMPASTO_PEOPLE_NETWORK names no file")
def test_the_published_network_finds_the_astronaut(astronaut: Tensor) -> None:
    mask = find_people(astronaut, open_network(Path(NETWORK)))
    assert mask is not None
    assert mask[0, 0, 110, 225] > 0.95
    assert mask[0, 0, 300, 150] > 0.95  # the orange suit
    assert mask[0, 0, 60, 330] < 0.05  # the wall
    assert 0.35 < mask.mean() < 0.65


# --- sky --------------------------------------------------------------------------------------


def test_a_sky_ends_at_the_skyline() -> None:
    photo, truth = landscape()
    mask = find_sky(photo)
    assert mask is not None
    assert (mask - truth).abs().mean() < 0.03


def test_a_night_sky_behind_towers() -> None:
    mask = find_sky(to_tensor(skimage.data.rocket()))
    assert mask is not None
    assert mask[0, 0, 60:200, 100:280].mean() > 0.9
    assert mask[0, 0, 60:340, 322:328].mean() < 0.3  # the rocket
    assert mask[0, 0, 410:].mean() < 0.1


@pytest.mark.parametrize("name", ["chelsea", "coffee", "noise", "flat"])
def test_no_sky_is_found_where_there_is_none(name: str) -> None:
    pictures = {"noise": noise(80, 120), "flat": torch.full((1, 3, 80, 120), 0.5)}
    photo = pictures[name] if name in pictures else to_tensor(getattr(skimage.data, name)())
    finder = MaskFinder(photo, name)
    with pytest.raises(ImageError, match=f"No sky found in {name}"):
        finder.find(parse_mask_name("ground"))


# --- names among files ------------------------------------------------------------------------


class Halves:
    """Finds the left half as anything, and no sky."""

    def seek(self, name: MaskName) -> Tensor | None:
        mask = torch.zeros(1, 1, 10, 20)
        mask[..., :10] = 1
        return None if name.kind == "sky" else 1 - mask if name.inverted else mask

    def find(self, name: MaskName) -> Tensor:
        mask = self.seek(name)
        assert mask is not None
        return mask


def test_names_and_pictures_mix_and_the_rest_is_what_they_leave() -> None:
    given = Picture(torch.zeros(1, 3, 5, 10))
    given.pixels[..., 7:] = 1
    people, file, rest = find_masks(["people", given, "rest"], lambda one: one, Halves())
    assert file is given
    assert people.name == "people"
    wanted = [0] * 10 + [1] * 4 + [0] * 6
    assert torch.allclose(read_mask(rest)[0, 0, 5, 2:].round(), torch.tensor(wanted[2:]).float())


def test_protection_multiplies() -> None:
    faces, people = find_protection(["faces", "not-people:0.5"], Halves())
    strength = spare([faces, people], None)
    assert strength is not None
    assert strength[..., :10].max() == 0
    assert (strength[..., 10:] == 0.5).all()
    both = spare([people], torch.full((1, 1, 5, 10), 0.5))
    assert both is not None
    assert both[0, 0, 5, 2].item() == pytest.approx(0.5, abs=1e-4)
    assert both[0, 0, 5, 17].item() == pytest.approx(0.25, abs=1e-4)
    assert spare([], None) is None


def test_what_is_not_there_needs_no_protection() -> None:
    (sky,) = find_protection("sky", Halves())
    assert "not found" in sky.notes[0]
    strength = spare([sky], None)
    assert strength is not None
    assert strength.min() == 1
    assert sky.describe() == {"automatic": "sky", "version": "1"}


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, astronaut: Tensor) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(libraries.importlib, "import_module", missing)
    for name, title in (("faces", "OpenCV"), ("people", "OpenCV"), ("sky", "scikit-image")):
        with pytest.raises(ConfigError, match=rf"need {title}: pip install 'impasto\[masks\]'"):
            MaskFinder(landscape()[0], "x").seek(parse_mask_name(name))
