"""What a network sees: the maps of a layer as one labelled picture."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from impasto.encoders import Encoder, describe_unknown_layer
from impasto.errors import ConfigError
from impasto.images import Picture, to_pil
from impasto.pyramid import fit_size, resize

#: From nothing to the strongest: night, violet, red, amber, paper.
_STOPS = ((15, 14, 26), (74, 31, 98), (168, 52, 84), (233, 124, 58), (252, 225, 160))
_INK, _PAPER, _SOFT = (35, 32, 27), (250, 248, 244), (107, 101, 91)
_GAP, _LABEL, _HEAD = 10, 20, 40


class Channel(NamedTuple):
    """One map of a layer.

    Attributes:
        number: Of the channel, from 0.
        activity: Its mean activation.
        map: Shape (h, w).
    """

    number: int
    activity: float
    map: Tensor


def find_channels(
    encoder: Encoder, picture: Tensor, layer: str, count: int, *, backbone: str = "the network"
) -> tuple[list[Channel], int]:
    """The most active channels of a layer, strongest first.

    Args:
        encoder: The network.
        picture: Shape (1, 3, H, W), values in [0, 1].
        layer: Its name.
        count: How many channels, at most.
        backbone: Name of the network, for the message.

    Returns:
        The channels, and how many the layer has in all.

    Raises:
        ConfigError: If there is no such layer.
    """
    if layer not in encoder.layers:
        raise ConfigError(describe_unknown_layer(layer, backbone, encoder.layers))
    with torch.no_grad():
        maps = encoder(picture, [layer])[layer][0].float().cpu()  # (C, h, w)
    activity = maps.mean((1, 2))
    order = activity.argsort(descending=True, stable=True)[:count].tolist()
    return [Channel(n, float(activity[n]), maps[n]) for n in order], len(maps)


def draw_channels(
    channels: Sequence[Channel],
    total: int,
    picture: Picture,
    layer: str,
    *,
    columns: int = 8,
    side: int = 160,
    shared: bool = False,
) -> Image.Image:
    """A sheet of maps with the number and the mean of each, and the picture they come from.

    Args:
        channels: What to draw.
        total: How many channels the layer has.
        picture: The picture that was looked at.
        layer: Name of the layer, for the heading.
        columns: Maps in a row; the picture takes the place of the first.
        side: Long side of a map in px.
        shared: One scale of brightness for all maps, rather than one for each.
    """
    height, width = fit_size(picture.size, side)
    rows = math.ceil((len(channels) + 1) / columns)
    columns = min(columns, len(channels) + 1)
    cell, line = width + _GAP, height + _LABEL + _GAP
    sheet = Image.new("RGB", (columns * cell + _GAP, _HEAD + rows * line + _GAP), _PAPER)
    pen, small, large = ImageDraw.Draw(sheet), _font(12), _font(18)
    size = channels[0].map.shape
    heading = (
        f"{layer}: {len(channels)} of {total} channels, most active first; {size[1]}x{size[0]}"
        " positions"
    )
    pen.text((_GAP, 11), heading, _INK, font=_font_for(pen, heading, sheet.width - 2 * _GAP, large))
    strongest = max(float(one.map.max()) for one in channels)
    tiles = [
        (to_pil(Picture(resize(picture.pixels, (height, width)))).convert("RGB"), picture.name)
    ]
    for one in channels:
        image = paint_map(one.map, strongest if shared else float(one.map.max()))
        tiles.append((image.resize((width, height), Image.Resampling.NEAREST),
                      f"{one.number}   {one.activity:.3g}"))  # fmt: skip
    for place, (image, label) in enumerate(tiles):
        x, y = _GAP + place % columns * cell, _HEAD + place // columns * line
        sheet.paste(image, (x, y))
        ink = _INK if place else _SOFT
        pen.text((x, y + height + 3), label[: max(6, width // 7)], ink, font=small)
    return sheet


def paint_map(plane: Tensor, strongest: float) -> Image.Image:
    """A map (h, w) in colours: what is not positive is night, `strongest` is paper."""
    share = (plane / max(strongest, 1e-12)).clamp(0, 1) * (len(_STOPS) - 1)
    stops = torch.tensor(_STOPS, dtype=torch.float32)
    low = share.floor().long().clamp(max=len(_STOPS) - 2)
    colors = torch.lerp(stops[low], stops[low + 1], (share - low)[..., None])  # (h, w, 3)
    return Image.fromarray(colors.round().to(torch.uint8).numpy())


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _font_for(
    pen: ImageDraw.ImageDraw,
    text: str,
    width: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A smaller font where the text would not fit."""
    share = width / max(1.0, pen.textlength(text, font))
    return font if share >= 1 else _font(max(8, int(18 * share)))
