"""Scores of results beside their baselines, as one table.

    table = impasto.score("photo.jpg", "starry_night.jpg", ["a.png", "b.png"])
    for row in table.rows:
        print(row.picture, row.values["ssim"])

No single score is right: a copy of the photograph has the best content, a copy of the style the
best style, and either can win a product of both. So both are rows of every table.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from impasto import images
from impasto.api import find_style
from impasto.errors import ConfigError, ImageError
from impasto.images import Picture, Source
from impasto.judges import Critic, Lpips, Opinion, find_critics, find_lpips
from impasto.metrics import (
    color_distance,
    estimate_gaussian,
    measure_likeness,
    pool_cells,
    relative_frechet,
)
from impasto.pyramid import Size, cover, fit_size, resize
from impasto.regions import pair_masks
from impasto.scoretables import ScoreRow, ScoreTable, list_columns

Pictures = Source | Picture | Sequence[Source | Picture]

#: Long side in px at which is compared: networks know things of this size.
DEFAULT_SIZE = 512
SIZES = (64, 1024)
#: Shorter than this, a picture leaves the deepest layers a position or two.
_SHORTEST = 32
#: Relative difference of proportions that is no rounding any more.
_STRETCH = 0.03


class Trio(NamedTuple):
    """A result with what it was painted from."""

    result: Source | Picture
    photo: Source | Picture
    style: Source | Picture


class Judges(NamedTuple):
    """All networks that have a say.

    Attributes:
        critics: The first one's Fréchet distances count.
        lpips: None if it is not available.
        missing: Why not.
    """

    critics: Sequence[Critic]
    lpips: Lpips | None
    missing: str

    @classmethod
    def find(cls) -> "Judges":
        """Those that can be had here."""
        return cls(find_critics(), *find_lpips())


def score(
    photo: Source | Picture,
    style: Pictures,
    results: Pictures | Mapping[str, Source | Picture],
    *,
    shares: Sequence[float] | None = None,
    size: int = DEFAULT_SIZE,
    judges: Judges | None = None,
) -> ScoreTable:
    """Score results beside the photograph itself and the style itself.

    Args:
        photo: The photograph.
        style: One style or several, or names from the gallery.
        results: One result, several, or name -> result.
        shares: How much each style counts; all alike if left out.
        size: Long side in px at which is compared; less if a picture is smaller.
        judges: Networks; by default those that are here, see `impasto.judges`. Keep them for
            many calls.

    Returns:
        The table: baselines first.

    Raises:
        ConfigError: If the size or the shares make no sense.
        ImageError: If a picture cannot be read or is too small.
        WeightsError: If there is no network to judge with.
    """
    _check(size)
    original, styles = _load(photo), [_load(find_style(one)) for one in _list(style)]
    named = _name(results, size)
    if not styles or not named:
        raise ConfigError("There is nothing to compare; name a style and at least one result.")
    if shares is not None and (len(shares) != len(styles) or min(shares) < 0 or sum(shares) <= 0):
        raise ConfigError(f"{len(styles)} styles need as many shares that are not negative.")
    judges = judges or Judges.find()
    frame = _choose_frame(original, named.values(), size)
    scorer = _Scorer(judges, original, styles, shares, frame)
    rows = scorer.score_baselines()
    rows += [ScoreRow(name, "result", scorer.score(_fit(one, frame)).values)
             for name, one in named.items()]  # fmt: skip
    notes = [f"Compared at {frame[1]}x{frame[0]} px.", *_remark_on_stretch(original, named)]
    return _make_table(rows, notes, judges, sets=False)


def score_set(
    trios: Iterable[Trio], *, size: int = DEFAULT_SIZE, judges: Judges | None = None
) -> ScoreTable:
    """Score a set of results: means, and how far their distribution is from the styles'.

    Args:
        trios: Results, each with its photograph and its style.
        size: Long side in px at which each is compared.
        judges: As in `score`.

    Returns:
        A row for the photographs, one for the styles and one for the results.

    Raises:
        ConfigError: If there are none, or the size makes no sense.
        ImageError: If a picture cannot be read or is too small.
        WeightsError: If there is no network to judge with.
    """
    _check(size)
    judges = judges or Judges.find()
    found: dict[str, list[_Scored]] = {"the photographs": [], "the styles": [], "the results": []}
    wanted: dict[str, Tensor] = {}
    notes: list[str] = []
    for trio in trios:
        result, original = _load(trio.result), _load(trio.photo)
        style = _load(find_style(trio.style))
        frame = _choose_frame(original, [result], size)
        scorer = _Scorer(judges, original, [style], None, frame)
        pictures = (original.flat, cover(style.flat, frame), result.flat)
        for scored, picture in zip(found.values(), pictures, strict=True):
            scored.append(scorer.score(resize(picture, frame)))
        wanted[f"{style.name} {style.size}"] = scorer.cells
        notes += _remark_on_stretch(original, {result.name: result})
    count = len(found["the results"])
    if not count:
        raise ConfigError("There is no result to score; check the pairing.")
    aim = estimate_gaussian(torch.cat(list(wanted.values())), shrink=True)
    rows: list[ScoreRow] = []
    kinds: tuple[Literal["photograph", "style", "result"], ...] = ("photograph", "style", "result")
    for (name, scored), kind in zip(found.items(), kinds, strict=True):
        means = {key: sum(one.values[key] for one in scored) / count for key in scored[0].values}
        actual = estimate_gaussian(torch.cat([one.cells for one in scored]), shrink=True)
        means["fid"] = relative_frechet(actual, aim)
        farthest = rows[0].values["fid"] if rows else means["fid"]
        means["artfid"] = combine(means[_content_key(judges)], means["fid"], farthest)
        rows.append(ScoreRow(name, kind, means))
    styles = "1 style" if len(wanted) == 1 else f"{len(wanted)} styles"
    notes.insert(0, f"Means over {count} results in {styles}, at {size} px at most.")
    return _make_table(rows, notes, judges, sets=True)


class _Scored(NamedTuple):
    """What was measured of one picture: by columns, and its sample for a set."""

    values: dict[str, float]
    cells: Tensor


class _Scorer:
    """Photograph and styles as all judges have seen them; the first judge's cells are kept."""

    def __init__(
        self,
        judges: Judges,
        photo: Picture,
        styles: Sequence[Picture],
        shares: Sequence[float] | None,
        frame: Size,
    ) -> None:
        self._judges = judges
        self._names = [style.name for style in styles]
        self._photo = resize(photo.flat, frame)
        self._styles = [style.flat for style in styles]
        self._regions = pair_masks(len(styles), (), (), shares)
        self._opinions = [
            Opinion(critic, self._photo, self._styles, shares) for critic in judges.critics
        ]
        self._felt = judges.lpips.look(self._photo) if judges.lpips else {}
        self._frame = frame
        first = self._opinions[0]
        self._farthest = first.judge(first.given).detail

    @property
    def cells(self) -> Tensor:
        """The styles' samples for a set."""
        return self._opinions[0].cells

    def score_baselines(self) -> list[ScoreRow]:
        """The photograph as if it were the result, and each style cut to its frame."""
        rows = [ScoreRow("the photograph", "photograph", self.score(self._photo).values)]
        for name, style in zip(self._names, self._styles, strict=True):
            values = self.score(cover(style, self._frame)).values
            rows.append(ScoreRow(f"the style {name}", "style", values))
        return rows

    def score(self, picture: Tensor) -> _Scored:
        """All scores of a picture of the frame's size."""
        likeness = measure_likeness(picture, self._photo)
        values = {"ssim": likeness.ssim, "edges": likeness.edges}
        cells = self.cells
        for place, opinion in enumerate(self._opinions):
            seen = opinion.critic.look(picture)
            verdict = opinion.judge(seen)
            key = key_of(opinion.critic)
            values |= {f"content_{key}": verdict.content, f"style_{key}": verdict.style}
            if not place:
                values["sifid"] = verdict.detail
                cells = pool_cells(seen[opinion.critic.set_layer])
        if self._judges.lpips:
            felt = self._judges.lpips.look(picture)
            values["lpips"] = self._judges.lpips.compare(felt, self._felt)
        content = values[_content_key(self._judges)]
        values["artfid"] = combine(content, values["sifid"], self._farthest)
        values["colors"] = color_distance(picture, self._styles, self._regions)
        return _Scored(values, cells)


def combine(content: float, frechet: float, farthest: float) -> float:
    """(1 + content) (1 + Fréchet distance / that of the photograph), after Wright & Ommer 2022.

    They do not divide: Inception's distances are tens, and content hardly counts beside them.
    Divided, both copies come to about 2, and less than either is a picture worth painting.
    """
    return (1 + content) * (1 + frechet / max(farthest, 1e-12))


def key_of(critic: Critic) -> str:
    """Its part of the keys of columns."""
    return critic.name.lower().replace("-", "")


def _content_key(judges: Judges) -> str:
    """The content score that ArtFID is made with."""
    return "lpips" if judges.lpips else f"content_{key_of(judges.critics[0])}"


def _make_table(
    rows: Sequence[ScoreRow], notes: Sequence[str], judges: Judges, *, sets: bool
) -> ScoreTable:
    first = judges.critics[0]
    named = {key_of(critic): (critic.name, critic.biased) for critic in judges.critics}
    columns = list_columns(named, content=_content_key(judges), sets=sets)
    more = [
        f"Fréchet columns are relative distances under {first.name}, not Inception: they do not"
        " compare with published SIFID, FID or ArtFID."
    ]
    if any(critic.biased for critic in judges.critics):
        more.append("VGG-19 is the same network as the painter's: biased, at other layers.")
    if all(critic.biased for critic in judges.critics):
        more.append("For an independent judge: pip install 'impasto[score]'.")
    return ScoreTable(columns, tuple(rows), (*notes, *more, *filter(None, [judges.missing])))


def _check(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1]:
        raise ConfigError(f"The size to compare at is {SIZES[0]} to {SIZES[1]} px, not {size}.")


def _load(picture: Source | Picture) -> Picture:
    return picture if isinstance(picture, Picture) else images.load(picture)


def _list(pictures: Pictures) -> Sequence[Source | Picture]:
    return pictures if isinstance(pictures, list | tuple) else [pictures]  # type: ignore[list-item]


def _name(results: Pictures | Mapping[str, Source | Picture], size: int) -> dict[str, Picture]:
    """Name -> picture, opaque and no larger than needed; equal names are told apart."""
    if isinstance(results, Mapping):
        return {name: _shrink(_load(one), size) for name, one in results.items()}
    named: dict[str, Picture] = {}
    for one in map(_load, _list(results)):
        name, number = one.name, 2
        while name in named:
            name, number = f"{one.name} ({number})", number + 1
        named[name] = _shrink(one, size)
    return named


def _shrink(picture: Picture, size: int) -> Picture:
    """For a folder of photographs at full size would not fit into memory."""
    fitting = fit_size(picture.size, min(size, max(picture.size)))
    return Picture(resize(picture.flat, fitting), name=picture.name)


def _choose_frame(photo: Picture, results: Iterable[Picture], size: int) -> Size:
    """The size at which all are compared: nothing is enlarged."""
    frame = fit_size(photo.size, min([size, max(photo.size), *(max(x.size) for x in results)]))
    if min(frame) < _SHORTEST:
        raise ImageError(
            f"{photo.name} and its results would be compared at {frame[1]}x{frame[0]} px; each side"
            f" must be at least {_SHORTEST} px."
        )
    return frame


def _fit(picture: Picture, frame: Size) -> Tensor:
    return resize(picture.flat, frame)


def _remark_on_stretch(photo: Picture, results: Mapping[str, Picture]) -> list[str]:
    wide = photo.size[1] / photo.size[0]
    return [
        f"{name} has other proportions than {photo.name}: it was stretched, and what compares them"
        " place by place means little."
        for name, one in results.items()
        if abs(one.size[1] / one.size[0] / wide - 1) > _STRETCH
    ]
