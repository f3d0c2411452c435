"""Style pictures as they are looked at: copies that vary them, and who speaks for which layer."""

import pytest
import torch
from torch import Tensor

from impasto.color import match_colors
from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.objective import build_objective
from impasto.painting import paint
from impasto.palettes import measure_palette
from impasto.pyramid import resize
from impasto.regions import StylePart, pair_masks
from impasto.statistics import Moments, blend_moments
from impasto.swatches import choose_parts, collect_swatch, continue_beyond, make_copies
from impasto.targets import measure_styles

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"]


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 12, 12), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


def stripes(size: int) -> Tensor:
    """Diagonal strokes that all rise to the right."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (0.5 + 0.5 * torch.sin((x + y) / 2.0)).expand(1, 3, -1, -1).contiguous()


def distance(one: Moments, other: Moments) -> float:
    return float((one.second - other.second).norm() / other.second.norm())


def test_copies_are_counted_and_carry_their_masks() -> None:
    picture, mask = draw(20, 32, 1), torch.rand(1, 1, 20, 32)
    for augment, count in (((), 1), (("mirror",), 2), (("rotate",), 4), (("mirror", "rotate"), 8)):
        copies = list(make_copies(picture, [mask, None], augment, 10))
        assert len(copies) == count
        assert torch.equal(copies[0][0], picture)
        # What a mask covers is the same colour in every copy.
        wanted = (picture * mask).sum((2, 3))
        for copy, (own, none) in copies:
            assert none is None
            assert own is not None
            torch.testing.assert_close((copy * own).sum((2, 3)), wanted)
        assert len({tuple(copy.flatten().tolist()) for copy, _ in copies}) == count


def test_continuing_counts_only_what_was_there() -> None:
    picture, mask = draw(20, 32, 1), torch.rand(1, 1, 20, 32)
    wide, (inside, masked) = continue_beyond(picture, [None, mask], 500)
    assert wide.shape == (1, 3, 20 + 2 * 19, 32 + 2 * 31)
    assert inside is not None
    assert masked is not None
    assert inside.sum() == 20 * 32
    torch.testing.assert_close(masked.sum(), mask.sum())
    assert torch.equal(wide[..., 19:39, 31:63], picture)
    assert torch.equal(wide[..., 19:39, 30], picture[..., 1])


def test_mirrored_strokes_have_no_direction(vgg19: VGG) -> None:
    picture = stripes(64)

    def look(image: Tensor, *augment: str) -> Moments:
        return collect_swatch(vgg19, image, LAYERS, 512, [None], augment)[0]["relu3_1"]

    plain = distance(look(picture), look(picture.flip(3)))
    mirrored = distance(look(picture, "mirror"), look(picture.flip(3), "mirror"))
    assert plain > 0.2
    assert mirrored < 1e-4
    turned = torch.rot90(picture, 1, (2, 3))
    assert distance(look(picture, "rotate"), look(turned, "rotate")) < 1e-4
    both = blend_moments([look(picture), look(picture.flip(3))], [1, 1])
    assert distance(look(picture, "mirror"), both) < 1e-5


def test_a_tiled_swatch_is_seen_as_amid_more_of_the_same(style: Tensor, vgg19: VGG) -> None:
    cloth = torch.cat([style, style.flip(2)], dim=2)
    rows, columns = slice(50, 98), slice(30, 78)
    there = torch.zeros(1, 1, *cloth.shape[2:])
    there[..., rows, columns] = 1
    swatch = cloth[..., rows, columns]
    for layer in ("relu3_1", "relu4_1"):
        wanted = collect_swatch(vgg19, cloth, [layer], 512, [there])[0][layer]
        plain = collect_swatch(vgg19, swatch, [layer], 512, [None])[0][layer]
        tiled = collect_swatch(vgg19, swatch, [layer], 512, [None], ["tile"])[0][layer]
        assert distance(tiled, wanted) < 0.9 * distance(plain, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("augment", [("mirror", "rotate"), ("tile",), ("mirror", "tile")])
def test_copies_are_the_same_in_tiles(vgg19: VGG, augment: tuple[str, ...]) -> None:
    picture, mask = draw(100, 130, 2), torch.rand(1, 1, 100, 130)
    whole = collect_swatch(vgg19, picture, LAYERS, 4096, [mask, None], augment)
    tiled = collect_swatch(vgg19, picture, LAYERS, 48, [mask, None], augment)
    for one, other in zip(whole, tiled, strict=True):
        for layer in LAYERS:
            assert distance(one[layer], other[layer]) < 1e-4


def test_who_speaks_for_a_layer() -> None:
    parts = [StylePart(0), StylePart(1), StylePart(2)]
    scales = ("coarse", "fine", "all")
    for stride, wanted in ((1, [1, 2]), (2, [1, 2]), (4, [0, 1, 2]), (8, [0, 2]), (16, [0, 2])):
        assert choose_parts(parts, scales, stride) == wanted
    assert choose_parts(parts[:1], scales, 1) == [0]  # else it would have no brushwork
    assert choose_parts([StylePart(0), StylePart(1, 0.0)], scales, 1) == [0, 1]


def test_shapes_and_brushwork_come_from_different_styles(vgg19: VGG) -> None:
    styles, size = [draw(90, 90, 3), draw(80, 100, 4)], (64, 48)
    regions = pair_masks(2, ())
    mixed = PaintConfig(style_scales=("coarse", "fine")).resolve()
    found = measure_styles(vgg19, mixed, styles, size, LAYERS, regions)
    alone = [
        measure_styles(vgg19, PaintConfig(), [style], size, LAYERS, pair_masks(1, ()))
        for style in styles
    ]
    wanted = [
        alone[1]["relu1_1"][0],
        alone[1]["relu2_1"][0],
        blend_moments([one["relu3_1"][0] for one in alone], [1, 1]),
        alone[0]["relu4_1"][0],
    ]
    for layer, source in zip(LAYERS, wanted, strict=True):
        assert distance(found[layer][0], source) < 1e-6


def test_each_style_has_strokes_of_its_own_size(vgg19: VGG) -> None:
    styles, size = [draw(90, 90, 3), draw(200, 200, 4)], (64, 48)
    config = PaintConfig(stroke_size=(1.0, 2.0), style_shares=(0, 1)).resolve()
    regions = pair_masks(2, (), (), config.style_shares)
    found = measure_styles(vgg19, config, styles, size, LAYERS, regions)
    broad = PaintConfig(stroke_size=2.0)
    wanted = measure_styles(vgg19, broad, styles[1:], size, LAYERS, pair_masks(1, ()))
    for layer in LAYERS:
        assert distance(found[layer][0], wanted[layer][0]) < 1e-6


def test_numbers_that_do_not_fit_the_styles_are_refused(vgg19: VGG) -> None:
    for settings in ({"stroke_size": (1, 2)}, {"style_scales": ("coarse", "fine")}):
        config = PaintConfig(**settings).resolve()
        with pytest.raises(ConfigError, match=r"2 .* for 1 styles; give one for each"):
            build_objective(vgg19, config, draw(64, 64, 1), [draw(64, 64, 2)], (64, 64))


def test_masks_that_are_equal_make_one_region() -> None:
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    regions = pair_masks(3, [left, 1 - left, left.clone()])
    assert [[part.style for part in region.parts] for region in regions] == [[0, 2], [1]]


def test_colours_come_with_the_shapes(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    red = style * torch.tensor([1, 0.3, 0.2]).view(1, 3, 1, 1)
    blue = style.flip(3) * torch.tensor([0.2, 0.3, 1]).view(1, 3, 1, 1)
    config = PaintConfig(size=64, scales=1, steps=(8,), strength=3, style_scales=("coarse", "fine"))
    grey = photo.mean(1, keepdim=True).expand_as(photo)
    *_, last = paint(grey, [red, blue], vgg19, config)
    picture = last.picture()
    assert (picture[:, 0] - picture[:, 2]).mean() > 0.05
    recolored = match_colors(blue, red)
    assert measure_palette(recolored).mean[1] > 0.02  # toward red in OkLab
