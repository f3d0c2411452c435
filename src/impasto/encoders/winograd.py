"""3 x 3 convolutions with a quarter of the multiplications (Lavin & Gray 2016, F(4x4, 3x3)).

Processors without half-precision arithmetic compute VGG in float32, where the convolutions of
wide layers are bound by multiplications. Winograd's minimal filtering computes a 4 x 4 patch of
the output from a 6 x 6 patch of the input: both are transformed by small constant matrices, and
in between one matrix product over channels is left for each of the 36 points, in place of nine
for each of the 16 outputs. The result differs from the plain convolution by about 5e-6 of the
largest output, in float32.
"""

import torch
from torch import Tensor

#: The transforms of input, kernel and output for the points 0, 1, -1, 2, -2 and infinity.
_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float32,
)
_KERNEL = (
    torch.tensor(
        [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]],
        dtype=torch.float32,
    )
    / 24
)
_OUTPUT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    dtype=torch.float32,
)

#: Fewest channels, in and out, with which the saved multiplications outweigh the transforms.
FEWEST_CHANNELS = 96
#: Values of a transformed band of patches: with fewer channels, and from 256 on, where a kernel
#: is so large that fetching it must be worth it.
_BAND, _WIDE_BAND = 1 << 20, 1 << 24


def pays(weight: Tensor, fewest: int = FEWEST_CHANNELS) -> bool:
    """Whether a convolution is faster this way on the machine that this is.

    Measured on x86-64 with AVX2, where it takes a half of the time at 256 and 512 channels, and
    0.5 to 0.9 of it at 96 to 128. With AVX-512 the plain convolution is the faster one.

    Args:
        weight: Shape (C_out, C_in, k, k).
        fewest: Channels, in and out, that it must have.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    wide = min(weight.shape[:2]) >= fewest
    return wide and tuple(weight.shape[2:]) == (3, 3) and _has_avx2_only()


def transform_kernel(weight: Tensor) -> Tensor:
    """Bring a kernel into the form that `convolve` takes.

    Args:
        weight: Shape (C_out, C_in, 3, 3).

    Returns:
        Shape (36, C_in, C_out), float32: four times the size.
    """
    outputs, inputs = weight.shape[:2]
    rows = torch.einsum("ai,kcij->ajck", _KERNEL.to(weight), weight)
    points = torch.einsum("bj,ajck->abck", _KERNEL.to(weight), rows)
    return points.reshape(36, inputs, outputs).contiguous()


def convolve(x: Tensor, kernel: Tensor, padding: int = 1) -> Tensor:
    """Convolve as `F.conv2d(x, weight, padding=padding)`.

    Args:
        x: Shape (B, C_in, H, W), float32; fastest with channels last in memory.
        kernel: What `transform_kernel` gave.
        padding: Zeros on each side, 0 to 2 px.

    Returns:
        Shape (B, C_out, H + 2 padding - 2, W + 2 padding - 2), channels last in memory.
    """
    pictures = [_convolve_one(one, kernel, padding) for one in torch.split(x, 1)]
    return pictures[0] if len(pictures) == 1 else torch.cat(pictures)


def _convolve_one(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    inputs, outputs = kernel.shape[1:]
    height, width = (side + 2 * padding - 2 for side in x.shape[-2:])
    rows, columns = -(-height // 4), -(-width // 4)
    pixels = x[0].permute(1, 2, 0).contiguous()  # (H, W, C); no copy if channels lie last
    result = x.new_empty((4 * rows, 4 * columns, outputs))
    band = _choose_band(rows, columns, max(inputs, outputs))
    scratch = _Scratch(x, 36 * band * columns, max(inputs, outputs))
    padded = x.new_zeros((4 * band + 2, 4 * columns + 2, inputs))
    for first in range(0, rows, band):
        last = min(first + band, rows)
        _fill(padded, pixels, 4 * first - padding, padding)
        made = _filter(_cut_patches(padded, last - first, columns), kernel, scratch)
        place = result[4 * first : 4 * last].view(last - first, 4, columns, 4, outputs)
        place.copy_(made.permute(2, 0, 3, 1, 4))
    return result[:height, :width].permute(2, 0, 1).unsqueeze(0)


def _fill(padded: Tensor, pixels: Tensor, top: int, left: int) -> None:
    """Copy rows of a picture, from row `top` on, between columns of zeros; zeros beyond it."""
    height, width, _ = pixels.shape
    first, last = max(0, top), min(height, top + padded.shape[0])
    padded[: first - top].zero_()
    padded[last - top :].zero_()
    padded[first - top : last - top, left : left + width].copy_(pixels[first:last])


def _choose_band(rows: int, columns: int, channels: int) -> int:
    """Rows of patches at a time, so that what is made of them stays in the processor's cache."""
    values = _WIDE_BAND if channels >= 256 else _BAND
    most = max(1, min(rows, values // (36 * columns * channels)))
    return -(-rows // -(-rows // most))


class _Scratch:
    """Two blocks of memory that each band writes over again."""

    def __init__(self, like: Tensor, positions: int, channels: int) -> None:
        self.first = like.new_empty(positions * channels)
        self.second = like.new_empty(positions * channels)


def _cut_patches(padded: Tensor, rows: int, columns: int) -> Tensor:
    """View overlapping 6 x 6 patches, 4 px apart: (6, 6, rows, columns, C)."""
    _, width, channels = padded.shape
    row = width * channels
    strides = (row, channels, 4 * row, 4 * channels, 1)
    return padded.as_strided((6, 6, rows, columns, channels), strides)


def _filter(patches: Tensor, kernel: Tensor, scratch: _Scratch) -> Tensor:
    _, _, rows, columns, inputs = patches.shape
    outputs, positions = kernel.shape[2], rows * columns
    into, onto = _INPUT.to(patches), _OUTPUT.to(patches)
    one, two = scratch.first, scratch.second

    gathered = one[: 36 * positions * inputs].view(6, 6, rows, columns, inputs)
    gathered.copy_(patches)
    half = two[: gathered.numel()]
    torch.mm(into, gathered.view(6, -1), out=half.view(6, -1))
    torch.bmm(into.expand(6, 6, 6), half.view(6, 6, -1), out=gathered.view(6, 6, -1))
    mixed = two[: 36 * positions * outputs]
    torch.bmm(gathered.view(36, positions, inputs), kernel, out=mixed.view(36, positions, outputs))
    half = one[: 24 * positions * outputs]
    torch.mm(onto, mixed.view(6, -1), out=half.view(4, -1))
    made = two[: 16 * positions * outputs]
    torch.bmm(onto.expand(4, 4, 6), half.view(4, 6, -1), out=made.view(4, 4, -1))
    return made.view(4, 4, rows, columns, outputs)


def _has_avx2_only() -> bool:
    # PyTorch's own choice of instructions, which its environment variable can lower.
    return torch.backends.cpu.get_cpu_capability() == "AVX2"
