"""Softmax smoothing, against a softmax over all entries of a layer."""

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders.architectures import build_encoder, draw_state
from impasto.encoders.frozen import Frozen
from impasto.objective import build_objective
from impasto.pyramid import resize
from impasto.smoothing import Smoothed, find_content_factor, settle
from impasto.statistics import collect_moments

LAYER = "layer1_1"


@pytest.fixture(scope="module")
def plain() -> Frozen:
    encoder = build_encoder("resnet18", draw_state("resnet18"), "torchvision", PaintConfig())
    assert isinstance(encoder, Frozen)
    return encoder


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


def softmax(x: Tensor, temperature: float) -> Tensor:
    """Over all entries, times their number."""
    return torch.softmax(x.flatten() / temperature, dim=0).view_as(x) * x.numel()


@pytest.mark.parametrize(("loss", "shift"), [("gatys", 0.0), ("impasto", 1.0)])
@torch.no_grad()
def test_moments_are_those_of_a_softmax(plain: Frozen, loss: str, shift: float) -> None:
    config = PaintConfig(loss=loss)  # type: ignore[arg-type]
    encoder, image = Smoothed(plain), draw(70, 52, seed=1)
    found = settle(encoder, collect_moments(encoder(image, [LAYER])[LAYER]), config)
    activations = softmax(plain(image, [LAYER])[LAYER], encoder.temperatures[LAYER]) - shift
    wanted = collect_moments(activations)
    torch.testing.assert_close(found.mean, wanted.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.second, wanted.second, rtol=1e-4, atol=1e-4)
    assert float(activations.mean()) == pytest.approx(1 - shift, abs=1e-4)


@pytest.mark.parametrize("loss", ["gatys", "impasto", "johnson"])
def test_the_objective_is_that_of_softmax_activations(plain: Frozen, loss: str) -> None:
    """With content that has the same sum, nothing is left of where the two might part."""
    encoder, size = Smoothed(plain), (64, 48)
    content, style, image = draw(*size, seed=1), draw(64, 64, seed=2), draw(*size, seed=3)
    config = PaintConfig(
        loss=loss, backbone="resnet18", style_layers=(LAYER,), content_layers=(LAYER,),
        content_weight=0.0,
    ).resolve()  # type: ignore[arg-type]  # fmt: skip
    shift, temperature = float(loss == "impasto"), encoder.temperatures[LAYER]

    class Literal(Smoothed):
        def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
            found = self._encoder(image, layers)
            return {name: softmax(x, temperature) - shift for name, x in found.items()}

    class Bare:
        """The literal one, which is not smoothed once more."""

        def __init__(self) -> None:
            self._inner = Literal(plain)
            self.layers, self.stride, self.reach = plain.layers, plain.stride, plain.reach
            self.precision = plain.precision

        def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
            return self._inner(image, layers)

    ours = build_objective(encoder, config, content, [style], size)(image)
    theirs = build_objective(Bare(), config, content, [style], size)(image)  # type: ignore[arg-type]
    assert ours.terms["style"] == pytest.approx(theirs.terms["style"], rel=1e-3)
    assert (ours.gradient - theirs.gradient).norm() < 1e-2 * theirs.gradient.norm()
    assert ours.terms["style"] > 0


@torch.no_grad()
def test_content_is_a_share_of_what_the_photograph_departs_from_even(plain: Frozen) -> None:
    encoder, config = Smoothed(plain), PaintConfig()
    seen = encoder(draw(64, 64, seed=1), [LAYER])[LAYER]
    factor = find_content_factor(
        encoder, config, float(seen.square().sum()), float(seen.sum()), seen.numel()
    )
    departing = seen - seen.mean()
    assert factor * float(departing.square().sum()) == pytest.approx(1, rel=1e-3)
    gatys = PaintConfig(loss="gatys")
    factor = find_content_factor(encoder, gatys, 1.0, float(seen.sum()), seen.numel())
    assert factor == pytest.approx(0.5 / float(seen.mean()) ** 2, rel=1e-4)


@torch.no_grad()
def test_temperatures_belong_to_the_network_alone(plain: Frozen) -> None:
    encoder, again = Smoothed(plain), Smoothed(plain)
    assert encoder.temperatures == again.temperatures
    assert encoder.with_padding("zero").temperatures is encoder.temperatures
    assert encoder.with_precision(torch.bfloat16).precision == torch.bfloat16
    assert set(encoder.temperatures) == set(plain.layers)
    louder = draw_state("resnet18")
    louder["bn1.weight"] = louder["bn1.weight"] * 10
    other = Smoothed(build_encoder("resnet18", louder, "torchvision", PaintConfig()))
    ratio = other.temperatures["relu1"] / encoder.temperatures["relu1"]
    assert ratio == pytest.approx(10, rel=1e-3)
    image = draw(32, 32, seed=1)
    torch.testing.assert_close(
        other(image, ["relu1"])["relu1"], encoder(image, ["relu1"])["relu1"], rtol=1e-3, atol=1e-3
    )


@torch.no_grad()
def test_high_activations_stay_finite(plain: Frozen) -> None:
    encoder = Smoothed(plain, dict.fromkeys(plain.layers, 1e-3))
    seen = encoder(draw(32, 32, seed=1), ["relu1"])["relu1"]
    moments = settle(encoder, collect_moments(seen), PaintConfig())
    assert torch.isfinite(moments.second).all()
