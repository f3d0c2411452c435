"""The settings of the painting engine: each default, range and help text exists once, here.

Kept apart from the engine and free of PyTorch, so that `--help`, a web form or a cluster's head
node can read it without the seconds that importing PyTorch takes.
"""

import dataclasses
import re
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from impasto.backbones import find_family, find_layers
from impasto.errors import ConfigError
from impasto.finishing import TOUCHES, parse_finish
from impasto.lengths import LENGTH, USUAL_DPI, parse_length
from impasto.statisticnames import OF_MOMENTS, STATISTIC_KINDS, parse_statistics

_T = TypeVar("_T")

Preset = Literal["draft", "standard", "fine"]
Loss = Literal["impasto", "gatys", "johnson", "tutorial"]
ContentLoss = Literal["features", "self-similarity"]
Optimizer = Literal["lbfgs", "adam", "sgd"]
Pooling = Literal["max", "average", "l2"]
Padding = Literal["replicate", "zero"]
Pattern = Literal["straight", "half-drop", "half-brick", "mirror"]
Seamless = Literal["none", Pattern]
Precision = Literal["auto", "float32", "bfloat16"]
Colors = Literal["style", "photo", "luminance", "linear", "histogram", "palette"]
COLORS: tuple[str, ...] = get_args(Colors)
StyleScale = Literal["all", "coarse", "fine"]
Augmentation = Literal["mirror", "rotate", "tile"]
Photoreal = Literal["none", "affine", "closed-form"]
Smoothing = Literal["auto", "none", "softmax"]

#: The first setting of each group, in the order of the models, and how the group is called.
GROUPS = {
    "size": "What it looks like",
    "loss": "Expert: objective",
    "backbone": "Expert: network",
    "optimizer": "Expert: optimisation",
}

#: Long side of a painting in px.
_SMALLEST, _LARGEST = 16, 32768
Pixels = Annotated[int, Field(ge=_SMALLEST, le=_LARGEST)]
Length = Annotated[str, Field(pattern=LENGTH, examples=["40cm"])]
StrokeSize = Annotated[float, Field(ge=0.1, le=8)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclasses.dataclass(frozen=True)
class _PresetPlan:
    """What a preset means: where the pyramid begins, how it grows, and how long each scale is.

    `steps` maps a long side in px to solver steps on the whole objective, `detail_steps` to
    those before them that look at fine layers only. A side between two takes the nearer one's.
    """

    smallest: int
    ratio: float
    steps: dict[int, int]
    detail_steps: dict[int, int]


PRESETS: dict[str, _PresetPlan] = {
    "draft": _PresetPlan(
        128,
        2.0,
        {128: 24, 256: 6, 512: 1, 1024: 0},
        {128: 0, 256: 6, 512: 6, 1024: 5, 2048: 4, 4096: 3},
    ),
    "standard": _PresetPlan(
        128,
        2**0.5,
        {128: 40, 181: 30, 256: 12, 362: 4, 512: 2, 1024: 1, 2048: 0},
        {128: 0, 181: 0, 256: 8, 362: 12, 512: 14, 724: 12, 1024: 10, 2048: 8, 4096: 6, 8192: 4},
    ),
    "fine": _PresetPlan(
        128,
        2**0.5,
        {128: 80, 181: 70, 256: 60, 362: 40, 512: 25, 724: 15, 1024: 8, 2048: 4, 4096: 2},
        {128: 0, 181: 0, 256: 10, 362: 20, 512: 25, 1024: 20, 2048: 12, 4096: 8, 8192: 6},
    ),
}


@dataclasses.dataclass(frozen=True)
class _LossDefaults:
    """Weights and layers that belong to a form of the loss."""

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    style_layer_weights: tuple[float, ...]
    content_weight: float
    style_weight: float
    tv_weight: float


#: Of the mean squared distance from local affine maps, beside the default loss.
PHOTOREAL_WEIGHT = 3e4

#: For networks other than VGG: found by eye. They keep more of the photograph at the same weight,
#: and their strided first layers leave a weave that total variation must smooth.
_OTHER_CONTENT_WEIGHT, _OTHER_TV_WEIGHT = 0.04, 3.0

_FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LOSS_DEFAULTS: dict[str, _LossDefaults] = {
    # Layer weights found by eye and by the Wasserstein weights of the literature (256:64:16:4:1
    # on activations of size one), converted to a distance without units.
    "impasto": _LossDefaults(
        ("relu3_2", "relu4_2"), _FIVE, (0.146, 0.487, 0.343, 0.021, 0.003), 0.12, 1.0, 0.6
    ),
    # Gatys et al. 2016: relu4_2, five style layers of 1/5, alpha / beta = 1e-3.
    "gatys": _LossDefaults(("relu4_2",), _FIVE, (0.2,) * 5, 1.0, 1000.0, 0.0),
    # Johnson et al. 2016 with Oxford's activations.
    "johnson": _LossDefaults(("relu3_3",), _FIVE, (0.2,) * 5, 1.0, 1.0, 0.0),
    "tutorial": _LossDefaults(("relu4_2",), _FIVE, (1.0, 0.8, 0.5, 0.3, 0.1), 1e3, 1e-2, 0.0),
}


def check_size(size: object) -> object:
    """Answer what is neither a number nor a name with all that a size could be."""
    if isinstance(size, str) and size != "photo" and not re.fullmatch(r"\s*-?\d+\s*", size):
        parse_length(size)
    return size


class PaintConfig(BaseModel):
    """Everything that decides what a painting looks like, beside the pictures themselves.

    Settings left at None follow from the preset, the loss or the optimizer; `resolve` fills
    them in.

    Raises:
        ConfigError: If a setting is unknown, out of its range, or contradicts another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What a painter thinks of.
    size: Pixels | Literal["photo"] | Length = Field(
        512,
        description="Long side of the painting in pixels, 'photo' for the photograph's own, or"
        " the size of a print: 40cm for its long side, 30x40cm for a frame that it fits.",
    )
    dpi: Annotated[float, Field(ge=10, le=9600)] | None = Field(
        None,
        description="Dots per inch: written into the file, and what a --size in cm, mm or in is"
        " counted by, there 300 if left out.",
    )
    preset: Preset = Field(
        "standard",
        description="draft: a sketch in seconds; standard: the everyday quality; fine: three"
        " times the work, for calmer flat areas and surer details.",
    )
    strength: Annotated[float, Field(ge=0.05, le=20)] = Field(
        1.0,
        description="How far to leave the photograph: 0.3 keeps nearly every detail, 1 is"
        " balanced, 3 lets the painting take over.",
    )
    stroke_size: StrokeSize | tuple[StrokeSize, ...] = Field(
        1.0,
        description="Size of the strokes: 0.5 fine, 1 as in the painting hung at the same size,"
        " 2 broad; one number for all styles, or one for each.",
    )
    keep_colors: bool = Field(
        False, description="Keep the photograph's colours; the same as --colors photo."
    )
    colors: str = Field(
        "style",
        json_schema_extra={"metavar": f"{'|'.join(COLORS)},..."},
        description="Whose colours: style (the painting's own), photo (the photograph's, with"
        " painted lightness), luminance (painted in grey, then the photograph's), linear (softer"
        " than photo), histogram (the result gets the photograph's palette), palette (the"
        " photograph in the style's colours; nothing is painted). One for all, or one for each"
        " mask.",
    )
    family_pull: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="With --family: how far the finished colours are drawn toward the family's,"
        " 0 not at all, 1 as far as they may be.",
    )
    photoreal: Photoreal = Field(
        "none",
        description="Stay a photograph, in the colours and light of the style: affine (painted,"
        " but each place remains an affine map of the photograph's colours), closed-form (in"
        " seconds, nothing is painted); see docs/photoreal.md.",
    )
    finish: str = Field(
        "",
        description="What is done after painting, in order, such as contrast:1.1,sharpen:0.6:"
        f" {', '.join(TOUCHES)}; see docs/finishing.md.",
    )
    seamless: Seamless = Field(
        "none",
        description="Paint a tile that repeats without a seam: straight, half-drop (each column"
        " half a tile lower), half-brick (each row half a tile aside) or mirror (every second tile"
        " turned over). Sides become multiples of 16 px, or of 32 where half of one counts.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="Seed of all random numbers: same seed, same picture."
    )

    # The objective.
    loss: Loss = Field(
        "impasto",
        description="Form of the losses: impasto (relative mean and covariance), gatys (the"
        " paper's own scaling), johnson, tutorial (mean squares).",
    )
    statistic: Annotated[str, Field(json_schema_extra={"metavar": "NAME[:X],..."})] | None = Field(
        None,
        description=f"How a style is measured: {', '.join(STATISTIC_KINDS)}; or several with"
        " weights, such as gram:1,moments:0.5. Left out: moments, or gram with a paper's --loss;"
        " see docs/statistics.md.",
    )
    content_loss: ContentLoss = Field(
        "features",
        description="How content is measured: features (activations, place by place) or"
        " self-similarity (which places are alike; colours and tones are free).",
    )
    content_layers: tuple[str, ...] | None = Field(
        None, description="Layers that must match the photograph, such as relu4_2."
    )
    style_layers: tuple[str, ...] | None = Field(
        None, description="Layers whose statistics must match the painting."
    )
    content_layer_weights: tuple[Weight, ...] | None = Field(
        None, description="One weight for each content layer; equal if left out."
    )
    style_layer_weights: tuple[Weight, ...] | None = Field(
        None, description="One weight for each style layer."
    )
    content_weight: Weight | None = Field(
        None, description="Alpha: weight of the content loss (before --strength)."
    )
    style_weight: Weight | None = Field(None, description="Beta: weight of the style loss.")
    tv_weight: Weight | None = Field(
        None, description="Weight of total variation: more gives smoother paint."
    )
    photoreal_weight: Weight | None = Field(
        None,
        description="For --photoreal affine: weight of the matting Laplacian; more keeps closer to"
        " the photograph's edges.",
    )
    style_shares: tuple[Weight, ...] | None = Field(
        None, description="Share of each style picture; equal if left out."
    )
    style_scales: tuple[StyleScale, ...] | None = Field(
        None,
        description="What is taken from each style: coarse (large shapes and colours), fine (the"
        " brushwork), or all.",
    )
    style_augment: tuple[Augmentation, ...] | None = Field(
        None,
        description="Look at changed copies of each style as well: mirror (left to right), rotate"
        " (by quarter turns), tile (continued beyond its border, for small swatches).",
    )
    trim_style: Annotated[float, Field(ge=0, le=0.4)] = Field(
        0.015,
        description="Part of each style picture's border that is ignored: scans show bare"
        " canvas or a frame there.",
    )

    # The network.
    backbone: str = Field(
        "vgg19",
        description="Network that looks at the pictures, such as vgg16, resnet50, densenet121; see"
        " impasto weights list and docs/backbones.md.",
    )
    smoothing: Smoothing = Field(
        "auto",
        description="Put a softmax over the activations of a layer (softmax), or not (none); auto"
        " does so for ResNets with a published loss, as their paper advises, and never with the"
        " default loss, which is better off without.",
    )
    pooling: Pooling = Field(
        "max",
        description="How a network shrinks: max (as trained: surer forms), average (softer), l2.",
    )
    pooling_gain: bool = Field(
        True,
        description="Rescale average and l2 pooling so that activations keep their size; the"
        " papers do not.",
    )
    padding: Padding = Field(
        "replicate", description="How it sees beyond the border: replicate, or zero as trained."
    )
    precision: Precision = Field(
        "auto", description="Arithmetic of the network: auto takes bfloat16 where it is fast."
    )

    # The optimisation.
    optimizer: Optimizer = Field("lbfgs", description="lbfgs (far the fastest), adam, or sgd.")
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None,
        description="For adam and sgd, on the 0-255 scale. Left out: 5 for adam; for sgd what"
        " makes the first step half a level a pixel.",
    )
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Factor on the learning rate after every --decay-steps steps."
    )
    decay_steps: Annotated[int, Field(ge=1)] = Field(1, description="See --decay.")
    history: Annotated[int, Field(ge=1, le=200)] = Field(
        20, description="Curvature pairs that lbfgs remembers."
    )
    scales: Annotated[int, Field(ge=1, le=16)] | None = Field(
        None, description="Sizes to paint through, small to large; 1 paints at full size only."
    )
    steps: tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...] | None = Field(
        None, description="Steps at each scale, or one number for all of them."
    )
    detail_steps: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None,
        description="Steps before those at each size but the first that look at the fine layers"
        " only, for less than half of the cost: they sharpen what enlarging has blurred. Left"
        " out: the preset's, or none with --steps or another optimizer than lbfgs.",
    )
    init: str = Field(
        "content",
        description="Where to start: content, noise, style, file, or a blend such as"
        " content:0.7,noise:0.3.",
    )
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Memory of the running average of iterates that is the result: 0 takes the"
        " last one; 0.9 to 0.99 calms adam and sgd.",
    )

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise ConfigError(describe_invalid(error, "paint")) from None

    _check_size = field_validator("size", mode="before")(check_size)

    @field_validator("stroke_size", mode="before")
    @classmethod
    def _read_single(cls, value: object) -> object:
        """A list of one number is that number, as older files have it."""
        return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value

    @model_validator(mode="after")
    def _check_together(self) -> "PaintConfig":
        """Check what one field alone cannot."""
        parse_blend(self.init)
        parse_finish(self.finish)
        parse_colors(self.colors)
        if self.keep_colors and self.colors not in ("style", "photo"):
            raise ConfigError(
                f"--keep-colors and --colors {self.colors} contradict each other; give one."
            )
        _check_photoreal(self)
        _check_measures(self)
        _check_backbone(self)
        _check_lengths(self)
        _check_print(self)
        if self.optimizer == "lbfgs" and self.learning_rate is not None:
            raise ConfigError("A learning rate means nothing to lbfgs; choose adam or sgd.")
        if self.steps is not None and not self.steps:
            raise ConfigError("No steps are given; give one number for each scale, or one for all.")
        if self.steps is not None and len(self.steps) not in (1, self.scales or len(self.steps)):
            raise ConfigError(
                f"{len(self.steps)} numbers of steps for {self.scales} scales; give one for each,"
                " or one for all."
            )
        if self.style_shares is not None and not sum(self.style_shares) > 0:
            raise ConfigError("All style shares are zero; give at least one style a share.")
        return self

    def resolve(self) -> "PaintConfig":
        """Fill in everything that follows from the loss, the backbone and the optimizer.

        Steps and scales stay open while they depend on the size of the picture; see
        `impasto.pyramid`.
        """
        defaults = _find_defaults(self)
        content_layers = normalize_layers(self.content_layers or defaults.content_layers)
        style_layers = normalize_layers(self.style_layers or defaults.style_layers)
        resolved = {
            "statistic": self.statistic or ",".join(self.statistics),
            "content_layers": content_layers,
            "style_layers": style_layers,
            "content_layer_weights": self.content_layer_weights
            or (1 / len(content_layers),) * len(content_layers),
            "style_layer_weights": self.style_layer_weights
            or _default_style_weights(style_layers, defaults),
            "content_weight": _first(self.content_weight, defaults.content_weight),
            "style_weight": _first(self.style_weight, defaults.style_weight),
            "tv_weight": _first(self.tv_weight, defaults.tv_weight),
            "photoreal_weight": self._choose_photoreal_weight(),
            "smoothing": "softmax" if self.smooths else "none",
            "learning_rate": self.learning_rate or (5.0 if self.optimizer == "adam" else None),
        }
        return PaintConfig(**(self.model_dump() | resolved))

    def list_stroke_sizes(self, count: int) -> tuple[float, ...]:
        """Size of the strokes of each of `count` styles."""
        if not isinstance(self.stroke_size, tuple):
            return (self.stroke_size,) * count
        return _fit_count("stroke sizes", self.stroke_size, count)

    def list_style_scales(self, count: int) -> tuple[StyleScale, ...]:
        """What is taken from each of `count` styles."""
        whole: StyleScale = "all"
        return _fit_count("style scales", self.style_scales or (whole,) * count, count)

    @property
    def print_dpi(self) -> float:
        """Dots per inch by which a size in inches is counted."""
        return self.dpi or USUAL_DPI

    @property
    def color_modes(self) -> tuple[str, ...]:
        """Whose colours, by either setting: one for all, or one for each mask."""
        return ("photo",) if self.keep_colors else parse_colors(self.colors)

    @property
    def statistics(self) -> dict[str, float]:
        """How a style is measured: name -> weight."""
        usual = "moments" if self.loss == "impasto" else "gram"
        return parse_statistics(usual if self.statistic is None else self.statistic)

    @property
    def is_painted(self) -> bool:
        """Whether there is anything to optimise; else the photograph is recoloured at once."""
        return set(self.color_modes) != {"palette"} and self.photoreal != "closed-form"

    @property
    def smooths(self) -> bool:
        """Whether there is a softmax over activations."""
        if self.smoothing != "auto":
            return self.smoothing == "softmax"
        return find_family(self.backbone) == "resnet" and self.loss != "impasto"

    @property
    def needs_style(self) -> bool:
        """Whether any part of it looks at a style picture; a reconstruction does not."""
        reconstructs = self.style_weight == 0 and self.is_painted and self.photoreal == "none"
        return not reconstructs or "style" in parse_blend(self.init)

    def _choose_photoreal_weight(self) -> float:
        return _first(self.photoreal_weight, PHOTOREAL_WEIGHT * (self.photoreal == "affine"))

    def to_dict(self) -> dict[str, Any]:
        """Settings that differ from the defaults, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


def parse_colors(text: str) -> tuple[str, ...]:
    """Read whose colours, such as `photo` or `photo,style`: one for all, or one for each mask.

    Raises:
        ConfigError: If a mode is unknown.
    """
    modes = tuple(part.strip() for part in text.split(","))
    for mode in modes:
        if mode not in COLORS:
            raise ConfigError(f"--colors: choose of {', '.join(COLORS)}, not {mode!r}.")
    return modes


def parse_blend(text: str) -> dict[str, float]:
    """Read a start such as `content:0.7,noise:0.3` into name -> share; shares sum to one.

    Raises:
        ConfigError: If a name is unknown or a share is not a positive number.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition(":")
        if name not in ("content", "noise", "style", "file"):
            raise ConfigError(
                f"Unknown start {name!r}; choose content, noise, style, file, or a blend such as"
                " content:0.7,noise:0.3."
            )
        try:
            shares[name] = float(share) if share else 1.0
        except ValueError:
            raise ConfigError(f"The share of {name!r} is not a number: {share!r}.") from None
        if text.count(name) > 1:
            raise ConfigError(f"The start {name!r} is named twice in {text!r}.")
        if not 0 < shares[name] < float("inf"):
            raise ConfigError(f"The share of {name!r} must be positive, not {share}.")
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def normalize_layers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Translate the spellings of the literature: conv4_2 and block4_conv2 mean relu4_2."""
    spellings = (
        (r"conv_?(\d+)_(\d+)", r"relu\1_\2"),
        (r"block(\d+)_(?:conv|relu)(\d+)", r"relu\1_\2"),
        (r"block(\d+)_pool", r"pool\1"),
    )
    result = []
    for name in names:
        for pattern, replacement in spellings:
            name = re.sub(f"^{pattern}$", replacement, name.strip())
        result.append(name)
    if len(set(result)) != len(result):
        raise ConfigError(f"A layer is named twice in {', '.join(names)}.")
    return tuple(result)


def _fit_count(what: str, given: tuple[_T, ...], count: int) -> tuple[_T, ...]:
    if len(given) != count:
        raise ConfigError(f"{len(given)} {what} for {count} styles; give one for each.")
    return given


def _find_defaults(config: PaintConfig) -> _LossDefaults:
    """What the form of the loss says, in the layers of the backbone."""
    defaults, layers = LOSS_DEFAULTS[config.loss], find_layers(config.backbone)
    if layers is None:
        return defaults
    ours = config.loss == "impasto"
    own = {"content_weight": _OTHER_CONTENT_WEIGHT, "tv_weight": _OTHER_TV_WEIGHT} if ours else {}
    return dataclasses.replace(
        defaults,
        **own,
        content_layers=layers.content if ours else layers.content[-1:],
        style_layers=layers.style,
        style_layer_weights=layers.style_weights
        if ours
        else (1 / len(layers.style),) * len(layers.style),
    )


def _check_backbone(config: PaintConfig) -> None:
    if find_family(config.backbone) == "vgg":
        return
    if config.pooling != "max" and find_family(config.backbone) == "efficientnet":
        raise ConfigError(f"--pooling: {config.backbone} has no pooling; leave it out.")
    if not config.pooling_gain:
        raise ConfigError(f"--pooling-gain is for VGG; leave it out with {config.backbone}.")


def _default_style_weights(layers: tuple[str, ...], defaults: _LossDefaults) -> tuple[float, ...]:
    known = dict(zip(defaults.style_layers, defaults.style_layer_weights, strict=True))
    if all(layer in known for layer in layers):
        return tuple(known[layer] for layer in layers)
    return (1 / len(layers),) * len(layers)


def _check_photoreal(config: PaintConfig) -> None:
    modes = ",".join(config.color_modes)
    if config.photoreal != "none" and modes != "style":
        raise ConfigError(
            f"--photoreal {config.photoreal} takes the style's colours, --colors {modes} does not;"
            " give one of them."
        )
    if config.photoreal != "none" and config.seamless != "none":
        raise ConfigError("A photograph does not repeat: give --photoreal or --seamless, not both.")
    if config.photoreal != "none" and (
        find_family(config.backbone) != "vgg" or config.smoothing == "softmax"
    ):
        raise ConfigError(
            "--photoreal looks through a VGG without smoothing; leave --backbone and --smoothing"
            " out."
        )
    if config.photoreal_weight and config.photoreal != "affine":
        raise ConfigError("--photoreal-weight belongs to --photoreal affine; add that.")
    if (
        config.photoreal == "affine"
        and config.loss != "impasto"
        and config.photoreal_weight is None
    ):
        raise ConfigError(
            f"--loss {config.loss} has a scale of its own; give --photoreal-weight as well."
        )


def _check_measures(config: PaintConfig) -> None:
    statistics = set(config.statistics)  # raises what is wrong with them
    if config.loss != "impasto" and statistics != {"gram"}:
        raise ConfigError(
            f"--loss {config.loss} is a scaling of Gram matrices; leave --statistic out, or --loss."
        )
    if config.smooths and (others := statistics - OF_MOMENTS):
        raise ConfigError(
            f"--statistic {sorted(others)[0]} does not go with --smoothing softmax; leave one out."
        )
    if config.loss != "impasto" and config.content_loss != "features":
        raise ConfigError(
            f"--loss {config.loss} is a scaling of activations; leave --content-loss out, or"
            " --loss."
        )


def _check_lengths(config: PaintConfig) -> None:
    for what in ("content", "style"):
        layers = getattr(config, f"{what}_layers")
        weights = getattr(config, f"{what}_layer_weights")
        if layers is not None and not layers:
            raise ConfigError(f"No {what} layers are given; name at least one, or leave it out.")
        if weights is None:
            continue
        count = len(layers or getattr(_find_defaults(config), f"{what}_layers"))
        if len(weights) != count:
            raise ConfigError(
                f"{len(weights)} {what} layer weights for {count} layers; give one for each."
            )


def _check_print(config: PaintConfig) -> None:
    if isinstance(config.size, int) or config.size == "photo":
        return
    pixels = round(max(parse_length(config.size)) * config.print_dpi)
    if not _SMALLEST <= pixels <= _LARGEST:
        raise ConfigError(
            f"--size: {config.size} at {config.print_dpi:g} dpi is {pixels} pixels, which go from"
            f" {_SMALLEST} to {_LARGEST}; choose another length, or another --dpi."
        )


def describe_invalid(error: ValidationError, command: str) -> str:
    """One line on what is wrong with the settings of a command."""
    first = error.errors()[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), ConfigError):
        return str(cause)
    name = str(first["loc"][0]).replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"There is no setting {name!r}; see impasto {command} --help."
    reason = str(first["msg"])
    return f"--{name}: {reason[0].lower()}{reason[1:]}, not {first['input']!r}."


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
