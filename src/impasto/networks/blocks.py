"""What fast networks are made of: convolutions that see no border, and normalisation by instance.

Pictures of any size go in: each network pads to a multiple of its stride and cuts the result.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from impasto.encoders import winograd

#: Added to a variance, so that a flat picture does not become noise.
EPSILON = 1e-5
#: Precisions in which statistics are taken as they are.
_EXACT = (torch.float32, torch.float64)
#: Deviations from the mean that are no strain.
_MOST = 4.0
#: Channels of a picture, and the pixels that a convolution to them makes at a time.
_COLORS, _BLOCK = 3, (2, 4)
#: Channels from which Winograd's convolution is faster for one picture, whatever its shape.
_WIDE = 128
#: Activations whose distances from their mean are taken at a time.
_BAND = 1 << 19
#: The factor by which bilinear enlargement and convolution become one.
_TWICE = 2
#: For each of the two pixels that one becomes in a row: what the pixel before, that pixel and the
#: one after it (from above) have of the three pixels around it (columns), bilinearly enlarged.
_PARTS = (
    ((0.75, 0.25, 0.0), (0.25, 0.75, 0.75), (0.0, 0.0, 0.25)),
    ((0.25, 0.0, 0.0), (0.75, 0.75, 0.25), (0.0, 0.25, 0.75)),
)


def measure_instance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over positions, each (B, C, 1, 1)."""
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = exact.mean(dim=(2, 3), keepdim=True)
    variance = _measure_variance(exact, mean)
    return mean.to(x.dtype), (variance + EPSILON).sqrt().to(x.dtype)


def _measure_variance(x: Tensor, mean: Tensor) -> Tensor:
    """Mean squared distance from the mean, in bands whose differences stay in the cache.

    `torch.var_mean` takes five times as long on a processor if channels lie last in memory.
    """
    if _is_watched(x):
        return (x - mean).square().mean(dim=(2, 3), keepdim=True)
    rows = max(1, _BAND // max(1, x.shape[0] * x.shape[1] * x.shape[3]))
    bands = [
        (band - mean).square_().sum(dim=(2, 3), keepdim=True)
        for band in torch.split(x, rows, dim=2)
    ]
    return torch.stack(bands).sum(0) / (x.shape[2] * x.shape[3])


class Ledger:
    """Means and deviations that a pass through a network normalised by, in order.

    A picture painted in tiles, or a frame of a film, must be normalised as the whole is: one pass
    over the whole (or a smaller copy of it) writes the ledger, the others read it.

    Args:
        entries: What an earlier ledger `entries`; left out, this one is written.
        origin: Row and column of the first pixel, where a picture is part of a larger one.
    """

    def __init__(
        self,
        entries: list[tuple[Tensor, Tensor]] | None = None,
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        self.origin = origin
        self.entries: list[tuple[Tensor, Tensor]] = [] if entries is None else entries
        self._reader: Iterator[tuple[Tensor, Tensor]] | None = None
        if entries is not None:
            self._reader = iter(entries)

    def consult(
        self, x: Tensor, measure: Callable[[Tensor], tuple[Tensor, Tensor]] = measure_instance
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation to normalise activations by, each (B, C, 1, 1).

        Args:
            x: The activations.
            measure: What takes them.
        """
        if self._reader is not None:
            mean, deviation = next(self._reader)
            return mean.to(x), deviation.to(x)
        found = measure(x)
        self.entries.append(found)
        return found


def normalise(
    x: Tensor,
    ledger: Ledger | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Instance normalisation (Ulyanov et al. 2016, eq. 1), then a scale and a shift, in one pass.

    Args:
        x: Activations, (B, C, H, W).
        ledger: Statistics to normalise by, or to be written.
        scale: Factors, (B or 1, C, 1, 1); 1 if left out.
        shift: What is added, (B or 1, C, 1, 1); 0 if left out.
    """
    scale = x.new_ones(()) if scale is None else scale.to(x.dtype)
    shift = x.new_zeros(()) if shift is None else shift.to(x.dtype)
    learns = x.requires_grad or scale.requires_grad or shift.requires_grad
    if ledger is None and learns and torch.is_grad_enabled() and x.dtype in _EXACT:
        return _Normalisation.apply(x, scale, shift)  # type: ignore[no-untyped-call, no-any-return]
    mean, deviation = measure_instance(x) if ledger is None else ledger.consult(x)
    factor = scale / deviation
    return torch.addcmul(shift - mean * factor, x, factor)


class _Normalisation(torch.autograd.Function):
    """Instance normalisation pulled back in closed form: autograd would take twice the passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        mean, deviation = measure_instance(x)
        ctx.save_for_backward(x, mean, deviation, scale)
        ctx.shifted = shift.shape
        factor = scale / deviation
        return torch.addcmul(shift - mean * factor, x, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, mean, deviation, scale = ctx.saved_tensors
        plain = (x - mean).div_(deviation)
        about_shift = slope.sum(dim=(2, 3), keepdim=True)
        about_scale = (slope * plain).sum(dim=(2, 3), keepdim=True)
        factor, count = scale / deviation, x.shape[2] * x.shape[3]
        pulled = plain.mul_(-factor * about_scale / count)
        pulled.add_(-factor * about_shift / count).addcmul_(slope, factor)
        return pulled, about_scale.sum_to_size(scale.shape), about_shift.sum_to_size(ctx.shifted)


def sum_strain(bodies: Sequence[Tensor]) -> Tensor:
    """How far single places of activations (B, C, H, W) stand out, beyond what pictures need.

    A network can defeat normalisation by one place of huge activations, which shrinks all others;
    in the painting that is a glaring spot (Karras et al. 2020, sec. 2). Squared excess over
    `_MOST` deviations, averaged over places and summed.
    """
    total = torch.zeros((), device=bodies[0].device)
    for x in bodies:
        mean, deviation = measure_instance(x)
        excess = F.relu(((x - mean) / deviation).abs() - _MOST)
        total = total + excess.square().mean()
    return total


class Convolution(nn.Conv2d):
    """A convolution that continues the picture by reflection, so that borders stay alive."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self.border = kernel // 2
        #: What was made of the weights, and of which.
        self._transformed: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W); the result has H / stride rows, rounded up."""
        return self.convolve(reflect(x, self.border))

    def convolve(self, x: Tensor) -> Tensor:
        """Convolve a picture that is continued already, (B, C, H + k - 1, W + k - 1)."""
        bias = self.bias
        assert bias is not None
        if self.stride != (1, 1) or self.groups > 1 or _is_traced():
            return super().forward(x)
        if not torch.is_grad_enabled() and winograd.pays(self.weight, _WIDE):
            kernel = self._keep(winograd.transform_kernel)
            return winograd.convolve(x, kernel, 0).add_(bias[:, None, None])
        if self.out_channels == _COLORS and self.border > 1:
            return convolve_in_blocks(x, self.weight, bias)
        return super().forward(x)

    def convolve_parts(self, x: Tensor) -> Tensor:
        """Convolve it as if it were twice as large, enlarged bilinearly; see `divide_kernel`.

        Args:
            x: Continued by a pixel, (B, C, H + 2, W + 2).

        Returns:
            Shape (B, C', 2 H, 2 W).
        """
        assert self.bias is not None
        bias = self.bias.repeat(_TWICE**2)
        if torch.is_grad_enabled():
            y = F.conv2d(x, divide_kernel(self.weight), bias)
        elif winograd.pays(self.weight, _WIDE):
            kernel = self._keep(lambda weight: winograd.transform_kernel(divide_kernel(weight)))
            y = winograd.convolve(x, kernel, 0).add_(bias[:, None, None])
        else:
            y = F.conv2d(x, self._keep(divide_kernel), bias)
        return _join_parts(y)

    def _keep(self, transform: Callable[[Tensor], Tensor]) -> Tensor:
        """What is made of the weights, as long as they stay what they are."""
        weight = self.weight
        # Weights in inference mode count no versions: nothing changes them.
        version = 0 if weight.is_inference() else weight._version
        made_of = (weight.data_ptr(), version)
        if self._transformed is None or self._transformed[0] != made_of:
            self._transformed = made_of, transform(weight)
        return self._transformed[1]


class Enlargement(nn.Module):
    """Enlargement, then a convolution: no checkerboard (Odena et al. 2016).

    Args:
        inputs: Channels that go in.
        outputs: Channels that come out.
        kernel: Side of the convolution.
        factor: How many times as large.
        smooth: Whether it enlarges bilinearly, and not by the nearest neighbour.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, factor: int = 2, *, smooth: bool = True
    ) -> None:
        super().__init__()
        self.factor, self.smooth = factor, smooth
        self.convolution = Convolution(inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, C, H, W) to (B, C', H * factor, W * factor)."""
        return convolve_enlarged(self.convolution, x, self.factor, smooth=self.smooth)


def enlarge(x: Tensor, factor: int, *, smooth: bool) -> Tensor:
    """Enlarge a picture (B, C, H, W) bilinearly, or by repeating its pixels.

    Repeated pixels have edges along rows and columns, of which a convolution makes lines: in flat
    places, where nothing else is to be seen, a painting has a weave. Enlarged bilinearly it has
    none (Karras et al. 2020 filter what they enlarge for the same reason).
    """
    if smooth:
        return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def convolve_enlarged(
    convolution: Convolution, x: Tensor, factor: int, *, smooth: bool = False
) -> Tensor:
    """Enlarge, then convolve, without the enlarged picture.

    Of what a kernel sees on an enlarged picture, much is the same: it can be computed from fewer
    pixels with kernels made for that, one for each pixel that a pixel becomes. Beyond its border an
    enlarged picture is continued by its outermost pixels.
    """
    if convolution.border == 0:
        return enlarge(convolution(x), factor, smooth=smooth)
    simple = convolution.border == 1 and convolution.groups == 1 and not _is_traced()
    if not simple or (smooth and factor != _TWICE):
        return convolution.convolve(F.pad(
            enlarge(x, factor, smooth=smooth), (convolution.border,) * 4, "replicate"
        ))  # fmt: skip
    around = F.pad(x, (1,) * 4, "replicate")
    if smooth:
        return convolution.convolve_parts(around)
    return _convolve_repeated(around, convolution, factor)


def _convolve_repeated(around: Tensor, convolution: Convolution, factor: int) -> Tensor:
    """Written as the transpose of a convolution, whose kernel is the sum of its moved copies."""
    last = factor - 1
    moved = [
        F.pad(convolution.weight, (left, last - left, top, last - top))
        for top in range(factor)
        for left in range(factor)
    ]
    kernel = torch.stack(moved).sum(0).flip(2, 3).transpose(0, 1)
    return F.conv_transpose2d(around, kernel, convolution.bias, factor, factor + 1)


def _join_parts(x: Tensor) -> Tensor:
    """Four pixels that lie one behind the other, (B, 4 K, H, W), side by side: (B, K, 2 H, 2 W).

    `F.pixel_shuffle` moves number by number; here all channels of a pixel move together.
    """
    batch, _, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(batch, height, width, _TWICE, _TWICE, -1)
    rows = parts.transpose(2, 3).reshape(batch, _TWICE * height, _TWICE * width, -1)
    return rows.permute(0, 3, 1, 2)


def divide_kernel(weight: Tensor) -> Tensor:
    """Kernels that see a small picture as one sees it twice as large, bilinearly enlarged.

    Args:
        weight: Shape (K, C, 3, 3).

    Returns:
        Shape (4 K, C, 3, 3): K for the upper left pixel of four, then for the upper right one, the
        lower left one, the lower right one.
    """
    parts = weight.new_tensor(_PARTS)
    kernels = torch.einsum("pya,qxb,kcab->pqkcyx", parts, parts, weight)
    return kernels.flatten(0, 2)


def convolve_in_blocks(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve to few channels, for which processors are not built: 2 x 4 pixels as one with eight.

    Args:
        x: Already continued, (B, C, H + k - 1, W + k - 1).
        weight: Shape (K, C, k, k).
        bias: Shape (K,).

    Returns:
        Shape (B, K, H, W).
    """
    down, across = _BLOCK
    outputs, _, side, _ = weight.shape
    height, width = x.shape[-2] - side + 1, x.shape[-1] - side + 1
    if height % down or width % across or x.device.type != "cpu":
        return F.conv2d(x, weight, bias)
    moved = [
        F.pad(weight, (column, across - 1 - column, row, down - 1 - row))
        for row in range(down)
        for column in range(across)
    ]
    kernels = torch.stack(moved, dim=1).flatten(0, 1)  # (K * 8, C, k + 1, k + 3)
    kernels = kernels.contiguous(memory_format=torch.channels_last)
    y = F.conv2d(x, kernels, bias.repeat_interleave(down * across), _BLOCK)
    y = y.view(-1, outputs, down, across, height // down, width // across)
    return y.permute(0, 1, 4, 2, 5, 3).reshape(-1, outputs, height, width)


def reflect(x: Tensor, border: int) -> Tensor:
    """Continue a picture by reflection, and by repetition where it is too small to be mirrored."""
    if not border:
        return x
    mode = "reflect" if min(x.shape[-2:]) > border else "replicate"
    if mode == "replicate" or _is_watched(x) or not _lies_channels_last(x):
        return F.pad(x, (border,) * 4, mode)
    return _reflect_by_rows(x, border)


def _reflect_by_rows(x: Tensor, border: int) -> Tensor:
    """The same where channels lie last in memory: PyTorch goes through it place by place."""
    batch, channels, height, width = x.shape
    shape = (batch, channels, height + 2 * border, width + 2 * border)
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    rows = result[:, :, border:-border]
    rows[..., border:-border].copy_(x)
    for away in range(1, border + 1):
        rows[..., border - away].copy_(x[..., away])
        rows[..., border + width - 1 + away].copy_(x[..., width - 1 - away])
    for away in range(1, border + 1):
        last = border + height - 1
        result[:, :, border - away].copy_(result[:, :, border + away])
        result[:, :, last + away].copy_(result[:, :, last - away])
    return result


def fold_squares(x: Tensor) -> Tensor:
    """Two by two pixels as one place: (B, C, H, W) to (B, 4 C, H / 2, W / 2), channels last."""
    if _is_watched(x):
        return F.pixel_unshuffle(x, 2)
    batch, channels, height, width = x.shape
    shape = (batch, 4 * channels, height // 2, width // 2)
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for place in range(4):
        result[:, place::4].copy_(x[..., place // 2 :: 2, place % 2 :: 2])
    return result


def fit_stride(image: Tensor, stride: int) -> Tensor:
    """Continue a picture to the right and below until its sides are multiples of `stride`."""
    height, width = image.shape[-2:]
    right, below = -width % stride, -height % stride
    if not right and not below:
        return image
    mode = "reflect" if width > right and height > below else "replicate"
    return F.pad(image, (0, right, 0, below), mode)


def squash(x: Tensor) -> Tensor:
    """Bring a network's output into [0, 1] (Johnson et al. 2016: a scaled tanh).

    The range is a little wider, for black and white lie at infinity otherwise: 0.5 + 0.55 tanh(x),
    written with the logistic function, which processors have ready.
    """
    return 1.1 * torch.sigmoid(2 * x) - 0.05


def _lies_channels_last(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)


def _is_watched(x: Tensor) -> bool:
    """Whether gradients, or another runtime, want what is done to a tensor in plain steps."""
    return _is_traced() or (torch.is_grad_enabled() and x.requires_grad)


def _is_traced() -> bool:
    """Whether a network is being written down for other runtimes, which know plain layers best."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]
