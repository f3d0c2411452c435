"""Statistics are sums over positions, taken in float32 and differentiated by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.errors import ShapeError
from impasto.statistics import (
    Moments,
    blend_moments,
    collect_moments,
    covariance,
    energy,
    gram_matrix,
)
from impasto.statistics import moments as moments_module


def activations(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Like those after a ReLU: positive, half of them zero, with a mean far from zero."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * 3 + 1).relu().to(dtype)


def naive(features: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, in the precision of `features`."""
    flat = features.flatten(2)
    return flat.mean(2), torch.einsum("bik,bjk->bij", flat, flat) / flat.shape[2]


def test_moments_of_four_positions_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 3.0]]]])
    moments = collect_moments(features)
    assert moments.mean.tolist() == [[2.5, 1.0]]
    # (1+4+9+16)/4, (0+2+0+12)/4, (0+1+0+9)/4
    assert moments.second.tolist() == [[[7.5, 3.5], [3.5, 2.5]]]
    assert covariance(moments).tolist() == [[[1.25, 1.0], [1.0, 1.5]]]
    assert energy(moments).tolist() == [5.0]
    assert gram_matrix(features).tolist() == [[[7.5, 3.5], [3.5, 2.5]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 5, 7, 9), (3, 2, 1, 1), (2, 16, 4, 3)])
def test_moments_agree_with_their_definition(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    features = activations(*shape, dtype=dtype)
    moments = collect_moments(features)
    mean, second = naive(features.double())
    assert moments.mean.dtype == moments.second.dtype == torch.float32
    torch.testing.assert_close(moments.mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(moments.second.double(), second, rtol=1e-5, atol=1e-6)


def test_moments_do_not_depend_on_the_layout_in_memory() -> None:
    features = activations(2, 6, 5, 7)
    other = collect_moments(features.to(memory_format=torch.channels_last))
    torch.testing.assert_close(tuple(other), tuple(collect_moments(features)))


@given(st.permutations(range(12)))
def test_moments_ignore_where_things_are(order: list[int]) -> None:
    features = activations(1, 3, 3, 4)
    shuffled = features.flatten(2)[..., order].view(1, 3, 3, 4)
    torch.testing.assert_close(tuple(collect_moments(shuffled)), tuple(collect_moments(features)))


def test_pictures_of_a_batch_do_not_mix() -> None:
    features = activations(3, 4, 5, 6)
    together = collect_moments(features)
    for index in range(3):
        alone = collect_moments(features[index : index + 1])
        torch.testing.assert_close(together.mean[index], alone.mean[0])
        torch.testing.assert_close(together.second[index], alone.second[0])


@pytest.mark.parametrize("piece", [1, 28, 140, 144])
def test_pieces_give_what_the_whole_gives(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = activations(2, 4, 5, 7)
    whole = collect_moments(features)
    monkeypatch.setattr(moments_module, "_PIECE", piece)
    torch.testing.assert_close(tuple(collect_moments(features)), tuple(whole))


def test_a_large_picture_is_measured_as_a_whole() -> None:
    features = activations(1, 2, 600, 600)
    assert features.numel() > moments_module._PIECE
    mean, second = naive(features.double())
    moments = collect_moments(features)
    torch.testing.assert_close(moments.mean.double(), mean, rtol=1e-4, atol=0)
    torch.testing.assert_close(moments.second.double(), second, rtol=1e-4, atol=0)


def test_covariance_agrees_with_torch() -> None:
    features = activations(1, 5, 8, 9)
    wanted = torch.cov(features[0].flatten(1).double(), correction=0)
    found = covariance(collect_moments(features))[0].double()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_energy_is_the_mean_square() -> None:
    features = activations(2, 5, 8, 9)
    wanted = features.square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(energy(collect_moments(features)), wanted)


@pytest.mark.parametrize("parts", ["both", "mean", "second"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-6), (torch.bfloat16, 2e-2)]
)
def test_the_backward_pass_agrees_with_autograd(
    parts: str, dtype: torch.dtype, tolerance: float
) -> None:
    features = activations(2, 5, 4, 3, dtype=dtype)
    towards = torch.Generator().manual_seed(1)
    d_mean = torch.randn((2, 5), generator=towards) * (parts != "second")
    # Not symmetric, so that a backward pass that forgets one half is found out.
    d_second = torch.randn((2, 5, 5), generator=towards) * (parts != "mean")

    def differentiate(take: object, leaf: Tensor) -> Tensor:
        mean, second = take(leaf)  # type: ignore[operator]
        total = (mean * d_mean).sum() + (second * d_second).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
        return gradient

    found = differentiate(collect_moments, features.clone().requires_grad_())
    wanted = differentiate(naive, features.double().requires_grad_())
    assert found.dtype == dtype
    size = float(wanted.abs().max())
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=tolerance * size)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=4),
    st.floats(0.01, 100),
)
def test_a_blend_is_a_wall_with_the_pictures_side_by_side(
    sizes: list[tuple[int, int]], unit: float
) -> None:
    pictures = [activations(1, 3, 4, w * n, seed=i) for i, (w, n) in enumerate(sizes)]
    weights = [unit * picture.shape[3] for picture in pictures]
    blend = blend_moments([collect_moments(picture) for picture in pictures], weights)
    wall = collect_moments(torch.cat(pictures, dim=3))
    torch.testing.assert_close(tuple(blend), tuple(wall), rtol=1e-4, atol=1e-5)


def test_a_share_of_zero_leaves_a_picture_out() -> None:
    first, second = (collect_moments(activations(1, 3, 4, 5, seed=seed)) for seed in (1, 2))
    torch.testing.assert_close(tuple(blend_moments([first, second], [0, 2])), tuple(second))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_blend_needs_one_weight_for_each(count: int) -> None:
    moments = [Moments(torch.zeros(1, 2), torch.zeros(1, 2, 2))] * 2
    with pytest.raises(ShapeError, match=f"2 statistics cannot be blended by {count} weights"):
        blend_moments(moments, [1.0] * count)
    with pytest.raises(ShapeError):
        blend_moments([], [])


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5), (1, 2, 3, 4, 5)])
def test_activations_are_four_dimensional(shape: tuple[int, ...]) -> None:
    for measure in (collect_moments, gram_matrix):
        with pytest.raises(ShapeError, match=r"\(B, C, H, W\), not"):
            measure(torch.zeros(shape))
