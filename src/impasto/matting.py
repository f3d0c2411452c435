"""Local affine maps of colour: how far a picture is from them, and the nearest that is one.

In a photograph, what is an affine function of colour in each small window keeps every edge and
adds none. The matting Laplacian L of Levin et al. 2008 ("A Closed-Form Solution to Natural Image
Matting") measures how far a picture q is from that,

    q' L q = sum over windows of min over (a, b) of sum (a . I + b - q)^2 + eps |a|^2,

and Luan et al. 2017 ("Deep Photo Style Transfer", eq. 2) keep paintings photorealistic with it.
It is never written down as a matrix: L q is what each window's fit leaves over, summed over the
windows that hold a pixel (He et al. 2011, "Fast Matting Using Large Kernel Matting Laplacian
Matrices"), and comes from box filters in a time that depends on the number of pixels alone.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ShapeError
from impasto.pyramid import resize

#: Windows of Levin et al.: 3 x 3 px, and their eps for values in [0, 1].
RADIUS, EPS = 1, 1e-7

#: Rows worked on at a time: the steps between take a hundred times the memory of a picture.
_ROWS = 128


def apply_matting_laplacian(
    photograph: Tensor, image: Tensor, *, radius: int = RADIUS, eps: float = EPS
) -> Tensor:
    """Multiply each channel of a picture with the matting Laplacian of a photograph.

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        image: Shape (1, C, H, W).
        radius: Windows are 2 radius + 1 px wide; only those inside the picture count.
        eps: Penalty on the slopes of a window's map; it decides what is flat.

    Returns:
        L q, shape (1, C, H, W), in the picture's precision; computed in float64.

    Raises:
        ShapeError: If the pictures differ in size, or hold no window.
    """
    _check_pair(photograph, image, 2 * radius + 1)
    result = torch.zeros_like(image)
    for top, bottom in _split_rows(image.shape[2], 2 * radius):
        guide, band = (_to_double(x[..., top:bottom, :]) for x in (photograph, image))
        slopes, offsets = _fit_windows(guide, band, radius, eps, padded=False)
        count = _spread(torch.ones_like(offsets[:, :1]), radius)
        rest = band * count - _apply_maps(_spread(slopes, radius), _spread(offsets, radius), guide)
        result[..., top:bottom, :] += rest.to(result)
    return result


def matting_energy(
    image: Tensor, photograph: Tensor, *, radius: int = RADIUS, eps: float = EPS
) -> Tensor:
    """Mean squared distance of a picture from local affine maps of a photograph's colours.

    This is q' L q, summed over channels, by pixels and by pixels a window (Luan et al. sum; a
    mean holds at every size). Its gradient costs nothing more.

    Args:
        image: Shape (1, C, H, W).
        photograph: Shape (1, 3, H, W), values in [0, 1]; no gradient flows to it.
        radius: See `apply_matting_laplacian`.
        eps: The same.
    """
    energy: Tensor = _MattingEnergy.apply(image, photograph, radius, eps)  # type: ignore[no-untyped-call]
    return energy


class _MattingEnergy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, photograph: Tensor, radius: int, eps: float) -> Tensor:
        product = apply_matting_laplacian(photograph, image, radius=radius, eps=eps)
        product /= image[0, 0].numel() * (2 * radius + 1) ** 2
        ctx.save_for_backward(product)
        # What is constant is in the kernel of L; taken off, float32 has more digits for the rest.
        energy: Tensor = ((image - image.mean((2, 3), keepdim=True)) * product).sum()
        return energy

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        (product,) = ctx.saved_tensors
        return 2 * slope * product, None, None, None


def fit_affinely(
    photograph: Tensor, painting: Tensor, *, radius: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Fit a painting, around each place, by an affine map of a photograph's colours.

    Colour guided filter (He et al. 2013, "Guided Image Filtering", eq. 19-21).

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        painting: Shape (1, C, H, W).
        radius: Windows are 2 radius + 1 px wide, and cut off at the border.
        eps: Colours that vary less than its root in a window are flat, and mapped to one.

    Returns:
        Slopes (1, 3 C, H, W), in turn for each channel of the painting, and offsets
        (1, C, H, W), averaged over the windows that hold a place.
    """
    _check_pair(photograph, painting, 1)
    height = painting.shape[2]
    parts = []
    # Averages of averages look twice as far as a window.
    for top in range(0, height, _ROWS):
        bottom = min(height, top + _ROWS)
        first, last = max(0, top - 2 * radius), min(height, bottom + 2 * radius)
        guide, band = (_to_double(x[..., first:last, :]) for x in (photograph, painting))
        maps = torch.cat(_fit_windows(guide, band, radius, eps, padded=True), dim=1)
        maps = _average(maps, radius, padded=True)[..., top - first : bottom - first, :]
        parts.append(maps.to(painting))
    channels = painting.shape[1]
    slopes, offsets = torch.split(torch.cat(parts, dim=2), [3 * channels, channels], 1)
    return slopes, offsets


def apply_affine(photograph: Tensor, slopes: Tensor, offsets: Tensor) -> Tensor:
    """Map a photograph's colours by maps that may be smaller than it, in bands of rows.

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        slopes: Shape (1, 3 C, any, any), as `fit_affinely` gives them.
        offsets: Shape (1, C, any, any), the same size.

    Returns:
        Shape (1, C, H, W), clamped to [0, 1].
    """
    height, width = photograph.shape[-2:]
    result = photograph.new_empty((1, offsets.shape[1], height, width))
    maps = torch.cat([slopes, offsets], dim=1).to(photograph)
    x = (torch.arange(width) + 0.5) * (2 / width) - 1
    for top in range(0, height, _ROWS):
        bottom = min(height, top + _ROWS)
        y = (torch.arange(top, bottom) + 0.5) * (2 / height) - 1
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None].to(maps)
        here = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
        slope, offset = torch.split(here, [slopes.shape[1], offsets.shape[1]], 1)
        band = _apply_maps(slope, offset, photograph[..., top:bottom, :])
        result[..., top:bottom, :] = band.clamp_(0, 1)
    return result


def smooth_affinely(
    photograph: Tensor, painting: Tensor, *, radius: float = 0.05, eps: float = 1e-2,
    side: int = 512,
) -> Tensor:  # fmt: skip
    """Make a painting photorealistic: the photograph, in colours that change smoothly.

    The maps are fitted on a small version and applied to the whole photograph (He and Sun 2015,
    "Fast Guided Filter"), so that any size takes little time and memory.

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        painting: Shape (1, 3, any, any).
        radius: Of the windows, as a share of the long side.
        eps: See `fit_affinely`.
        side: Long side in px at which maps are fitted, at the most.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].
    """
    height, width = photograph.shape[-2:]
    factor = min(1.0, side / max(height, width))
    small = (max(1, round(height * factor)), max(1, round(width * factor)))
    pixels = max(1, round(radius * max(small)))
    guide, wanted = resize(photograph, small), resize(painting, small)
    return apply_affine(photograph, *fit_affinely(guide, wanted, radius=pixels, eps=eps))


def _fit_windows(
    guide: Tensor, image: Tensor, radius: int, eps: float, *, padded: bool
) -> tuple[Tensor, Tensor]:
    """Ridge regression in each window: slopes (1, 3 C, h, w) and offsets (1, C, h, w)."""
    channels = image.shape[1]
    mean_guide, mean_image = (_average(x, radius, padded=padded) for x in (guide, image))
    products = [guide * image[:, c : c + 1] for c in range(channels)]
    products += [guide * guide[:, c : c + 1] for c in range(3)]
    second = torch.split(_average(torch.cat(products, dim=1), radius, padded=padded), 3, 1)
    across = [second[c] - mean_guide * mean_image[:, c : c + 1] for c in range(channels)]
    own = [second[channels + c] - mean_guide * mean_guide[:, c : c + 1] for c in range(3)]
    damping = eps / (2 * radius + 1) ** 2
    slopes = torch.cat(_solve(own, across, damping), dim=1)
    return slopes, mean_image - _apply_slopes(slopes, mean_guide)


def _solve(matrix: list[Tensor], right: list[Tensor], damping: float) -> list[Tensor]:
    """Solve 3 x 3 systems, one a place, by L D L'; a general solver takes a hundred times as long.

    Args:
        matrix: Rows of symmetric matrices, each (1, 3, h, w).
        right: Right sides, each (1, 3, h, w).
        damping: Added to the diagonal.
    """
    (a, b, c), (_, d, e), (_, _, f) = (torch.split(row, 1, 1) for row in matrix)
    a = a + damping
    below, last = b / a, c / a
    d = (d - below * b).clamp(min=0) + damping
    f = (f - last * c).clamp(min=0) + damping
    cross = (e - last * b) / d
    f = (f - cross * cross * d).clamp(min=damping)
    found = []
    for one in right:
        x, y, z = torch.split(one, 1, 1)
        y = y - below * x
        z = (z - last * x - cross * y) / f
        y = y / d - cross * z
        x = x / a - below * y - last * z
        found.append(torch.cat([x, y, z], dim=1))
    return found


def _apply_maps(slopes: Tensor, offsets: Tensor, guide: Tensor) -> Tensor:
    return _apply_slopes(slopes, guide) + offsets


def _apply_slopes(slopes: Tensor, guide: Tensor) -> Tensor:
    parts = [(one * guide).sum(1, keepdim=True) for one in torch.split(slopes, 3, 1)]
    return torch.cat(parts, dim=1)


def _average(image: Tensor, radius: int, *, padded: bool) -> Tensor:
    """Mean of each window; those cut off at the border too if `padded`, else inside only."""
    side, edge = 2 * radius + 1, radius if padded else 0
    rows = F.avg_pool2d(image, (side, 1), 1, (edge, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, edge), count_include_pad=False)


def _spread(values: Tensor, radius: int) -> Tensor:
    """Sum, for each pixel, what the windows that hold it have: the adjoint of a window's sum."""
    padded = F.pad(values, (2 * radius,) * 4)
    return _average(padded, radius, padded=False) * (2 * radius + 1) ** 2


def _split_rows(height: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Bands of rows that hold every window once: each begins `overlap` before the last ends."""
    for top in range(0, height - overlap, _ROWS):
        yield top, min(height, top + _ROWS + overlap)


def _to_double(image: Tensor) -> Tensor:
    # Metal has no float64.
    return (image.cpu() if image.device.type == "mps" else image).detach().double()


def _check_pair(photograph: Tensor, image: Tensor, side: int) -> None:
    if photograph.shape[:2] != (1, 3) or photograph.shape[-2:] != image.shape[-2:]:
        raise ShapeError(
            f"A photograph of {tuple(photograph.shape)} and a picture of {tuple(image.shape)} do"
            " not fit; both need the same height and width, and the photograph three channels."
        )
    if min(image.shape[-2:]) < side:
        raise ShapeError(
            f"A picture of {tuple(image.shape[-2:])} holds no window of {side} px; use a smaller"
            " radius."
        )
