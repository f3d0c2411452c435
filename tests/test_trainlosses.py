"""What painting networks are taught by."""

import pytest
import torch
import torch.nn.functional as F

from impasto.trainlosses import tone_difference, weave_excess


def test_tones_are_the_same_in_other_colours_and_contrast():
    photo = F.interpolate(torch.rand(2, 3, 4, 4), (32, 32))
    assert tone_difference(0.2 + 0.3 * photo, photo).item() == pytest.approx(0, abs=0.02)


def test_a_negative_has_opposite_tones():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 1
    assert tone_difference(1 - photo, photo).item() == pytest.approx(2, abs=0.01)


def test_a_blot_in_a_dark_place_counts():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 0.8
    painted = photo.clone()
    painted[..., 8:16, 0:8] = 1
    assert tone_difference(painted, photo) > 0.1


def test_noise_within_a_square_does_not():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 0.8
    noise = torch.ones_like(photo)
    noise[..., ::2] = -1
    assert tone_difference(photo + 0.2 * noise, photo).item() == pytest.approx(0, abs=1e-3)


def test_a_flat_picture_has_a_finite_slope():
    painted = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    tone_difference(painted, torch.rand(1, 3, 16, 16)).backward()
    assert painted.grad is not None
    assert torch.isfinite(painted.grad).all()


def draw_lines(period, *, along, size=96):
    """Grey waves whose crests lie along 'rows', 'columns' or 'diagonals', (1, 3, size, size)."""
    rows, columns = torch.meshgrid(*(torch.arange(float(size)),) * 2, indexing="ij")
    way = {"rows": rows, "columns": columns, "diagonals": (rows + columns) / 2**0.5}[along]
    return (0.5 + 0.3 * torch.sin(2 * torch.pi * way / period)).expand(1, 3, size, size)


@pytest.mark.parametrize("period", [4, 8, 14])
def test_lines_along_the_grid_are_woven(period):
    flat = torch.full((1, 3, 96, 96), 0.5)
    rows, columns = (draw_lines(period, along=way) for way in ("rows", "columns"))
    assert weave_excess(rows, flat) > 0.3
    assert weave_excess(rows, flat).item() == pytest.approx(weave_excess(columns, flat).item())
    # Those of the photograph are its own, and aslant lie strokes.
    assert weave_excess(rows, rows).item() == pytest.approx(0, abs=1e-3)
    assert weave_excess(draw_lines(period, along="diagonals"), flat) < 0.1


def test_lines_of_the_photograph_are_free_only_where_they_are():
    lines, flat = draw_lines(6, along="rows", size=128), torch.full((1, 3, 128, 128), 0.5)
    half = torch.cat([lines[..., :64], flat[..., 64:]], dim=3)
    assert weave_excess(half, half).item() == pytest.approx(0, abs=1e-3)
    assert weave_excess(lines, half) > 0.1


def test_grain_is_not_woven():
    noise = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert weave_excess(noise, torch.full_like(noise, 0.5)) < 1e-3


def test_a_weave_is_averaged_over_pictures_whatever_their_contrast():
    flat = torch.full((1, 3, 96, 96), 0.5)
    one, other = draw_lines(6, along="rows"), draw_lines(6, along="diagonals")
    both = weave_excess(torch.cat([one, other]), torch.cat([flat, flat]))
    alone = (weave_excess(one, flat) + weave_excess(other, flat)) / 2
    assert both.item() == pytest.approx(alone.item(), rel=1e-4)
    faint = 0.5 + (one - 0.5) / 3
    assert weave_excess(faint, flat).item() == pytest.approx(
        weave_excess(one, flat).item(), rel=0.1
    )


@pytest.mark.parametrize("size", [(47, 200), (48, 48), (61, 97), (192, 130)])
def test_a_weave_of_any_size_has_a_slope(size):
    painted = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    painted[..., ::4, :] *= 0.2
    painted.requires_grad_()
    photo = torch.rand(1, 3, *size)
    excess = weave_excess(painted, photo)
    if min(size) < 48:
        assert excess == 0
        return
    excess.backward()
    assert painted.grad is not None
    assert painted.grad.isfinite().all()
    step = 0.5 * painted.grad / painted.grad.norm()
    assert weave_excess(painted.detach() - step, photo) < excess
