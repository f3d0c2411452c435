"""What a request for a painting asks for, checked against what there is before it waits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from impasto import gallery, weights
from impasto.config import PaintConfig
from impasto.errors import ConfigError, ImpastoError
from impasto.fastconfig import FastConfig
from impasto.pyramid import SMALLEST_SIDE, Size, plan_painting
from impasto.shelf import choose_usual, list_networks
from impasto.studio.faults import InvalidError, UnknownError
from impasto.studio.form import Asked, read_settings
from impasto.studio.masking import MOST, Id, MaskRequest, Name, check_masks, check_protection
from impasto.studio.settings import StudioSettings
from impasto.studio.store import Store
from impasto.trained import Card, read_card

Kind = Literal["paint", "fast", "texture"]
_GALLERY, _OWN = "gallery:", "network:"
#: How much longer than a draft a painting takes; a fast one, a fiftieth.
_EFFORT = {"draft": 1.0, "standard": 2.5, "fine": 8.0}


class JobRequest(BaseModel):
    """What is to be painted."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    photo: Id | None = None
    styles: Annotated[list[Id], Field(max_length=MOST)] = []
    settings: dict[str, Any] = {}
    masks: Annotated[list[MaskRequest], Field(max_length=MOST)] = []
    protect: Id | None = None
    protect_found: Annotated[list[Name], Field(max_length=MOST)] = []
    network: Id | None = None


class AgainRequest(BaseModel):
    """Settings that replace those of an earlier job."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any] = {}


class SketchRequest(BaseModel):
    """What is to be sketched."""

    model_config = ConfigDict(extra="forbid")

    photo: Id
    styles: Annotated[list[Id], Field(min_length=1, max_length=MOST)]
    shares: Annotated[list[Annotated[float, Field(ge=0, le=1e6)]], Field(max_length=8)] | None = (
        None
    )
    network: Id | None = None
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    size: Annotated[int, Field(ge=64, le=1024)] = 384


@dataclass(frozen=True)
class Order:
    """A checked request.

    Attributes:
        request: As it is kept.
        work: Its effort in millions of pixels, by which its time is estimated.
    """

    request: dict[str, Any]
    work: float


class Counter:
    """Where orders are taken.

    Args:
        store: What there is.
        settings: What is allowed.

    Attributes:
        networks: Fast networks by name, the usual ones first.
        cards: What they say of themselves.
        backbones: Encoders whose weights are on this computer, the usual one first.
    """

    def __init__(self, store: Store, settings: StudioSettings) -> None:
        self._store, self._settings = store, settings
        there = {
            **list_networks(),
            **{path.stem: path.absolute() for path in settings.networks},
        }
        self.networks = {name: there[name] for name in _sort_usual(there)}
        self.cards: dict[str, Card] = {n: read_card(path) for n, path in self.networks.items()}
        usual = str(PaintConfig.model_fields["backbone"].default)
        held = [item.entry.name for item in weights.inventory() if item.available]
        self.backbones = (usual, *(name for name in held if name != usual))

    def take(self, session: str, asked: JobRequest) -> Order:
        """Check a request.

        Raises:
            InvalidError: If settings and pictures do not fit together.
            UnknownError: If a picture is not there.
        """
        read = read_settings(asked.kind, asked.settings, self.backbones)
        size = self._find_size(session, asked, read)
        network = self.find_network(asked.network, asked.styles) if asked.kind == "fast" else None
        if asked.network is not None and asked.kind != "fast":
            raise InvalidError("A network paints only jobs of the kind fast; leave it out.")
        styles = self.check_styles(session, asked.styles, network)
        masks = check_masks(asked.masks, len(styles), lambda id: self._find(session, id, "mask"))
        if asked.protect is not None:
            self._find(session, asked.protect, "mask")
        protected = check_protection(asked.protect_found)
        side, work = self._plan(read, size)
        if side > self._settings.max_size:
            raise InvalidError(
                f"That would be {side} px long; this studio paints up to"
                f" {self._settings.max_size} px."
            )
        shares = read.config.style_shares
        if shares is not None and len(shares) != len(styles):
            raise InvalidError(f"{len(shares)} style shares for {len(styles)} styles.")
        checked = {"styles": styles, "masks": masks, "network": network}
        request = asked.model_dump() | checked | {"protect_found": protected}
        return Order(request, work)

    def find_network(self, name: str | None, styles: Sequence[str]) -> str:
        """The name of a fast network; if none is named, the usual one for these styles.

        Raises:
            InvalidError: If there is none.
        """
        if not self.networks:
            raise InvalidError("There is no fast network here; see docs/training.md.")
        if name is None:
            names = [style.removeprefix(_GALLERY) for style in styles]
            return choose_usual(self.networks, names)
        if name not in self.networks:
            raise InvalidError(f"There is no such network; choose of {', '.join(self.networks)}.")
        return name

    @property
    def usual_networks(self) -> list[Path]:
        """What paints if no network is named: in styles of the gallery, and in any other."""
        return [self.networks[name] for name in _list_usual(self.networks)]

    def check_styles(self, session: str, styles: Sequence[str], network: str | None) -> list[str]:
        """Ids of styles that are there, the network's own ones among them.

        Raises:
            InvalidError: If there is none, or the network has no such style.
            UnknownError: If a picture is not there.
        """
        if not styles:
            raise InvalidError("No style is given; choose at least one.")
        held = self.cards[network].styles if network else ()
        if held:
            names = [style.removeprefix(_OWN).removeprefix(_GALLERY) for style in styles]
            if missing := [name for name in names if name not in held]:
                raise InvalidError(
                    f"The network {network} has no style {missing[0][:40]!r}; it paints in"
                    f" {', '.join(held)}."
                )
            return [f"{_OWN}{name}" for name in names]
        for style in styles:
            self.find_style(session, style)
        return list(styles)

    def find_style(self, session: str, id: str) -> tuple[Path, str]:
        """File and name of a style picture.

        Raises:
            UnknownError: If there is none.
        """
        if id.startswith(_GALLERY):
            name = id.removeprefix(_GALLERY)
            if name not in gallery.STYLES:
                raise UnknownError("There is no such style in the gallery.")
            return gallery.picture_path(name), name
        return self._find(session, id, None)

    def make_task(self, session: str, request: dict[str, Any]) -> dict[str, Any]:
        """What a process is told to paint: files of ours only.

        Raises:
            UnknownError: If a picture has been removed meanwhile.
        """
        read = read_settings(request["kind"], request["settings"], self.backbones)
        photo = request["photo"]
        task: dict[str, Any] = {
            "kind": request["kind"],
            "photo": None if photo is None else _spell(self._find(session, photo, None)),
            "canvas": read.canvas,
            "settings": read.config.to_dict(),
            "styles": [self._spell_style(session, id) for id in request["styles"]],
            "masks": [self._spell_mask(session, one) for one in request["masks"]],
            "protect": None,
            "protect_found": request.get("protect_found", []),
            "network": None,
        }  # fmt: skip
        if request["protect"] is not None:
            task["protect"] = _spell(self._find(session, request["protect"], None))
        if request["network"] is not None:
            network = self.networks.get(request["network"])
            if network is None:
                raise UnknownError(f"The network {request['network']} is not here any more.")
            task["network"] = str(network)
        return task

    def make_sketch(self, session: str, asked: SketchRequest) -> dict[str, Any]:
        """What the process for sketches is told.

        Raises:
            InvalidError: If it does not fit.
            UnknownError: If a picture is not there.
        """
        settings: dict[str, Any] = {"size": asked.size, "strength": asked.strength}
        if asked.shares is not None:
            settings["style_shares"] = asked.shares
        named: dict[str, Any] = {"photo": asked.photo, "styles": asked.styles}
        request = JobRequest(kind="fast", settings=settings, network=asked.network, **named)
        return self.make_task(session, self.take(session, request).request)

    def _spell_style(self, session: str, id: str) -> dict[str, str]:
        if id.startswith(_OWN):
            return {"name": id.removeprefix(_OWN)}
        return _spell(self.find_style(session, id))

    def _spell_mask(self, session: str, mask: dict[str, Any]) -> dict[str, str]:
        if mask.get("find") is not None:
            return {"find": f"auto:{mask['find']}"}  # never the name of a file
        return _spell(self._find(session, mask["picture"], None))

    def _find(self, session: str, id: str, role: str | None) -> tuple[Path, str]:
        found = self._store.picture(session, id)
        if role is not None and found["role"] != role:
            raise InvalidError(f"That picture was sent as a {found['role']}, not as a {role}.")
        return self._store.picture_path(id), found["name"]

    def _find_size(self, session: str, asked: JobRequest, read: Asked) -> Size:
        """(H, W) of what is painted over."""
        if read.canvas is not None:
            if asked.photo or asked.masks or asked.protect or asked.protect_found:
                raise InvalidError("A texture has no photograph and no masks; leave them out.")
            return read.canvas
        if asked.photo is None:
            raise InvalidError("No photograph is given; send one first.")
        found = self._store.picture(session, asked.photo)
        return found["height"], found["width"]

    def _plan(self, read: Asked, size: Size) -> tuple[int, float]:
        """Long side in px, and effort."""
        fast = isinstance(read.config, FastConfig)
        config = read.config.for_paint() if isinstance(read.config, FastConfig) else read.config
        try:
            last = plan_painting(config, size)[-1]
        except (ConfigError, ImpastoError) as error:
            raise InvalidError(str(error)) from error
        if min(last.size) < SMALLEST_SIDE:
            raise InvalidError(
                f"That would be {last.size[1]}x{last.size[0]} px; each side must be at least"
                f" {SMALLEST_SIDE} px."
            )
        effort = 0.02 if fast and not getattr(read.config, "refine", 0) else _EFFORT[config.preset]
        return max(last.size), effort * last.size[0] * last.size[1] / 1e6


def _list_usual(names: Collection[str]) -> list[str]:
    """What paints in styles of the gallery if no network is named, and what in any other."""
    if not names:
        return []
    found = [choose_usual(names, known) for known in (list(gallery.STYLES), ())]
    return list(dict.fromkeys(found))


def _sort_usual(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys([*_list_usual(names), *names]))


def _spell(found: tuple[Path, str]) -> dict[str, str]:
    return {"path": str(found[0]), "name": found[1]}
