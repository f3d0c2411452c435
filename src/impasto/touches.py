"""Finishing touches on a painting: levels, colour, sharpness, grain, canvas, the photograph.

`impasto.finishing` says what there is and reads it from text; here each touch is a function of
some rows of a picture, so that a very large picture needs little beside itself.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.color import TO_CONES, TO_LAB, delinearize, linearize, mix, rgb_to_oklab
from impasto.config import Pattern, Seamless
from impasto.errors import ConfigError, ShapeError
from impasto.finishing import Touch, check_libraries
from impasto.patterns import continue_picture
from impasto.pyramid import Size
from impasto.textures import Noise, Weave, centers

#: Pixels that are worked on at a time: the steps between take many times their memory.
_BAND_PIXELS = 1 << 20

#: OkLab lightness of a grey card, which reflects 18 percent of the light.
_MID_GREY = 0.18 ** (1 / 3)

#: How far sharpening may go beyond the lightest and darkest neighbour, in OkLab lightness.
_HALO = 0.03

#: Linear sRGB -> CIE XYZ (IEC 61966-2-1), and that -> the cones of CAT16 (Li et al. 2017).
_TO_XYZ = torch.tensor(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ],
    dtype=torch.float64,
)
_TO_CAT16 = torch.tensor(
    [
        [0.401288, 0.650173, -0.051461],
        [-0.250268, 1.204414, 0.045854],
        [-0.002079, 0.048952, 0.953127],
    ],
    dtype=torch.float64,
)


class _Work(NamedTuple):
    """A touch at work on rows of a picture.

    Attributes:
        change: (rows, index of the first of them) -> changed rows, both (1, 3, h, W). It leaves
            what it is given as it is.
        reach: How many rows above and below a row, and columns beside one, have a say in it.
            Where it is not 0, the work is the same at every place.
    """

    change: Callable[[Tensor, int], Tensor]
    reach: int = 0


class _Scene(NamedTuple):
    """What a touch may know beside the rows: sizes, random numbers, photograph and pattern."""

    size: Size
    generator: torch.Generator
    photograph: Tensor | None
    seamless: Seamless


def apply_finish(
    picture: Tensor,
    touches: Sequence[Touch],
    *,
    photograph: Tensor | None = None,
    seed: int = 0,
    seamless: Seamless = "none",
) -> Tensor:
    """Give a picture its finishing touches, in their order.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1], any device; it is not changed.
        touches: From `impasto.finishing.parse_finish`.
        photograph: What `blend` mixes in; the same shape.
        seed: Of grain and canvas: same seed and size, same picture, on every device. A touch
            that is named twice draws anew.
        seamless: How the picture repeats; textures then repeat with it, and what looks around
            looks into the neighbouring tiles.

    Returns:
        A new tensor of the same shape, clamped to [0, 1].

    Raises:
        ConfigError: If a library or the photograph is missing, or the photograph has another
            size.
        ShapeError: If `picture` is not (1, 3, H, W).
    """
    _check(picture, touches, photograph)
    result = picture.detach().clone(memory_format=torch.contiguous_format).clamp_(0, 1)
    size = (picture.shape[-2], picture.shape[-1])
    for index, touch in enumerate(touches):
        if touch.is_neutral:
            continue
        before = sum(one.name == touch.name for one in touches[:index])
        generator = torch.Generator().manual_seed(_mix_seed(seed, touch.name, before))
        scene = _Scene(size, generator, photograph, seamless)
        work = _WORKS[touch.name](touch.numbers, scene)
        if seamless == "none" or not work.reach:
            _work_in_bands(result, work)
        else:
            result = _work_around(result, work, seamless)
    return result


def _work_around(picture: Tensor, work: _Work, kind: Pattern) -> Tensor:
    """Work on a picture together with what lies around it; a new tensor."""
    around = continue_picture(picture, work.reach, kind)
    _work_in_bands(around, work)
    inside = slice(work.reach, -work.reach)
    return around[..., inside, inside].contiguous()


def _check(picture: Tensor, touches: Sequence[Touch], photograph: Tensor | None) -> None:
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise ShapeError(f"A picture has shape (1, 3, H, W), not {tuple(picture.shape)}.")
    check_libraries(touches)
    if all(touch.name != "blend" or touch.is_neutral for touch in touches):
        return
    if photograph is None:
        raise ConfigError("The touch 'blend' needs the photograph; give it, or leave blend out.")
    if photograph.shape != picture.shape:
        raise ConfigError(
            f"The touch 'blend' needs a photograph of shape {tuple(picture.shape)}, not"
            f" {tuple(photograph.shape)}; resize it first."
        )


def _mix_seed(seed: int, name: str, before: int) -> int:
    """A seed of its own for each touch, so that no two draw the same numbers."""
    return seed ^ zlib.crc32(f"{name}{before}".encode())


def _work_in_bands(picture: Tensor, work: _Work) -> None:
    """Change a picture in place, band by band; each sees its neighbours as they were before."""
    height, width = picture.shape[-2:]
    rows = max(1, _BAND_PIXELS // width)
    above = picture[:, :, :0]
    for top in range(0, height, rows):
        stop = min(height, top + rows)
        seen = torch.cat([above, picture[:, :, top : stop + work.reach]], dim=2)
        start = above.shape[2]
        done = start + stop - top
        changed = work.change(seen, top - start)
        picture[:, :, top:stop] = changed[:, :, start:done].clamp(0, 1)
        above = seen[:, :, max(0, done - work.reach) : done]


# Colour


def _levels(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Display values to ((value - black) / (white - black)) ** (1 / gamma), as editors do."""
    black, white, gamma = numbers

    def change(rows: Tensor, first: int) -> Tensor:
        return ((rows - black) / (white - black)).clamp(0, 1) ** (1 / gamma)

    return _Work(change)


def _contrast(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Lightness about mid-grey, where its slope is the factor.

    Below 1 a line; above 1 two powers that meet at mid-grey and keep black and white, for a
    line would cut them off.
    """
    (factor,) = numbers

    def change(lightness: Tensor, first: int) -> Tensor:
        if factor <= 1:
            return _MID_GREY + factor * (lightness - _MID_GREY)
        dark = _MID_GREY * (lightness / _MID_GREY) ** factor
        light = 1 - (1 - _MID_GREY) * ((1 - lightness) / (1 - _MID_GREY)).clamp(min=0) ** factor
        return torch.where(lightness < _MID_GREY, dark, light)

    return _on_lightness(change)


def _saturation(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """OkLab chroma times a factor."""

    def change(rows: Tensor, first: int) -> Tensor:
        lab = rgb_to_oklab(rows)
        return _show(torch.cat([lab[:, :1], numbers[0] * lab[:, 1:]], dim=1))

    return _Work(change)


def _temperature(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """The colours under another daylight (von Kries with CAT16), at their own lightness."""
    cones = _TO_CAT16 @ _TO_XYZ
    gains = (_TO_CAT16 @ _daylight(numbers[0])) / (_TO_CAT16 @ _daylight(0))
    adapt = torch.linalg.inv(cones) @ torch.diag(gains) @ cones

    def change(rows: Tensor, first: int) -> Tensor:
        moved = rgb_to_oklab(delinearize(mix(linearize(rows), adapt)))
        return _show(torch.cat([rgb_to_oklab(rows)[:, :1], moved[:, 1:]], dim=1))

    return _Work(change)


def _daylight(shift: float) -> Tensor:
    """White of CIE daylight as XYZ with Y = 1: 6504 K at 0, 4280 K at 1, 13560 K at -1.

    The shift is linear in reciprocal temperature (80 mired), in which equal steps look equal.
    The locus is that of CIE 15:2004, eq. 3.3 and 3.4.
    """
    kelvin = 1e6 / (1e6 / 6504 + 80 * shift)
    if kelvin <= 7000:
        x = -4.6070e9 / kelvin**3 + 2.9678e6 / kelvin**2 + 99.11 / kelvin + 0.244063
    else:
        x = -2.0064e9 / kelvin**3 + 1.9018e6 / kelvin**2 + 247.48 / kelvin + 0.237040
    y = -3 * x**2 + 2.87 * x - 0.275
    return torch.tensor([x / y, 1, (1 - x - y) / y], dtype=torch.float64)


def _blend(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Mix with the photograph as light mixes."""

    def change(rows: Tensor, first: int) -> Tensor:
        assert scene.photograph is not None
        photograph = scene.photograph[:, :, first : first + rows.shape[2]].detach().to(rows)
        return delinearize(torch.lerp(linearize(rows), linearize(photograph), numbers[0]))

    return _Work(change)


def _on_lightness(change: Callable[[Tensor, int], Tensor], reach: int = 0) -> _Work:
    """Make a change of OkLab lightness, (1, 1, h, W), a change of a picture; hue, chroma stay."""

    def change_rows(rows: Tensor, first: int) -> Tensor:
        lab = rgb_to_oklab(rows)
        return _show(torch.cat([change(lab[:, :1], first), lab[:, 1:]], dim=1))

    return _Work(change_rows, reach)


def _show(lab: Tensor) -> Tensor:
    """OkLab to sRGB; what no display can show keeps lightness and hue and loses chroma.

    Ottosson 2021, "sRGB gamut clipping": clamping the channels instead would turn the hue.

    Args:
        lab: Shape (1, 3, h, W); it is changed.
    """
    lab[:, :1].clamp_(0, 1)
    light = _oklab_to_light(lab)
    beyond = ~_is_shown(light)[0]  # (h, W)
    if beyond.any():
        colors = lab[0][:, beyond]  # (3, n)
        light[0][:, beyond] = _oklab_to_light(_reduce_chroma(colors[None, :, None]))[0, :, 0]
    return delinearize(light).clamp(0, 1)


def _reduce_chroma(lab: Tensor) -> Tensor:
    """The strongest colours of the same lightness and hue that can be shown, by bisection."""
    lightness, colors = lab[:, :1], lab[:, 1:]
    low, high = torch.zeros_like(lightness), torch.ones_like(lightness)
    for _ in range(16):
        middle = (low + high) / 2
        shown = _is_shown(_oklab_to_light(torch.cat([lightness, middle * colors], dim=1)))
        shown = shown[:, None]
        low, high = torch.where(shown, middle, low), torch.where(shown, high, middle)
    return torch.cat([lightness, low * colors], dim=1)


def _oklab_to_light(lab: Tensor) -> Tensor:
    """Linear sRGB, beyond [0, 1] where a display cannot follow."""
    return mix(mix(lab, torch.linalg.inv(TO_LAB)) ** 3, torch.linalg.inv(TO_CONES))


def _is_shown(light: Tensor) -> Tensor:
    """Whether a display shows it, but for what nobody sees.

    A thousandth of the strongest channel, for the gamut has a dent of that depth beside blue:
    the way from blue to grey leads out of it and in again.
    """
    margin = 1e-3 * light.amax(1)
    return (light.amin(1) >= -margin) & (light.amax(1) <= 1.001)


# Sharpness


def _denoise(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Non-local means (Buades et al. 2005), scikit-image's fast form (Darbon et al. 2008)."""
    from skimage.restoration import denoise_nl_means

    patch, distance = 5, 6

    def change(rows: Tensor, first: int) -> Tensor:
        # In float64, for the fast form takes differences of sums over the whole band.
        pixels = rows[0].permute(1, 2, 0).cpu().double().numpy()  # (h, W, 3)
        calm = denoise_nl_means(
            pixels, patch, distance, h=0.1 * numbers[0], channel_axis=-1, preserve_range=True
        )
        return torch.from_numpy(calm.reshape(pixels.shape)).permute(2, 0, 1)[None].to(rows)

    return _Work(change, reach=2 * (patch + distance))


def _sharpen(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Unsharp mask on lightness: L + amount * (L - blurred L), held near what is around it."""
    amount, radius = numbers
    half = max(1, round(radius))

    def change(lightness: Tensor, first: int) -> Tensor:
        sharp = lightness + amount * (lightness - _blur(lightness, radius))
        high = F.max_pool2d(lightness, 2 * half + 1, 1, half)
        low = -F.max_pool2d(-lightness, 2 * half + 1, 1, half)
        over, under = (sharp - high).clamp(min=0), (low - sharp).clamp(min=0)
        halo = torch.tanh(over / _HALO) - torch.tanh(under / _HALO)
        return torch.clamp(sharp, low, high) + _HALO * halo

    return _on_lightness(change, reach=max(half, _half_width(radius)))


def _blur(plane: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (1, 1, H, W); the border is repeated outwards."""
    half = _half_width(sigma)
    kernel = torch.exp(-(torch.arange(-half, half + 1.0) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(plane)
    across = F.conv2d(F.pad(plane, (half, half, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
    return F.conv2d(F.pad(across, (0, 0, half, half), "replicate"), kernel.view(1, 1, -1, 1))


def _half_width(sigma: float) -> int:
    return math.ceil(3 * sigma)


# Texture


def _grain(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Noise of lightness, none in black and white; grains of two sizes, as in film."""
    coarse, fine = (
        Noise(cells, scene.size, scene.generator, scene.seamless) for cells in (1024, 2048)
    )
    columns = centers(0, scene.size[1])

    def change(lightness: Tensor, first: int) -> Tensor:
        rows = centers(first, first + lightness.shape[2])
        noise = 0.8 * coarse.sample(rows, columns) + 0.6 * fine.sample(rows, columns)
        return lightness + 0.48 * numbers[0] * lightness * (1 - lightness) * noise.to(lightness)

    return _on_lightness(change)


def _canvas(numbers: tuple[float, ...], scene: _Scene) -> _Work:
    """Lightness times the light on a weave."""
    amount, threads = numbers
    weave = Weave(threads, scene.size, scene.generator, scene.seamless)

    def change(lightness: Tensor, first: int) -> Tensor:
        light = weave.light(first, first + lightness.shape[2])
        return lightness * (1 + 0.08 * amount * light.to(lightness))

    return _on_lightness(change)


_WORKS: dict[str, Callable[[tuple[float, ...], _Scene], _Work]] = {
    "levels": _levels,
    "contrast": _contrast,
    "saturation": _saturation,
    "temperature": _temperature,
    "denoise": _denoise,
    "sharpen": _sharpen,
    "grain": _grain,
    "canvas": _canvas,
    "blend": _blend,
}
