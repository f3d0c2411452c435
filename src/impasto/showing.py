"""What is done to a painting before it is seen: colours, finishing touches, photorealism."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.finishing import parse_finish
from impasto.matting import smooth_affinely
from impasto.palettes import Palette, draw_toward, measure_palette
from impasto.photoreal import fit_look, transfer_look
from impasto.preparation import guide_evenly, prepare_styles
from impasto.progress import PaintState, Progress
from impasto.pyramid import Size, resize
from impasto.recoloring import recolor_painting
from impasto.regions import Guidance, ScaledGuidance
from impasto.touches import apply_finish


def finish(
    picture: Tensor,
    content: Tensor,
    config: PaintConfig,
    styles: Sequence[Tensor] = (),
    palette: Palette | None = None,
    places: ScaledGuidance | None = None,
) -> Tensor:
    """What is done to a painting after the last step: colours, then the finishing touches.

    Args:
        picture: Shape (1, 3, H, W).
        content: The photograph, any size.
        config: All settings.
        styles: As they were given.
        palette: Of a family, toward which the colours are drawn.
        places: Where there is any paint, and which region's; all over if left out.
    """
    kind, seed, places = config.seamless, config.seed, places or ScaledGuidance()
    photograph = resize(content, (picture.shape[-2], picture.shape[-1]), kind)
    picture = recolor_painting(picture, photograph, styles, config.color_modes, places, seed)
    if palette is not None:
        picture = draw_toward(picture, palette, config.family_pull, places.presence)
    if not config.finish:
        return picture
    touches = parse_finish(config.finish)
    return apply_finish(picture, touches, photograph=photograph, seed=seed, seamless=kind)


@dataclass(frozen=True)
class Show:
    """What is seen of a painting, and what it takes to finish it; see `finish`."""

    content: Tensor
    styles: Sequence[Tensor]
    config: PaintConfig
    palette: Palette | None

    def finish(self, picture: Tensor, places: ScaledGuidance) -> Tensor:
        """What is shown of a picture, shape (1, 3, H, W)."""
        return finish(picture, self.content, self.config, self.styles, self.palette, places)

    def palettes(
        self, make: Callable[[], Tensor], places: ScaledGuidance
    ) -> Callable[[], tuple[Palette, Palette]] | None:
        """Measures the colours of what `make` gives, before and after; see `Progress`."""
        if self.palette is None:
            return None

        wanted, bare = self.palette, self.config.model_copy(update={"finish": ""})
        presence = places.presence

        def measure() -> tuple[Palette, Palette]:
            plain = finish(make(), self.content, bare, self.styles, None, places)
            drawn = draw_toward(plain, wanted, bare.family_pull, presence)
            return measure_palette(plain, presence), measure_palette(drawn, presence)

        return measure


def show_unpainted(
    show: Show, encoder: Encoder, size: Size, guidance: Guidance | None
) -> Iterator[Progress]:
    """The events of a painting that is the photograph in other colours."""
    began, config = time.perf_counter(), show.config
    picture, places = resize(show.content, size, config.seamless), ScaledGuidance()
    if guidance is not None:
        places = guidance.scale(size, picture.device, config.seamless)
    steps = 1 if config.photoreal == "none" else 2

    def tell(step: int, make: Callable[[], Tensor]) -> Progress:
        return Progress(
            scale=0, scales=1, size=size, step=step, steps=steps, loss=0.0, terms={},
            seconds=time.perf_counter() - began, seconds_left=0.0, note="", done=step == steps,
            picture=lambda: show.finish(make(), places),
            state=lambda: PaintState(0, step, picture),
            palettes=show.palettes(make, places),
        )  # fmt: skip

    if config.photoreal == "closed-form":
        styles = prepare_styles(show.content, show.styles, config)
        guidance = guidance or guide_evenly(styles, config)
        field = fit_look(picture, styles, encoder, guidance, config.strength)
        yield tell(1, lambda: transfer_look(picture, field))
        result = transfer_look(picture, field)
        yield tell(2, lambda: result)
    else:
        yield tell(1, lambda: picture)


def develop(
    picture: Tensor, photograph: Tensor | None, presence: Tensor | None, config: PaintConfig
) -> Tensor:
    """What is shown of a painting: for photorealism, the nearest smooth change of colours."""
    if config.photoreal != "affine" or photograph is None:
        return picture
    return lay_over(photograph, smooth_affinely(photograph, picture), presence)


def lay_over(photograph: Tensor | None, picture: Tensor, presence: Tensor | None) -> Tensor:
    """Show a picture above the photograph, as far as it is to be seen at each place."""
    if photograph is None or presence is None:
        return picture
    return torch.lerp(photograph, picture, presence)
