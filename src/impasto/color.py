"""Colour spaces, and keeping the photograph's colours."""

import torch
from torch import Tensor

#: Linear sRGB -> cone responses, and their cube roots -> OkLab (Ottosson 2020).
TO_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
TO_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


def linearize(image: Tensor) -> Tensor:
    """Undo the sRGB transfer curve (IEC 61966-2-1): display values to light, both in [0, 1]."""
    return torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)


def delinearize(light: Tensor) -> Tensor:
    """Apply the sRGB transfer curve: light to display values, both in [0, 1]."""
    light = light.clamp(min=0)
    curve = 1.055 * light.clamp(min=1e-8) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)


def rgb_to_oklab(image: Tensor) -> Tensor:
    """Convert sRGB to OkLab (Ottosson 2020), where lightness and colour are independent.

    Args:
        image: Shape (B, 3, H, W), values in [0, 1].

    Returns:
        Same shape: lightness in [0, 1], then two colour axes in about [-0.4, 0.4].
    """
    cones = mix(linearize(image), TO_CONES).clamp(min=0) ** (1 / 3)
    return mix(cones, TO_LAB)


def oklab_to_rgb(lab: Tensor) -> Tensor:
    """Convert OkLab to sRGB; colours that a display cannot show are clamped to [0, 1]."""
    cones = mix(lab, torch.linalg.inv(TO_LAB)) ** 3
    return delinearize(mix(cones, torch.linalg.inv(TO_CONES))).clamp(0, 1)


def take_colors(painting: Tensor, photograph: Tensor) -> Tensor:
    """Give a painting the colours of a photograph and keep its own lightness.

    Args:
        painting: Shape (B, 3, H, W), values in [0, 1].
        photograph: The same shape.
    """
    result = torch.empty_like(painting)
    # In bands, for the steps between would take many times the memory of a large picture.
    bands = zip(*(torch.split(x, 256, 2) for x in (painting, photograph, result)), strict=True)
    for paint, light, place in bands:
        lightness, colors = rgb_to_oklab(paint)[:, :1], rgb_to_oklab(light)[:, 1:]
        place.copy_(oklab_to_rgb(torch.cat([lightness, colors], dim=1)))
    return result


def match_colors(image: Tensor, reference: Tensor) -> Tensor:
    """Move the mean and covariance of a picture's colours onto those of another.

    Linear colour transfer by symmetric roots (Gatys et al. 2016, "Preserving Color in Neural
    Artistic Style Transfer", sec. 3.1, image-analogies form).

    Args:
        image: Shape (1, 3, H, W), values in [0, 1].
        reference: Shape (1, 3, any, any).

    Returns:
        Recoloured `image`, clamped to [0, 1].
    """
    pixels = image[0].flatten(1).double()  # (3, H*W)
    wanted = reference[0].flatten(1).double()
    floor = 1e-6 * torch.eye(3, dtype=torch.float64, device=image.device)
    source_root = _matrix_root(torch.cov(pixels) + floor)
    target_root = _matrix_root(torch.cov(wanted) + floor)
    transform = target_root @ torch.linalg.inv(source_root)
    mean, wanted_mean = pixels.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
    moved: Tensor = transform @ (pixels - mean) + wanted_mean
    return moved.view_as(image[0]).unsqueeze(0).to(image.dtype).clamp(0, 1)


def _matrix_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.mT
    return root


def mix(image: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the colour of every pixel, (B, 3, H, W), with a matrix (3, 3)."""
    mixed: Tensor = torch.einsum("ij,bjhw->bihw", matrix.to(image), image)
    return mixed
