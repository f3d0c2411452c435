"""What a painting is made from: the photograph and the styles made ready, and the first picture."""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.color import match_colors
from impasto.colormodes import sample_colors
from impasto.config import PaintConfig, parse_blend
from impasto.encoders import Encoder
from impasto.errors import ConfigError, ShapeError
from impasto.patterns import make_seamless
from impasto.photoreal import fit_look, transfer_look
from impasto.pyramid import Size, cover, resize, trim_border
from impasto.recoloring import recolor_styles
from impasto.regions import Guidance, pair_masks


def check_pictures(content: Tensor, styles: Sequence[Tensor], config: PaintConfig) -> None:
    """Raise if there is no style, or if a picture is not (1, 3, H, W)."""
    if not styles and config.needs_style:
        raise ConfigError("No style is given; name at least one style picture.")
    for image in (content, *styles):
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ShapeError(f"A picture has shape (1, 3, H, W), not {tuple(image.shape)}.")


def prepare_content(content: Tensor, config: PaintConfig, size: Size) -> Tensor:
    """The photograph as it is painted: a tile, at the full size, if the painting is to be one."""
    if config.seamless == "none":
        return content
    return make_seamless(resize(content, size), config.seamless)


def prepare_styles(content: Tensor, styles: Sequence[Tensor], config: PaintConfig) -> list[Tensor]:
    """The styles as they are looked at: without their frames, in the colours wanted."""
    trimmed = [trim_border(style, config.trim_style) for style in styles]
    scales = config.list_style_scales(len(styles))
    coarse = [style for style, scale in zip(trimmed, scales, strict=True) if scale == "coarse"]
    if coarse:
        # Brushwork without its colours, which the layers that see it would bring along.
        colors = torch.cat([sample_colors(style, config.seed) for style in coarse], dim=1)
        palette = colors[None, :, None].to(content)
        trimmed = [
            match_colors(style, palette) if scale == "fine" else style
            for style, scale in zip(trimmed, scales, strict=True)
        ]
    return recolor_styles(trimmed, content, config.color_modes)


def recolor_photograph(
    content: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    config: PaintConfig,
    size: Size,
    guidance: Guidance | None,
) -> Tensor:
    """The photograph that is painted from: to stay one, it has the style's look from the start.

    Else the content loss would pull the colours and the light of the photograph back.
    """
    if config.photoreal != "affine":
        return content
    guidance = guidance or guide_evenly(styles, config)
    return transfer_look(resize(content, size), fit_look(content, styles, encoder, guidance))


def guide_evenly(styles: Sequence[Tensor], config: PaintConfig) -> Guidance:
    """All styles everywhere, each with its share."""
    return Guidance(pair_masks(len(styles), (), (), config.style_shares))


def make_start(
    content: Tensor,
    styles: Sequence[Tensor],
    config: PaintConfig,
    size: Size,
    start: Tensor | None = None,
) -> Tensor:
    """Mix the picture that painting starts from, shape (1, 3, *size), values in [0, 1]."""
    shares = parse_blend(config.init)
    if "file" in shares and start is None:
        raise ConfigError("The start 'file' needs a picture; give one, with --init-file.")
    mixed = torch.zeros((1, 3, *size), device=content.device)
    for name, share in shares.items():
        if name == "content":
            part = resize(content, size, config.seamless)
        elif name == "style":
            hung = torch.stack([cover(style, size) for style in styles]).mean(0)
            part = make_seamless(hung, config.seamless)
        elif name == "noise":
            # On the CPU, so that a seed gives the same noise on every device.
            generator = torch.Generator().manual_seed(config.seed)
            part = torch.rand((1, 3, *size), generator=generator).to(content.device)
        else:
            assert start is not None
            part = make_seamless(cover(start.to(content.device), size), config.seamless)
        mixed += share * part
    return mixed.clamp_(0, 1)
