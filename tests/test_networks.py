"""Fast networks: any size in, the papers' equations inside, every weight learns."""

import pytest
import torch
import torch.nn.functional as F

from impasto.encoders import winograd
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ShapeError
from impasto.networks import NETWORKS, blocks, build_network
from impasto.networks.adain import adaptive_instance_norm
from impasto.networks.blocks import (
    EPSILON,
    Convolution,
    Ledger,
    convolve_enlarged,
    convolve_in_blocks,
    fit_stride,
    fold_squares,
    measure_instance,
    normalise,
    reflect,
    squash,
)
from impasto.networks.codes import CODE
from impasto.networks.johnson import StyleNormalisation
from impasto.networks.micro import Brush
from impasto.networks.msgnet import CoMatch
from impasto.networks.recolor import describe_colors, recolor

SMALL = {
    "johnson": {"width": 4, "blocks": 1},
    "dumoulin": {"styles": 3, "width": 4, "blocks": 1},
    "msgnet": {"width": 16, "blocks": 1},
    "adain": {},
    "ghiasi": {"bottleneck": 4, "width": 4, "blocks": 1},
    "micro": {"width": 4, "blocks": 1, "hidden": 8, "eye": 8, "grain": 6},
}
#: All networks, and AdaIN with a decoder that is told of the style, and its colours.
KINDS = (*NETWORKS, "adain told")
OWN = {"johnson": [[1.0]], "dumoulin": [[0.2, 0.3, 0.5]]}


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder(random_state):
    """With activations as large as Oxford's: AdaIN divides by what they usually are."""
    state = {
        name: tensor if name.endswith("weight") else torch.zeros_like(tensor)
        for name, tensor in random_state("vgg19").items()
    }
    return VGG("vgg19", state | {"features.0.weight": state["features.0.weight"] * 400})


@pytest.fixture(scope="module")
def build(encoder):
    def make(name, **numbers):
        torch.manual_seed(1)
        kind, *told = name.split()
        sizes = SMALL[kind] | ({"hidden": 4, "recolors": 1, "noise": 1} if told else {}) | numbers
        network = build_network(kind, lambda: encoder, sizes)
        if sizes.get("noise"):
            with torch.no_grad():
                network.predictor.stir.bias.fill_(0.1)
        return network

    return make


def tell(name, network, seed=3):
    """What a network is told of some style."""
    return (
        torch.tensor(OWN[name]) if name in OWN else network.describe(draw(1, 3, 40, 24, seed=seed))
    )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 7), (1, 1)])
def test_any_size(build, name, size):
    network = build(name)
    with torch.no_grad():
        painted = network(draw(2, 3, *size), tell(name, network))
    assert painted.shape == (2, 3, *size)
    assert painted.isfinite().all()


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_is_painted_picture_by_picture(build, name):
    network = build(name)
    photos = draw(2, 3, 24, 32)
    with torch.no_grad():
        wishes = torch.cat([tell(name, network), tell(name, network, 4)])
        both = network(photos, wishes)
        single = network(photos[1:], wishes[1:])
    assert torch.allclose(both[1:], single, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_learns(build, name):
    network = build(name)
    wish = tell(name, network)
    painted = network(draw(2, 3, 32, 32), wish)
    (painted - draw(2, 3, 32, 32, seed=8)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # A shift before normalisation has no effect, and rightly no slope.
        if parameter.ndim > 1:
            assert parameter.grad.any(), key


@pytest.mark.parametrize("name", KINDS)
def test_a_piece_is_painted_as_in_the_whole(build, name):
    network = build(name)
    whole = draw(1, 3, 128, 32) * torch.linspace(0.2, 1, 128)[:, None]
    with torch.no_grad():
        wish = tell(name, network)
        written = Ledger()
        painted = network(whole, wish, written)
        again = network(whole, wish, Ledger(written.entries))
        piece = network(whole[..., :96, :], wish, Ledger(written.entries))
        alone = network(whole[..., :96, :], wish)
    assert torch.allclose(again, painted, atol=1e-6)
    assert torch.allclose(piece[..., :16, :], painted[..., :16, :], atol=2e-4)
    assert not torch.allclose(alone[..., :16, :], painted[..., :16, :], atol=2e-4)


def test_grain_lies_on_the_whole_and_not_on_pieces(build):
    network = build("micro", grain=20)
    whole = draw(1, 3, 128, 48)
    with torch.no_grad():
        wish, written = tell("micro", network), Ledger()
        painted = network(whole, wish, written)[..., 88:, :]
        there = network(whole[..., 24:, :], wish, Ledger(written.entries, (24, 0)))[..., 64:, :]
        anywhere = network(whole[..., 24:, :], wish, Ledger(written.entries))[..., 64:, :]
    assert torch.allclose(there, painted, atol=2e-4)
    assert not torch.allclose(anywhere, painted, atol=2e-3)


def test_noise_lies_on_the_whole_and_not_on_pieces(build):
    network = build("adain told", recolors=0).eval()
    with torch.no_grad():
        network.predictor.stir.bias.fill_(0.5)
        whole = draw(1, 3, 192, 64)
        wish, written = tell("adain told", network), Ledger()
        painted = network(whole, wish, written)[..., 144:, :]
        there = network(whole[..., 40:, :], wish, Ledger(written.entries, (40, 0)))[..., 104:, :]
        anywhere = network(whole[..., 40:, :], wish, Ledger(written.entries))[..., 104:, :]
    assert torch.allclose(there, painted, atol=1e-3)
    assert not torch.allclose(anywhere, painted, atol=1e-2)


def test_noise_begins_with_nothing(build, encoder):
    """A network without noise goes on from where it was."""
    plain = build("adain told", noise=0)
    stirred = build_network("adain", lambda: encoder, {"hidden": 4, "recolors": 1, "noise": 1})
    missing = stirred.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == ["predictor.stir.weight", "predictor.stir.bias"]
    photo = draw(1, 3, 32, 40)
    with torch.no_grad():
        wish = tell("adain told", plain)
        assert torch.equal(stirred(photo, wish), plain(photo, wish))


def test_the_same_crop_has_the_same_noise_and_others_another(build):
    network = build("adain told").train()
    with torch.no_grad():
        network.predictor.stir.bias.fill_(0.5)
        crop = draw(1, 3, 64, 64) * 0.004 + 0.5
        wish = tell("adain told", network)
        one, again = network(crop, wish), network(crop.clone(), wish)
        other = network(crop + 3 / 255, wish)
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=0.01)


def test_noise_needs_a_predictor(encoder):
    with pytest.raises(ConfigError, match="--hidden"):
        build_network("adain", lambda: encoder, {"noise": 1})


def test_a_decoder_knows_its_strides(build):
    assert build("adain").decoder.strides == [8, 4, 4, 4, 4, 2, 2, 1, 1]


def test_an_adain_gives_the_styles_colours(build):
    network = build("adain told")
    style = draw(1, 3, 40, 24) * torch.tensor([0.2, 0.5, 1.0]).view(3, 1, 1)
    with torch.no_grad():
        wish = network.describe(style)
        painted = network(draw(1, 3, 48, 48), wish)
    assert wish.shape == (1, 1024 + CODE + 6)
    assert torch.allclose(painted.mean(dim=(2, 3)), style.mean(dim=(2, 3)), atol=1e-3)


def test_a_finished_adain_shows_no_border(build):
    """What VGG-19 sees beyond a picture lies outside of what is painted."""
    network = build("adain").eval()
    picture = draw(1, 3, 48, 64)
    with torch.no_grad():
        painted = network(picture, tell("adain", network))
        wide = reflect(picture, 16)
        around = network.train()(wide, tell("adain", network))
    assert painted.shape == picture.shape
    assert torch.allclose(painted, around[..., 16:-16, 16:-16], atol=1e-5)


def test_a_decoder_has_the_statistics_that_it_is_told(build):
    network, found = build("adain told", noise=0), []
    content = network.encode(draw(1, 3, 32, 48, seed=5))
    wish = network.describe(draw(1, 3, 40, 24))
    told = network.predictor.divide(network.predictor(wish[:, 1024 : 1024 + CODE]))

    def finish(number, x):
        x = adaptive_instance_norm(x, told[number])
        found.append(torch.cat(measure_instance(x), dim=1).flatten(1))
        return x

    with torch.no_grad():
        wanted = network.decoder(content, finish)
        assert torch.allclose(network.decode(content, wish), wanted, atol=1e-6)
        assert not torch.allclose(network.decoder(content), wanted, atol=1e-2)
    assert len(found) == len(told) == 8
    for mine, theirs in zip(found, told, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-2)


def test_adain_equation_8():
    x, style = draw(2, 5, 6, 7), draw(1, 10, seed=1)
    mean, deviation = x.mean((2, 3)), (x.var((2, 3), correction=0) + EPSILON).sqrt()
    for b in range(2):
        for c in range(5):
            wanted = style[0, 5 + c] * (x[b, c] - mean[b, c]) / deviation[b, c] + style[0, c]
            assert torch.allclose(adaptive_instance_norm(x, style)[b, c], wanted, atol=1e-5)


def test_conditional_instance_norm():
    norm, x = StyleNormalisation(2, 5), draw(1, 5, 6, 7)
    with torch.no_grad():
        norm.scale.copy_(draw(2, 5, seed=1))
        norm.shift.copy_(draw(2, 5, seed=2))
        plain = (x - x.mean((2, 3), keepdim=True)) / (
            x.var((2, 3), correction=0, keepdim=True) + EPSILON
        ).sqrt()
        wanted = norm.scale[1][:, None, None] * plain + norm.shift[1][:, None, None]
        assert torch.allclose(norm(x, torch.tensor([[0.0, 1.0]]), None), wanted, atol=1e-5)
        mixed = norm.scale.mean(0)[:, None, None] * plain + norm.shift.mean(0)[:, None, None]
        assert torch.allclose(norm(x, torch.tensor([[0.5, 0.5]]), None), mixed, atol=1e-5)


def test_comatch_equation_5():
    layer, x, gram = CoMatch(4), draw(2, 4, 3, 5), draw(2, 4, 4, seed=1)
    gram = gram + gram.mT
    wanted = torch.einsum("bkp,kl,blc->bcp", x.flatten(2), layer.weight, gram)
    assert torch.allclose(layer(x, gram).flatten(2), wanted, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
def test_kernels_of_zero_only_normalise(kernel):
    brush, x = Brush(4, kernel), draw(2, 4, 5, 6)
    assert torch.allclose(brush(x, torch.zeros(2, brush.count), None), normalise(x), atol=1e-6)


def test_a_predicted_kernel_filters_its_channel():
    brush, x = Brush(2, 3), draw(1, 2, 5, 6)
    wishes = torch.zeros(1, brush.count)
    wishes[0, 1] = 0.5  # shift of the second channel
    wishes[0, 2 + 9 + 3] = 2.0  # its kernel: the neighbour to the left
    plain = normalise(x)
    wanted = plain[:, 1] + 0.5 + 2 * reflect(plain, 1)[:, 1, 1:-1, :-2]
    painted = brush(x, wishes, None)
    assert torch.allclose(painted[:, 1], wanted, atol=1e-5)
    assert torch.allclose(painted[:, 0], plain[:, 0], atol=1e-6)


def test_strides_are_filled_by_reflection():
    x = torch.arange(5.0).expand(1, 1, 4, 5)
    assert fit_stride(x, 4)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert fit_stride(x[..., :4], 4) is not None
    assert fit_stride(torch.ones(1, 1, 1, 1), 8).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("border", [1, 2, 3])
@pytest.mark.parametrize("size", [(2, 3, 5, 7), (1, 8, 9, 4), (3, 1, 4, 4), (1, 4, 2, 9)])
def test_borders_are_reflections_whatever_the_layout(border, size):
    x = draw(*size)
    mode = "reflect" if min(size[2:]) > border else "replicate"
    aim = F.pad(x, (border,) * 4, mode)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(reflect(x.contiguous(memory_format=layout), border), aim)
    learning = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    (slope,) = torch.autograd.grad(reflect(learning, border).square().sum() / 2, learning)
    copies = F.pad(torch.ones_like(x), (border,) * 4, mode).sum() / x.numel()
    assert slope.sum() == pytest.approx(float(aim.sum()), rel=1e-4)
    assert copies > 1


def test_squares_become_channels():
    x = draw(2, 3, 6, 8)
    for layout in (torch.contiguous_format, torch.channels_last):
        folded = fold_squares(x.contiguous(memory_format=layout))
        assert torch.equal(folded, F.pixel_unshuffle(x, 2))
        assert folded.is_contiguous(memory_format=torch.channels_last)


def test_the_range_is_a_scaled_tanh():
    x = torch.linspace(-20, 20, 101)
    assert torch.allclose(squash(x), 0.5 + 0.55 * torch.tanh(x), atol=1e-6)


def test_what_cannot_be_built(encoder):
    with pytest.raises(ConfigError, match=r"choose from johnson"):
        build_network("gan", lambda: encoder, {})
    with pytest.raises(ConfigError, match="16, 24"):
        build_network("msgnet", lambda: encoder, {"width": 8})
    with pytest.raises(ConfigError, match="does not take"):
        build_network("johnson", lambda: encoder, {"hidden": 3})


def test_shares_must_fit(build):
    with pytest.raises(ShapeError, match=r"\(1, 3\)"):
        build("dumoulin")(draw(1, 3, 8, 8), torch.ones(1, 2))
    with pytest.raises(ShapeError, match="code"):
        build("micro")(draw(1, 3, 8, 8), torch.ones(1, 2))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("size", "factor"), [((5, 7), 2), ((1, 1), 2), ((4, 3), 3)])
def test_enlarging_within_a_convolution_changes_nothing(mode, kernel, size, factor):
    torch.manual_seed(2)
    layer, x = Convolution(3, 4, kernel), draw(2, 3, *size).requires_grad_()
    large = F.interpolate(x, scale_factor=factor, mode=mode)
    around = F.pad(large, (kernel // 2,) * 4, "replicate")
    wanted = F.conv2d(around, layer.weight, layer.bias)
    smooth = mode == "bilinear"
    found = convolve_enlarged(layer, x, factor, smooth=smooth)
    assert torch.allclose(found, wanted, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(convolve_enlarged(layer, x, factor, smooth=smooth), found, atol=1e-5)
    weights = (x, layer.weight, layer.bias)
    slope = draw(*wanted.shape, seed=5)
    for one, other in zip(
        torch.autograd.grad(found, weights, slope),
        torch.autograd.grad(wanted, weights, slope),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("kind", ["johnson", "micro", "adain", "msgnet", "ghiasi"])
def test_a_network_enlarges_as_its_number_says(build, kind):
    torch.manual_seed(1)
    smooth = build(kind)
    torch.manual_seed(1)
    plain = build(kind, smooth=0)
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            smooth.state_dict().values(), plain.state_dict().values(), strict=True
        )
    )
    photo = draw(1, 3, 32, 40)
    with torch.no_grad():
        wish = (
            torch.ones(1, 1) if kind == "johnson" else smooth.describe(draw(1, 3, 32, 32, seed=1))
        )
        one, other = smooth(photo, wish), plain(photo, wish)
    assert not torch.allclose(one, other, atol=1e-4)


def test_a_smooth_enlargement_of_a_ramp_is_a_ramp():
    """Where a repeated ramp is a staircase."""
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    layer = Convolution(1, 1, 3)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 1, 1] = 1
        layer.bias.zero_()
        steps = [
            convolve_enlarged(layer, ramp, 2, smooth=smooth)[0, 0, 5, 3:-3].diff()
            for smooth in (True, False)
        ]
    assert torch.allclose(steps[0], torch.full((9,), 0.5))
    assert set(steps[1].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("size", [(6, 8), (2, 4), (3, 8), (6, 6)])
def test_pixels_in_blocks_are_a_convolution(size):
    weight, bias = draw(3, 5, 9, 9, seed=1) - 0.5, draw(3, seed=2)
    x = draw(2, 5, size[0] + 8, size[1] + 8)
    found = convolve_in_blocks(x, weight, bias)
    assert torch.allclose(found, F.conv2d(x, weight, bias), atol=1e-4)


@pytest.mark.parametrize("enlarges", [False, True])
def test_painting_may_multiply_less_than_learning(monkeypatch, enlarges):
    torch.manual_seed(2)
    layer, x = Convolution(4, 6, 3), draw(2, 4, 9, 10)

    def work():
        return convolve_enlarged(layer, x, 2, smooth=True) if enlarges else layer(x)

    wanted = work()
    monkeypatch.setattr(winograd, "pays", lambda weight, fewest: True)
    used = []
    convolve = winograd.convolve
    monkeypatch.setattr(winograd, "convolve", lambda *given: used.append(1) or convolve(*given))
    assert work().requires_grad
    assert not used
    with torch.no_grad():
        found = work()
        # The kernel is kept, but not beyond its weights.
        layer.weight.mul_(2)
        doubled = work()
    assert used
    assert torch.allclose(found, wanted, atol=1e-4)
    bias = layer.bias[:, None, None]
    assert torch.allclose(doubled - bias, 2 * (wanted - bias), atol=1e-4)


@pytest.mark.parametrize("rows", [1, 2])
def test_normalisation_is_pulled_back_exactly(rows):
    x = (draw(2, 3, 4, 5).double() * 4).requires_grad_()
    scale = draw(rows, 3, 1, 1, seed=1).double().requires_grad_()
    shift = draw(rows, 3, 1, 1, seed=2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: normalise(given[0], None, *given[1:]),
                                    (x, scale, shift))  # fmt: skip
    with torch.no_grad():
        painted = normalise(x, None, scale, shift)
        again = normalise(x, Ledger([measure_instance(x)]), scale, shift)
    assert torch.allclose(painted, again)
    assert torch.allclose(normalise(x, None, scale, shift), painted)


def test_statistics_in_bands_are_those_of_the_whole(monkeypatch):
    x = draw(2, 3, 13, 7) + 5
    monkeypatch.setattr(blocks, "_BAND", 100)
    mean, deviation = measure_instance(x)
    variance, wanted = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    assert torch.allclose(mean, wanted)
    assert torch.allclose(deviation, (variance + EPSILON).sqrt())


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("adain", {}), ("adain told", {}), ("ghiasi", {}), ("micro", {"eye": 0})],
)
def test_a_style_is_told_from_what_was_seen(build, encoder, name, numbers):
    network, style = build(name, **numbers), draw(1, 3, 40, 24)
    seen = encoder(style, {*network.looks_at, "relu2_2"})
    assert torch.equal(network.describe_seen(seen, style), network.describe(style))


def test_recoloring_gives_a_picture_the_colours_of_a_style():
    photo, style = 0.3 + 0.2 * draw(2, 3, 24, 16), 0.4 + 0.2 * draw(1, 3, 20, 20)
    wanted = describe_colors(style)
    assert torch.allclose(describe_colors(recolor(photo, wanted)), wanted.expand(2, -1), atol=2e-3)


def test_recoloring_by_its_own_colours_changes_nothing():
    photo = 0.2 + 0.6 * draw(1, 3, 16, 16)
    assert torch.allclose(recolor(photo, describe_colors(photo)), photo, atol=1e-5)


def test_a_flat_picture_is_not_stretched_to_noise():
    photo = 0.5 + 0.001 * draw(1, 3, 16, 16)
    colors = torch.tensor([[0.9, 0, 0, 0.3, 0.3, 0.3]])
    assert recolor(photo, colors).std() < 0.01


def test_micro_paints_in_the_colours_of_the_style(build):
    network, photo, style = build("micro"), draw(1, 3, 32, 32), 0.2 + 0.3 * draw(1, 3, 32, 32)
    with torch.no_grad():
        network.last.weight.mul_(20)
        painted = network(photo, network.describe(style))
    assert torch.allclose(describe_colors(painted), describe_colors(style), atol=0.02)


def test_strain_is_the_squared_excess_of_single_places():
    calm = torch.tensor([[[[-1.0, 1.0], [1.0, -1.0]]]])
    assert blocks.sum_strain([calm]).item() == 0
    spiked = torch.zeros(1, 1, 10, 10)
    spiked[..., 3, 4] = 100  # sqrt(99) deviations from the mean
    expected = (99**0.5 - 4) ** 2 / 100
    assert blocks.sum_strain([calm, spiked]).item() == pytest.approx(expected, rel=1e-3)


def test_bodies_are_kept_only_while_it_learns(build):
    network, photo = build("johnson"), draw(1, 3, 16, 16)
    network.train()(photo, torch.ones(1, 1))
    assert len(network.bodies) == len(network.blocks) + len(network.up)
    network.bodies.clear()
    network.eval()(photo, torch.ones(1, 1))
    assert not network.bodies
