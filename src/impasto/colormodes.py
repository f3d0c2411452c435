"""Whose colours a painting has: named modes, and how near colours come to what was asked for.

A mode says what is done to the style pictures before painting and to the painting after it, so
that every way of painting can offer all of them. All of it but the learning of a transfer looks
at one place at a time, so that large pictures are worked on in bands of rows.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.color import delinearize, match_colors, oklab_to_rgb, rgb_to_oklab, take_colors
from impasto.errors import ShapeError
from impasto.pyramid import resize, resize_mask

#: Rows worked on at a time: the steps between take many times the memory of a picture.
_ROWS = 256

#: Colours that are looked at to learn a transfer or to measure a distance.
_SAMPLE = 1 << 17

#: Rotations of a transfer; points of each of its curves, evenly over [-1, 1]; and points along
#: each edge of the cube of colours that it is written down for.
_ROUNDS, _KNOTS, _NODES = 16, 1025, 65

#: Colours nearer than this, on the 0-1 scale, are hardly pulled apart by a transfer.
_GRAIN = 0.01

#: Contrast below which something is detail; the long side in px at which that is decided; and
#: how much stronger a transfer may make it. The levels of a file and the noise of a flat wall
#: would show as bands and speckles otherwise.
_DETAIL, _DETAIL_SIDE, _DETAIL_GAIN = 0.05, 512, 1.5

#: Brightness and two colour axes of RGB, as an orthogonal matrix.
_AXES = torch.tensor([[2.0, 2.0, 2.0], [6**0.5, -(6**0.5), 0.0], [2**0.5, 2**0.5, -(8**0.5)]])
_AXES /= 12**0.5


class ColorError(NamedTuple):
    """How far the colours of a painting are from a photograph's, place by place, in OkLab.

    Attributes:
        chroma: Mean distance in the plane of the two colour axes.
        hue: The part of it that is a turn of hue: mean of 2 sqrt(C1 C2) |sin(angle / 2)|, which
            is the hue difference of CIE 1976 and, unlike an angle, calm near grey.
        lightness: Mean difference of lightness.
    """

    chroma: float
    hue: float
    lightness: float


@dataclass(frozen=True)
class ColorMode:
    """What becomes of colours before and after painting.

    Attributes:
        summary: One line of help.
        before: Makes of a style picture, (1, 3, any, any), and the photograph, (1, 3, any, any),
            the style picture that is painted with.
        recolor: Makes of the painting, the photograph at the same size, the style pictures as
            they were given, and a seed, the recoloured painting. Use `after`.
        needs_painting: False if the result does not depend on the painting at all.
        leaves_photographs: True if `recolor` makes of the photograph itself the same again.
    """

    summary: str
    before: Callable[[Tensor, Tensor], Tensor]
    recolor: Callable[[Tensor, Tensor, Sequence[Tensor], int], Tensor]
    needs_painting: bool = True
    leaves_photographs: bool = True

    def after(
        self,
        painting: Tensor,
        photograph: Tensor,
        styles: Sequence[Tensor],
        *,
        mask: Tensor | None = None,
        seed: int = 0,
    ) -> Tensor:
        """Recolour a finished painting.

        Args:
            painting: Shape (1, 3, H, W), values in [0, 1]; not changed.
            photograph: Shape (1, 3, any, any); resampled to the painting's size.
            styles: Style pictures as they were given, each (1, 3, any, any).
            mask: Where to recolour, shape (1, 1, any, any), values in [0, 1]; resampled to the
                painting's size. Mixed in OkLab, see `mix_by_mask`. None recolours everything.
            seed: Seed of random numbers.

        Returns:
            Shape (1, 3, H, W), values in [0, 1]; `painting` itself if there is nothing to do.

        Raises:
            ShapeError: If a picture or the mask has the wrong shape.
        """
        for image in (painting, photograph, *styles):
            if image.ndim != 4 or image.shape[:2] != (1, 3):
                raise ShapeError(f"A picture has shape (1, 3, H, W), not {tuple(image.shape)}.")
        photograph = resize(photograph, (painting.shape[-2], painting.shape[-1]))
        recolored = self.recolor(painting, photograph, styles, seed)
        if mask is None or recolored is painting:
            return recolored
        return mix_by_mask(painting, recolored, mask)


def grey_like(style: Tensor, photograph: Tensor) -> Tensor:
    """Make a style picture grey, as light and as contrasty as a photograph.

    Luminance-only transfer (Gatys et al. 2016, "Preserving Color in Neural Artistic Style
    Transfer", sec. 3.2): L' = sd_photo / sd_style (L - mean_style) + mean_photo, here with the
    lightness of OkLab in place of YIQ's Y.

    Args:
        style: Shape (1, 3, H, W), values in [0, 1].
        photograph: Shape (1, 3, any, any).

    Returns:
        Shape (1, 3, H, W), three equal channels, values in [0, 1].
    """
    found, wanted = (
        rgb_to_oklab(sample_colors(x, 0)[None, :, None])[0, 0] for x in (style, photograph)
    )
    # A picture of one tone has no contrast to match: what varies there is noise.
    gain = (wanted.std(correction=0) / found.std(correction=0).clamp(min=0.01)).item()
    mean, wanted_mean = found.mean().item(), wanted.mean().item()

    def recolor(rows: Tensor) -> Tensor:
        lightness = (rgb_to_oklab(rows)[:, :1] - mean) * gain + wanted_mean
        return delinearize(lightness.clamp(0, 1) ** 3).clamp(0, 1).expand_as(rows)

    return work_in_bands(recolor, style)


def match_histogram(image: Tensor, references: Sequence[Tensor], seed: int = 0) -> Tensor:
    """Give a picture the whole distribution of colours of one or several others.

    Iterative distribution transfer (Pitié et al. 2007, "Automated colour grading using colour
    distribution transfer", sec. 3): turn the colours by a random rotation, match each axis by
    its cumulative histogram, turn back, repeat. Departures: it begins with the shortest linear
    transfer, both histograms are blurred a little and the curves are smooth, so that close
    colours stay close. In place of the paper's second pass against grain, details, which are
    what an edge-preserving blur takes away, go where the transfer sends them but grow by half
    at the most.

    Args:
        image: Shape (1, 3, H, W), values in [0, 1].
        references: Pictures to take colours from, each (1, 3, any, any), with equal shares.
        seed: Seed of the rotations and of the sample of colours that is learned from.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].

    Raises:
        ShapeError: If there is no reference.
    """
    # Not every version of PyTorch can look up places in a cube on Metal.
    device = torch.device("cpu") if image.device.type == "mps" else image.device
    transfer = _learn_transfer(sample_colors(image, seed), _sample_all(references, seed), seed).to(
        device
    )
    blur = _learn_blur(image).to(device)
    heights = torch.arange(image.shape[2]).view(1, 1, -1, 1)

    def recolor(rows: Tensor, heights: Tensor) -> Tensor:
        rows = rows.to(device)
        calm = _blur_rows(rows, blur, heights, image.shape[2])
        result = _send(calm, transfer)
        detail = _send(rows, transfer) - result
        allowed = _DETAIL_GAIN * _length(rows - calm) / _length(detail).clamp(min=1e-9)
        return (result + detail * allowed.clamp(max=1)).clamp(0, 1)

    return work_in_bands(recolor, image, heights)


def take_palette(photograph: Tensor, styles: Sequence[Tensor], seed: int = 0) -> Tensor:
    """Recolour a photograph with the colours of style pictures; nothing is painted.

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        styles: Pictures to take colours from, each (1, 3, any, any), with equal shares.
        seed: Seed of random numbers.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].
    """
    return match_histogram(photograph, styles, seed)


def mix_by_mask(painting: Tensor, recolored: Tensor, mask: Tensor) -> Tensor:
    """Mix two versions of a picture by a mask with soft edges.

    Mixed in OkLab: where both are equally light, as after `take_colors`, every mixture is too,
    so that an edge of the mask leaves the strokes below it alone.

    Args:
        painting: Where the mask is 0, exactly; shape (1, 3, H, W), values in [0, 1].
        recolored: Where it is 1, exactly; the same shape.
        mask: Shape (1, 1, any, any); resampled to (H, W) if it has another size.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].

    Raises:
        ShapeError: If the mask has the wrong shape.
    """
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ShapeError(f"A mask has shape (1, 1, H, W), not {tuple(mask.shape)}.")
    share = resize_mask(mask.to(painting), (painting.shape[-2], painting.shape[-1]))

    def mix(paint: Tensor, new: Tensor, share: Tensor) -> Tensor:
        mixed = oklab_to_rgb(torch.lerp(rgb_to_oklab(paint), rgb_to_oklab(new), share))
        return torch.where(share <= 0, paint, torch.where(share >= 1, new, mixed))

    return work_in_bands(mix, painting, recolored, share)


def measure_color_error(painting: Tensor, photograph: Tensor) -> ColorError:
    """Compare colours place by place, over all pixels.

    Args:
        painting: Shape (1, 3, H, W), values in [0, 1].
        photograph: The same shape.

    Raises:
        ShapeError: If the shapes differ.
    """
    if painting.shape != photograph.shape:
        raise ShapeError(
            f"Colours of {tuple(painting.shape)} and {tuple(photograph.shape)} cannot be compared"
            " place by place; bring them to one size."
        )
    total = torch.zeros(3, dtype=torch.float64)
    for rows in _split_rows(painting, photograph):
        one, other = (rgb_to_oklab(x) for x in rows)
        distance = _length((one - other)[:, 1:])
        richness = _length(one[:, 1:]) - _length(other[:, 1:])
        hue = (distance**2 - richness**2).clamp(min=0).sqrt()
        lightness = (one - other)[:, 0].abs()
        total += torch.stack([x.cpu().double().sum() for x in (distance, hue, lightness)])
    return ColorError(*(total / (painting.shape[-2] * painting.shape[-1])).tolist())


def histogram_distance(one: Tensor, other: Tensor) -> float:
    """How far the colours of two pictures are apart, wherever they are in the pictures.

    Sliced Wasserstein-1 distance (Bonneel et al. 2015) in OkLab: how far colours must move
    along a direction, on average over 64 directions spread evenly over the sphere.

    Args:
        one: Shape (1, 3, H, W), values in [0, 1].
        other: Shape (1, 3, any, any).

    Returns:
        Zero for equal histograms; half of the shift for one that is only shifted.
    """
    places = torch.arange(64) + 0.5
    height, angle = 1 - places / 32, places * (math.pi * (3 - math.sqrt(5)))
    radius = (1 - height**2).sqrt()
    directions = torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=1)
    levels = torch.linspace(0, 1, 1024).expand(64, -1)
    quantiles = []
    for image in (one, other):
        colors = (
            directions @ rgb_to_oklab(sample_colors(image, 0)[None, :, None])[0, :, 0]
        )  # (64, N)
        quantiles.append(_read(_sort(colors), levels * (colors.shape[1] - 1)))
    return float((quantiles[0] - quantiles[1]).abs().mean())


def _learn_transfer(source: Tensor, target: Tensor, seed: int) -> Tensor:
    """Learn where colours go, from samples (3, N) and (3, M).

    Returns:
        Shape (1, 3, n, n, n): for red, green and blue in even steps over [0, 1], the new colour.
    """
    source, target = _spread(source, seed), _spread(target, seed)
    matrix, shift = _learn_linear(source, target)
    levels = torch.linspace(0, 1, _NODES)
    given = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij")).flatten(1)
    still = target - 0.5
    sent, moving = (matrix @ colors + shift - 0.5 for colors in (given, source))
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(_ROUNDS - 1, 3, 3, generator=generator)
    for rotation in torch.cat([_AXES[None], torch.linalg.qr(draws)[0]]):
        curves = _match_axes(rotation @ moving, rotation @ still)
        sent, moving = (rotation.mT @ _bend(rotation @ colors, curves) for colors in (sent, moving))
    # Rounds after one another make steep steps here and there, which a blur takes away.
    way = (sent + 0.5 - given).view(1, 3, _NODES, _NODES, _NODES)
    way = F.avg_pool3d(F.pad(way, (1,) * 6, mode="replicate"), 3, stride=1)
    return way + given.view_as(way)


def _send(image: Tensor, transfer: Tensor) -> Tensor:
    """Send the colours of a picture, (1, 3, H, W), where a transfer says."""
    places = (2 * image - 1).movedim(1, -1).flip(-1).unsqueeze(1)  # (1, 1, H, W, 3), blue first
    return F.grid_sample(transfer, places, padding_mode="border", align_corners=True).squeeze(2)


def _learn_linear(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The shortest way to the target's mean and covariance (Pitié and Kokaram 2007, eq. 12)."""
    floor = 1e-6 * torch.eye(3, dtype=torch.float64)
    found, wanted = (torch.cov(x.double(), correction=0) + floor for x in (source, target))
    root, inverse = _power(found, 0.5), _power(found, -0.5)
    matrix = (inverse @ _power(root @ wanted @ root, 0.5) @ inverse).float()
    return matrix, target.mean(1, keepdim=True) - matrix @ source.mean(1, keepdim=True)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.mT
    return power


def _match_axes(source: Tensor, target: Tensor) -> Tensor:
    """Rising curves, (3, knots), that give each row of `source` the histogram of `target`'s."""
    knots = torch.linspace(-1, 1, _KNOTS).expand(3, -1).contiguous()
    ranks = torch.searchsorted(_sort(source), knots) / source.shape[1]
    curves = _read(_sort(target), ranks * (target.shape[1] - 1))
    # A weighted mean of rising curves rises.
    kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / 2.0) ** 2).view(1, 1, -1)
    padded = F.pad(curves.unsqueeze(1), (6, 6), mode="replicate")
    return F.conv1d(padded, kernel / kernel.sum()).squeeze(1)


def _bend(colors: Tensor, curves: Tensor) -> Tensor:
    """Send each row of (3, N) through its curve, (3, knots) evenly over [-1, 1]."""
    # A piece at a time stays in the processor's cache, which is three times as fast.
    places = (colors + 1) * ((curves.shape[1] - 1) / 2)
    return torch.cat([_read(curves, piece) for piece in torch.split(places, 1 << 15, 1)], dim=1)


def _read(values: Tensor, places: Tensor) -> Tensor:
    """Read rows of `values`, (R, K), at fractional `places`, (R, N); beyond the ends, the ends."""
    places = places.clamp(0, values.shape[1] - 1)
    below = places.long().clamp(max=max(values.shape[1] - 2, 0))
    above = (below + 1).clamp(max=values.shape[1] - 1)
    return torch.lerp(values.gather(1, below), values.gather(1, above), places - below)


def _sort(values: Tensor) -> Tensor:
    """Sort each row; NumPy does it many times as fast as PyTorch."""
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def _spread(colors: Tensor, seed: int) -> Tensor:
    """Blur a histogram by moving each colour a little at random."""
    generator = torch.Generator().manual_seed(seed)
    return colors + _GRAIN * torch.randn(colors.shape, generator=generator)


def _learn_blur(image: Tensor) -> Tensor:
    """Slopes and offsets, (1, 6, h, w), of a guided blur (He and Sun 2015, "Fast guided filter").

    Flat places become even and edges stay; learned on a small version, along `_AXES`.
    """
    height, width = image.shape[-2:]
    shrink = min(1.0, _DETAIL_SIDE / max(height, width))
    small = resize(image, (max(1, round(height * shrink)), max(1, round(width * shrink))))
    turned = torch.einsum("ij,bjhw->bihw", _AXES.to(small), small)
    radius = max(1, round(max(small.shape[-2:]) / 128))

    def average(values: Tensor) -> Tensor:
        padded = F.pad(values, (radius,) * 4, mode="replicate")
        return F.avg_pool2d(padded, 2 * radius + 1, stride=1)

    mean = average(turned)
    variance = (average(turned**2) - mean**2).clamp(min=0)
    slope = variance / (variance + _DETAIL**2)
    return average(torch.cat([slope, mean - slope * mean], dim=1))


def _blur_rows(rows: Tensor, blur: Tensor, heights: Tensor, height: int) -> Tensor:
    """Apply a blur to the rows at `heights`, (1, 1, h, 1), of a picture of that height."""
    width = rows.shape[-1]
    y = ((heights.view(-1, 1) + 0.5) * (2 / height) - 1).expand(-1, width)
    x = ((torch.arange(width) + 0.5) * (2 / width) - 1).expand_as(y)
    grid = torch.stack([x, y], dim=-1).unsqueeze(0).to(rows)  # (1, h, W, 2)
    places = F.grid_sample(blur, grid, padding_mode="border", align_corners=False)
    slope, offset = torch.split(places, 3, 1)
    axes = _AXES.to(rows)
    turned = torch.einsum("ij,bjhw->bihw", axes, rows) * slope + offset
    calm: Tensor = torch.einsum("ji,bjhw->bihw", axes, turned)
    return calm


def sample_colors(image: Tensor, seed: int, limit: int = _SAMPLE) -> Tensor:
    """Colours of a picture as (C, N) on the CPU: all, or one from each of `limit` equal parts."""
    height, width = image.shape[-2:]
    count = height * width
    if count <= limit:
        return image[0].flatten(1).cpu()
    generator = torch.Generator().manual_seed(seed)
    inside = torch.rand(limit, generator=generator, dtype=torch.float64)
    places = ((torch.arange(limit) + inside) * (count / limit)).long().clamp(max=count - 1)
    places = places.to(image.device)
    return image[0][:, places // width, places % width].cpu()


def _sample_all(images: Sequence[Tensor], seed: int) -> Tensor:
    if not images:
        raise ShapeError("There is no picture to take colours from; give at least one.")
    samples = [sample_colors(image, seed, _SAMPLE // len(images)) for image in images]
    # Small pictures count as much as large ones: their colours are repeated.
    most = max(colors.shape[1] for colors in samples)
    return torch.cat([x.repeat(1, -(-most // x.shape[1]))[:, :most] for x in samples], dim=1)


def _length(image: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(image, dim=1, keepdim=True)
    return length


def _split_rows(*images: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(torch.split(image, _ROWS, dim=2) for image in images), strict=True)


def work_in_bands(work: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """Do something to pictures of one size that looks at one place at a time."""
    result = torch.empty_like(images[0])
    for *rows, place in _split_rows(*images, result):
        place.copy_(work(*rows))
    return result


#: All modes by name.
COLOR_MODES: dict[str, ColorMode] = {
    "style": ColorMode(
        "the painting's own colours",
        lambda style, photograph: style,
        lambda painting, photograph, styles, seed: painting,
    ),
    "photo": ColorMode(
        "the photograph's colours with the painted lightness",
        match_colors,
        lambda painting, photograph, styles, seed: take_colors(painting, photograph),
    ),
    "luminance": ColorMode(
        "painted in grey by lightness alone, then the photograph's colours",
        grey_like,
        lambda painting, photograph, styles, seed: take_colors(painting, photograph),
    ),
    "linear": ColorMode(
        "the style is recoloured like the photograph; softer than photo",
        match_colors,
        lambda painting, photograph, styles, seed: painting,
    ),
    "histogram": ColorMode(
        "the finished painting gets the photograph's palette",
        lambda style, photograph: style,
        lambda painting, photograph, styles, seed: match_histogram(painting, [photograph], seed),
        leaves_photographs=False,
    ),
    "palette": ColorMode(
        "only colours: the photograph with the style's palette, nothing painted",
        lambda style, photograph: style,
        lambda painting, photograph, styles, seed: take_palette(photograph, styles, seed),
        needs_painting=False,
        leaves_photographs=False,
    ),
}
