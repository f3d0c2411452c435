"""A photograph in the look of a picture: colours move, edges stay, regions keep apart."""

import pytest
import torch
from torch import Tensor

from impasto import photoreal
from impasto.colormodes import histogram_distance
from impasto.encoders.vgg import VGG
from impasto.metrics import edge_ssim
from impasto.photoreal import fit_look, transfer_look
from impasto.pyramid import resize
from impasto.regions import Guidance, Region, StylePart, pair_masks

EVERYWHERE = Guidance(pair_masks(1, ()))


def fill(*color: float, noise: float = 0.1) -> Tensor:
    grain = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0)) - 0.5
    return (torch.tensor(color).view(1, 3, 1, 1) + noise * grain).clamp(0, 1)


def halves() -> tuple[Tensor, Tensor]:
    left = torch.zeros(1, 1, 80, 64)
    left[..., :32] = 1
    return left, 1 - left


def take(photo: Tensor, styles: list[Tensor], encoder: VGG, guidance: Guidance) -> Tensor:
    return transfer_look(photo, fit_look(photo, styles, encoder, guidance))


def mean(image: Tensor) -> Tensor:
    return image.mean((0, 2, 3))


def test_colours_arrive_and_edges_stay(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    found = take(photo, [style], vgg19, EVERYWHERE)
    assert histogram_distance(found, style) < 0.5 * histogram_distance(photo, style)
    assert edge_ssim(found, photo) > 0.85


def test_no_texture_of_the_painting_enters(photo: Tensor, vgg19: VGG) -> None:
    calm, coarse = fill(0.6, 0.3, 0.2, noise=0.0), fill(0.6, 0.3, 0.2, noise=0.8)
    found = [take(photo, [style], vgg19, EVERYWHERE) for style in (calm, coarse)]
    assert edge_ssim(found[1], photo) > 0.8
    assert (mean(found[0]) - mean(found[1])).abs().max() < 0.1


def test_each_region_takes_its_own_style(photo: Tensor, vgg19: VGG) -> None:
    red, blue = fill(0.8, 0.2, 0.2), fill(0.2, 0.2, 0.8)
    found = take(photo, [red, blue], vgg19, Guidance(pair_masks(2, halves())))
    for part, style in ((found[..., :24], red), (found[..., 40:], blue)):
        assert (mean(part) - mean(style)).abs().max() < 0.1


def test_a_part_of_a_style_can_be_looked_at(photo: Tensor, vgg19: VGG) -> None:
    style = torch.cat([fill(0.8, 0.2, 0.2), fill(0.2, 0.2, 0.8)], dim=3)
    mask = torch.zeros(1, 1, 64, 128)
    mask[..., 64:] = 1
    found = take(photo, [style], vgg19, Guidance(pair_masks(1, (), [mask])))
    assert (mean(found) - mean(fill(0.2, 0.2, 0.8))).abs().max() < 0.1


def test_shares_of_styles_are_heard(photo: Tensor, vgg19: VGG) -> None:
    styles = [fill(0.8, 0.2, 0.2), fill(0.2, 0.2, 0.8)]
    for shares in ((1.0, 0.0), (3.0, 1.0)):
        guidance = Guidance(pair_masks(2, (), (), shares))
        found = mean(take(photo, styles, vgg19, guidance))
        assert float(found[0] - found[2]) == pytest.approx(
            0.6 * (shares[0] - shares[1]) / sum(shares), abs=0.12
        )


def test_what_no_mask_covers_stays_the_photograph(photo: Tensor, vgg19: VGG) -> None:
    left, _ = halves()
    guidance = Guidance((Region(left, (StylePart(0),)),))
    found = take(photo, [fill(0.8, 0.2, 0.2)], vgg19, guidance)
    assert (found[..., 33:] - photo[..., 33:]).abs().max() < 1e-5
    assert (found[..., :31] - photo[..., :31]).abs().mean() > 0.1


def test_strength_goes_from_the_photograph_to_the_look(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    fields = [fit_look(photo, [style], vgg19, EVERYWHERE, s) for s in (0.05, 0.5, 1.0, 3.0)]
    away = [float((transfer_look(photo, one) - photo).abs().mean()) for one in fields]
    assert away[0] < 0.1 * away[2]
    assert 0.3 * away[2] < away[1] < 0.7 * away[2]
    assert away[3] == away[2]


def test_large_photographs_look_like_small_ones(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    field = fit_look(photo, [style], vgg19, EVERYWHERE)
    small, large = transfer_look(photo, field), transfer_look(resize(photo, (320, 256)), field)
    assert large.shape == (1, 3, 320, 256)
    assert (resize(large, (80, 64)) - small).abs().mean() < 0.02


def test_likeness_decides_which_colours_go_where(vgg19: VGG) -> None:
    """Stripes get the colours of stripes, although all are equally grey in the photograph."""
    stripes = torch.zeros(1, 1, 96, 48)
    stripes[..., ::8, :] = stripes[..., 1::8, :] = stripes[..., 2::8, :] = 1
    stripes[..., 3::8, :] = 1
    plain = torch.full_like(stripes, 0.5)
    photo = torch.cat([stripes, plain], dim=3).expand(1, 3, 96, 96) * 0.4 + 0.3
    red, blue = torch.tensor([0.8, 0.3, 0.3]), torch.tensor([0.3, 0.3, 0.8])
    style = torch.cat(
        [
            plain * blue.view(1, 3, 1, 1) * 2,
            (0.6 + 0.8 * stripes) * red.view(1, 3, 1, 1),
        ],
        dim=3,
    ).clamp(0, 1)
    found = take(photo, [style], vgg19, EVERYWHERE)
    warm = (found[:, 0] - found[:, 2]).mean((0, 1))
    assert float(warm[:40].mean()) > float(warm[56:].mean()) + 0.2


def test_transport_uses_every_colour_as_much_as_it_is_there() -> None:
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand((30, 20), generator=generator, dtype=torch.float64)
    own, other = (torch.rand(n, generator=generator, dtype=torch.float64) for n in (30, 20))
    own, other = own / own.sum(), other / other.sum()
    plan = photoreal._transport(cost, own, other)
    assert torch.allclose(plan.sum(1), torch.ones(30, dtype=torch.float64))
    assert torch.allclose(own @ plan, other, atol=1e-3)


def test_the_way_of_colours_reaches_mean_and_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand((500, 3), generator=generator, dtype=torch.float64)
    wanted = torch.rand((400, 3), generator=generator, dtype=torch.float64) @ torch.tensor(
        [[0.5, 0.1, 0.0], [0.2, 0.6, 0.1], [0.0, 0.1, 0.9]], dtype=torch.float64
    )
    weights, others = (torch.full((n,), 1 / n, dtype=torch.float64) for n in (500, 400))
    goal = photoreal._measure(wanted, others)
    matrix, shift = photoreal._find_way(photoreal._measure(colors, weights), goal)
    found = photoreal._measure(colors @ matrix.mT + shift, weights)
    for one, other in zip(found, goal, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.allclose(matrix, matrix.mT)


def test_contrast_grows_no_further_than_noise_allows() -> None:
    flat = 0.5 + 0.001 * torch.randn((500, 3), generator=torch.Generator().manual_seed(0)).double()
    weights = torch.full((500,), 1 / 500, dtype=torch.float64)
    own, goal = (photoreal._measure(x, weights) for x in (flat, 100 * (flat - 0.5) + 0.5))
    matrix, _ = photoreal._find_way(own, goal)
    assert float(torch.linalg.eigvalsh(matrix).max()) <= photoreal._GAIN + 1e-9
