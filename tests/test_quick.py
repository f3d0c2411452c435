"""Painting in one pass: strength, several styles, masks, tiles."""

import pytest
import torch

from fast_networks import SIZES, find_encoder, make_network
from impasto.errors import ConfigError, MemoryBudgetError
from impasto.networks import Ledger, build_network
from impasto.networks.blocks import reflect
from impasto.pyramid import resize
from impasto.quick import (
    describe_itself,
    describes,
    fades,
    find_room,
    paint_quickly,
    paint_tiles,
    pass_through,
    take_statistics,
)
from impasto.regions import Guidance, Region, StylePart, pair_masks
from impasto.tiles import cut_evenly

KINDS = tuple(SIZES)


def wish_of(network, kind, style, number=0):
    if describes(network):
        return network.describe(style if not number else style.flip(1))
    return torch.eye(SIZES[kind]["styles"])[[min(number, SIZES[kind]["styles"] - 1)]]


@pytest.fixture(scope="module")
def large(photo):
    return resize(photo, (136, 203))


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_the_whole_to_rounding(kind, large, style):
    network = make_network(kind)
    wish = wish_of(network, kind, style)
    ledger = Ledger()
    whole = network(large, wish, ledger)
    tiled = paint_tiles(network, large, wish, ledger.entries, 64)
    assert (tiled - whole).abs().max() < 1e-4
    assert whole.std() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_reach_is_as_far_as_a_network_sees(kind, style):
    network = make_network(kind)
    wish = wish_of(network, kind, style)
    generator = torch.Generator().manual_seed(1)
    one = torch.rand((1, 3, 32, 448), generator=generator)
    other = one.clone()
    other[..., :192] = torch.rand((1, 3, 32, 192), generator=generator)
    ledger = Ledger()
    changed = network(one, wish, ledger) - network(other, wish, Ledger(ledger.entries))
    far = int((changed.abs().amax((0, 1, 2)) > 1e-6).nonzero().max()) - 191
    assert 0 < far <= network.reach
    assert network.reach - far <= 2 * network.stride + 8


@pytest.mark.parametrize("kind", ["johnson", "micro"])
def test_no_seam_where_statistics_are_estimated(kind, large, style):
    network = make_network(kind)
    wish = wish_of(network, kind, style)
    painted = pass_through(network, large, wish, 64)

    def measure_steps(picture):
        return (picture[..., 1:] - picture[..., :-1]).abs().mean((0, 1, 2))

    # The network's own strokes have steps too: those of the whole at the same places.
    steps, usual = measure_steps(painted), measure_steps(pass_through(network, large, wish))
    borders = [tile.columns.start - 1 for tile in cut_evenly((136, 203), 64, 8, 8)]
    places = [place for place in borders if place >= 0]
    assert (steps[places] < 1.5 * usual[places]).all()


def test_a_copy_has_nearly_the_statistics_of_the_whole(large, style):
    network = make_network("micro")
    wish = network.describe(style)
    exact = Ledger()
    network(large, wish, exact)
    for side, most in ((512, 1e-6), (64, 0.5)):
        found = take_statistics(network, large, wish, side).entries
        pairs = zip(found, exact.entries, strict=True)
        ratios = torch.cat([(one[1] / other[1]).log().abs().flatten() for one, other in pairs])
        assert ratios.mean() <= most


def test_strength_of_adain_is_its_equation(photo, style):
    network = build_network("adain", find_encoder, {}).requires_grad_(False).eval()
    content = resize(photo, (48, 64))
    painted = paint_quickly(network, content, [network.describe(style)], strength=0.4)
    seen = network.encode(reflect(content, network.margin))
    mean, deviation = network.describe(style)[..., None, None].chunk(2, dim=1)
    own_mean = seen.mean((2, 3), keepdim=True)
    own = (seen.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    styled = (seen - own_mean) / own * deviation + mean
    wanted = network.decoder(0.6 * seen + 0.4 * styled).clamp(0, 1)
    assert network.margin == 16
    assert torch.allclose(painted, wanted[..., 16:-16, 16:-16], atol=1e-4)


@pytest.mark.parametrize("kind", ["dumoulin", "micro", "ghiasi"])
def test_strength(kind, photo, style):
    network = make_network(kind)
    wish = wish_of(network, kind, style)
    whole, half, none = (
        paint_quickly(network, photo, [wish], strength=strength) for strength in (1, 0.5, 0)
    )
    assert not torch.allclose(whole, half, atol=1e-3)
    if fades(network):
        own = network(photo, describe_itself(network, photo)).clamp(0, 1)
        assert torch.allclose(none, own, atol=1e-5)
    else:
        assert torch.equal(none, photo)
        inside = (whole > 0) & (whole < 1)
        assert torch.allclose(half[inside], ((whole + photo) / 2)[inside], atol=1e-2)


def test_shares_mix_wishes(photo):
    network = make_network("dumoulin")
    wishes = list(torch.eye(2)[:, None])
    guidance = Guidance(pair_masks(2, (), (), (3, 1)))
    mixed = paint_quickly(network, photo, wishes, guidance=guidance)
    wanted = network(photo, torch.tensor([[0.75, 0.25]])).clamp(0, 1)
    assert torch.allclose(mixed, wanted, atol=1e-6)


def test_masks(photo):
    network = make_network("dumoulin")
    wishes = list(torch.eye(2)[:, None])
    left = torch.zeros(1, 1, *photo.shape[-2:])
    left[..., :20] = 1
    middle = torch.zeros_like(left)
    middle[..., 20:40] = 1
    guidance = Guidance(pair_masks(2, (left, middle)))
    painted = paint_quickly(network, photo, wishes, guidance=guidance)
    one, other = (network(photo, wish).clamp(0, 1) for wish in wishes)
    assert torch.allclose(painted[..., :15], one[..., :15], atol=1e-5)
    assert torch.allclose(painted[..., 25:38], other[..., 25:38], atol=1e-5)
    assert torch.equal(painted[..., 42:], photo[..., 42:])
    edge = painted[..., 20]
    assert not torch.allclose(edge, one[..., 20], atol=1e-3)
    assert not torch.allclose(edge, other[..., 20], atol=1e-3)


def test_strength_map_leaves_the_photograph(photo):
    network = make_network("johnson")
    strength = torch.ones(1, 1, *photo.shape[-2:])
    strength[..., :10] = 0
    guidance = Guidance(pair_masks(1, ()), strength)
    painted = paint_quickly(network, photo, [torch.ones(1, 1)], guidance=guidance)
    assert torch.equal(painted[..., :10], photo[..., :10])
    assert not torch.allclose(painted[..., 10:], photo[..., 10:], atol=0.05)


def test_parts_of_styles_are_refused(photo):
    part = StylePart(0, 1.0, torch.ones(1, 1, 8, 8))
    guidance = Guidance((Region(None, (part,)),))
    with pytest.raises(ConfigError, match="whole style pictures"):
        paint_quickly(make_network("johnson"), photo, [torch.ones(1, 1)], guidance=guidance)


def test_room():
    size = (3000, 4000)
    assert find_room("micro", None, 126, size, None).tile is None
    plenty = find_room("micro", None, 126, size, 2**35)
    assert plenty.tile is None
    little = find_room("micro", None, 126, size, plenty.needed - 2**30)
    assert little.tile is not None
    assert little.needed <= plenty.needed - 2**30
    assert find_room("johnson", 16, 58, size, 2**35).needed < plenty.needed * 2
    with pytest.raises(MemoryBudgetError, match="smaller --size"):
        find_room("adain", None, 100, size, 2**29)
