"""The settings of training fast networks: each default, range and help text exists once, here.

Free of PyTorch, as `impasto.config` is, so that `--help` and recipe files can be read at once.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from impasto.config import Precision, normalize_layers
from impasto.errors import ConfigError

Network = Literal["johnson", "dumoulin", "msgnet", "adain", "ghiasi", "micro"]
NETWORK_NAMES: tuple[str, ...] = get_args(Network)
Objective = Literal["impasto", "robust", "johnson", "adain"]
TrainOptimizer = Literal["adam", "muon"]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1, le=1024)]
_VGG = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


class _Balance(NamedTuple):
    """Layers and weights that belong to an objective."""

    content_layers: tuple[str, ...]
    content_weight: float
    style_layers: tuple[str, ...]
    style_layer_weights: tuple[float, ...]
    style_weight: float
    tv_weight: float


#: What an objective looks at if nothing else is said. The layers are the papers'; their weights
#: belong to networks of other scales, so that those here are measured: see docs/training.md.
BALANCES: dict[str, _Balance] = {
    "impasto": _Balance(("relu3_2", "relu4_1"), 0.12, _VGG, (0.146, 0.487, 0.343, 0.021), 1.0, 0.6),
    "robust": _Balance(("relu3_2", "relu4_1"), 0.3, _VGG, (0.2, 0.35, 0.3, 0.15), 1.0, 0.6),
    "johnson": _Balance(
        ("relu2_2",), 1e-5, ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), (1.0,) * 4, 1e-10, 0.6
    ),
    "adain": _Balance(("relu4_1",), 1.0, _VGG, (1.0,) * 4, 10.0, 0.0),
}


class Stage(BaseModel):
    """Settings that change on the way, and stay so until a later stage changes them.

    Attributes are the fields; what is left out stays as it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Share of the steps, or of the minutes, after which it begins."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    content_layers: tuple[str, ...] | None = None
    content_weight: _Weight | None = None
    style_layers: tuple[str, ...] | None = None
    style_layer_weights: tuple[_Weight, ...] | None = None
    style_weight: _Weight | None = None
    tv_weight: _Weight | None = None
    tone_weight: _Weight | None = None
    weave_weight: _Weight | None = None
    strain_weight: _Weight | None = None
    teacher_weight: _Weight | None = None
    identity: _Share | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that it changes; new layers bring their own weights."""
        found = {name: value for name, value in dict(self).items() if value is not None}
        del found["after"]
        if "style_layers" in found:
            found.setdefault("style_layer_weights", None)
        return found


class TrainConfig(BaseModel):
    """How a network is trained, beside the pictures.

    Attributes are the fields; what is left out follows from `objective`.

    Raises:
        ConfigError: If a setting is unknown, out of its range, or contradicts another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=32, le=1024)] = Field(
        256, description="Side in pixels of the crops that it learns from."
    )
    batch: Annotated[int, Field(ge=1, le=1024)] = Field(
        4, description="Crops a step, in each process."
    )
    crops: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Different crops in all, whose content targets are kept in memory; 0 cuts new"
        " ones without an end.",
    )
    steps: Annotated[int, Field(ge=1)] = Field(
        10_000, description="How many steps; --minutes may end it before."
    )
    optimizer: TrainOptimizer = Field(
        "adam",
        description="adam, or muon, which learns more from each crop where there is time for few.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-3, description="Of either, at its top; it falls to nothing along half a cosine."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(100, description="Steps until that is reached.")
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.999, description="Memory of the averaged weights, which are what is kept."
    )
    objective: Objective = Field(
        "impasto",
        description="Losses: impasto (those of paint), robust (their roots, for many styles),"
        " johnson (features, Gram matrices, total variation), adain (content is the photograph's"
        " activations in the style's statistics).",
    )
    content_layers: tuple[str, ...] = Field(
        (), description="Where the photograph is looked at; left out: as the objective has it."
    )
    content_weight: _Weight = Field(
        cast(float, None), description="Higher stays nearer to the photograph."
    )
    style_layers: tuple[str, ...] = Field((), description="Where the style is looked at.")
    style_layer_weights: tuple[_Weight, ...] = Field((), description="One for each of these.")
    style_weight: _Weight = Field(cast(float, None), description="Of the sum over these.")
    tv_weight: _Weight = Field(
        cast(float, None), description="Total variation: higher is smoother."
    )
    weave_weight: _Weight = Field(
        0.5,
        description="Of lines along rows and columns where the photograph has none, the cheapest"
        " texture that a network can make in flat places; 0 does not mind them.",
    )
    tone_weight: _Weight = Field(
        0.0,
        description="Of light and dark staying where the photograph has them; 0.1 to 0.5 keeps"
        " networks from blots in flat places.",
    )
    strain_weight: _Weight = Field(
        0.1,
        description="For johnson and dumoulin: of single places that stand out inside the network,"
        " and glare in the painting.",
    )
    teacher_weight: _Weight = Field(
        0.0,
        description="Of the difference to what --teacher paints of the same crop; content and"
        " style may have none beside it.",
    )
    critic_width: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Part of VGG-19's channels that losses are taken with. 0.4 takes a quarter of"
        " the time and pulls in nearly the same direction; end with 1.",
    )
    identity: _Share = Field(
        0.0,
        description="Part of the crops that are to be painted in their own style, unchanged; for"
        " networks that take any style.",
    )
    precision: Precision = Field(
        "auto", description="Arithmetic: half where the processor is built for it, or as said."
    )
    seed: int = Field(0, description="Of first weights, crops and the order of styles.")
    stages: tuple[Stage, ...] = Field((), description="Settings that change on the way.")

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise ConfigError(_describe(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Take from the objective what is left out."""
        balance = BALANCES.get(str(data.get("objective", "impasto")), BALANCES["impasto"])
        given = {name: value for name, value in data.items() if value is not None}
        layers = given.get("style_layers")
        if layers and not given.get("style_layer_weights"):
            known = dict(zip(balance.style_layers, balance.style_layer_weights, strict=True))
            given["style_layer_weights"] = tuple(
                known.get(layer, 1 / len(layers)) for layer in layers
            )
        for name in ("content_layers", "style_layers", "style_layer_weights"):
            if not given.get(name):
                given[name] = getattr(balance, name)
        return balance._asdict() | given

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        for layers in (self.content_layers, self.style_layers):
            if normalize_layers(layers) != layers:
                raise ConfigError(f"Layers are called relu4_1 and so on, not {', '.join(layers)}.")
        if len(self.style_layers) != len(self.style_layer_weights):
            raise ConfigError(
                f"{len(self.style_layer_weights)} style layer weights for"
                f" {len(self.style_layers)} layers; give one for each."
            )
        if not self.content_weight and not self.style_weight and not self.teacher_weight:
            raise ConfigError(
                "With neither content, style nor a teacher there is nothing to learn."
            )
        starts = [stage.after for stage in self.stages]
        if starts != sorted(set(starts)):
            raise ConfigError("Stages come one after another: each needs a larger 'after'.")
        _ = self.parts
        return self

    @property
    def parts(self) -> tuple["TrainConfig", ...]:
        """The settings from the start, and from each stage on; none of them has stages."""
        settings = {name: getattr(self, name) for name in TrainConfig.model_fields}
        settings["stages"] = ()
        found = [TrainConfig(**settings)] if self.stages else [self]
        for stage in self.stages:
            settings |= stage.changes
            found.append(TrainConfig(**settings))
        return tuple(found)

    def find_stage(self, done: float) -> int:
        """Which of the `parts` holds once a share of the work is done."""
        return sum(stage.after <= done for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON; stages only if there are any."""
        settings = self.model_dump(mode="json", exclude={"stages"})
        if self.stages:
            stages = [stage.model_dump(mode="json", exclude_none=True) for stage in self.stages]
            settings["stages"] = stages
        return settings


class Recipe(TrainConfig):
    """Everything that `impasto train` is told, on the command line or in a file."""

    network: Network | None = Field(None, description="The network that is to learn.")
    content: tuple[str, ...] = Field(
        (), description="Folders of photographs to paint, or files; repeat it for several."
    )
    styles: tuple[str, ...] = Field(
        (),
        description="Folders of pictures to paint like, files, names from impasto styles, or"
        " 'gallery' for all of those.",
    )
    output: str | None = Field(
        None, description="File to write, .safetensors; beside it NAME.resume while it trains."
    )
    style_size: Annotated[int, Field(ge=32, le=4096)] = Field(
        384, description="Long side at which styles are learnt: larger makes larger strokes."
    )
    width: Annotated[int, Field(ge=4, le=1024)] | None = Field(
        None, description="Channels of the network; half of them is about four times faster."
    )
    blocks: _Count | None = Field(None, description="Residual blocks in its middle.")
    hidden: Annotated[int, Field(ge=1, le=8192)] | None = Field(
        None,
        description="For micro: width of what predicts its kernels. For adain: of what tells its"
        " decoder of the style; left out: it is told nothing, as in the paper.",
    )
    eye: Annotated[int, Field(ge=0, le=64, multiple_of=8)] | None = Field(
        None,
        description="For micro: channels of the eye for styles that it brings with it, a multiple"
        " of 8; 0: VGG-19 looks at styles.",
    )
    smooth: Annotated[int, Field(ge=0, le=1)] | None = Field(
        None,
        description="1: enlarge bilinearly, which leaves no weave in flat places; 0: by repeating"
        " pixels. Left out: that of --start, else 1.",
    )
    grain: Annotated[int, Field(ge=0, le=64)] | None = Field(
        None,
        description="For micro: levels of 255 of noise that is laid on photographs, to make strokes"
        " of where they are flat. Left out: that of --start, else 6.",
    )
    recolors: Annotated[int, Field(ge=0, le=1)] | None = Field(
        None,
        description="For adain: 1 gives paintings the mean and deviation of the style's colours.",
    )
    noise: Annotated[int, Field(ge=0, le=1)] | None = Field(
        None,
        description="For adain with --hidden: 1 lets its decoder draw on noise, as strongly as the"
        " style wants it, for strokes where photographs are flat.",
    )
    bottleneck: _Count | None = Field(
        None, description="For ghiasi: numbers that a style is reduced to."
    )
    start: str | None = Field(
        None,
        json_schema_extra={"metavar": "NAME|FILE"},
        description="Trained network to go on from: one that comes with impasto, or a file. Left"
        " out: weights drawn at random.",
    )
    teacher: str | None = Field(
        None,
        json_schema_extra={"metavar": "NAME|FILE"},
        description="Trained network for any style to learn from where --teacher-weight says so.",
    )
    fit: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="Photographs by which weights are found by least squares before it learns,"
        " a few hundred: those of adain that --start does not bring, or a micro that is narrower"
        " than that of --start.",
    )
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Time to train, earlier sittings included; the learning rate follows it."
    )
    keep_every: Annotated[float, Field(gt=0, le=1440)] = Field(
        5.0, description="Minutes between the files written on the way."
    )
    samples: str | None = Field(
        None,
        json_schema_extra={"metavar": "FILE"},
        description="Picture file that shows photographs and styles never learnt from.",
    )
    log: str | None = Field(
        None,
        json_schema_extra={"metavar": "FILE"},
        description="File of JSON lines: losses, pictures a second, learning rate.",
    )
    tensorboard: str | None = Field(
        None,
        json_schema_extra={"metavar": "FOLDER"},
        description="Folder for TensorBoard; needs impasto[train].",
    )
    data: str | None = Field(
        None,
        json_schema_extra={"metavar": "TEXT"},
        description="What the pictures are, in words, for the file's card.",
    )
    licence: str | None = Field(
        None,
        json_schema_extra={"metavar": "TEXT"},
        description="Of the trained weights, for the card.",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    threads: _Count | None = Field(None, description="Processor threads; by default one a core.")
    workers: Annotated[int, Field(ge=0, le=256)] = Field(
        2, description="Processes that decode photographs; 0 decodes in this one."
    )

    @property
    def config(self) -> TrainConfig:
        """The settings of the loop alone."""
        return TrainConfig(**{name: getattr(self, name) for name in TrainConfig.model_fields})

    @property
    def arguments(self) -> dict[str, int]:
        """Numbers that the network is built with, if any were given."""
        sizes = ("width", "blocks", "hidden", "eye", "bottleneck")
        names = (*sizes, "smooth", "grain", "recolors", "noise")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a recipe file (TOML), by their names in `Recipe`, not yet checked.

    Raises:
        ConfigError: If there is no such file, or it is no TOML.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The recipe {path} is no TOML: {error}.") from error
    settings = _rename(found)
    stages = settings.get("stages")
    if isinstance(stages, list):
        settings["stages"] = [_rename(one) if isinstance(one, dict) else one for one in stages]
    for name in ("content", "styles"):
        if isinstance(settings.get(name), str):
            settings[name] = [settings[name]]
    return settings


def _rename(settings: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in settings.items()}


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), ConfigError):
        return str(cause)
    place = first["loc"]
    if place and place[0] == "stages":
        return _describe_stage(first["type"], place, str(first["msg"]))
    name = str(place[0] if place else "").replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"There is no setting {name!r}; see impasto train --help."
    reason = str(first["msg"])
    return f"--{name}: {reason[0].lower()}{reason[1:]}, not {first['input']!r}."


def _describe_stage(kind: str, place: tuple[int | str, ...], reason: str) -> str:
    if len(place) < 3:
        return "Stages are tables, each headed [[stages]]; see docs/training.md."
    name, number = str(place[2]).replace("_", "-"), int(place[1]) + 1
    if kind == "extra_forbidden":
        changing = ", ".join(field.replace("_", "-") for field in Stage.model_fields)
        return f"Stage {number} cannot change {name!r}, only {changing}."
    return f"Stage {number}, {name}: {reason[0].lower()}{reason[1:]}."
