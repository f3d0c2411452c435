"""Finishing touches as text: what there is, how it is read, checked and written again.

A finish is what is done to a painting after the last step, left to right:
`levels:0.02/0.98,contrast:1.1,grain:0.2`. Free of PyTorch, so that `--help` and a web form can
read it at once; `impasto.touches` does the work.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from impasto.errors import ConfigError


@dataclass(frozen=True)
class Number:
    """One number that a touch takes.

    Attributes:
        name: As usage and messages write it, such as BLACK.
        low: The least that is allowed.
        high: The most that is allowed.
        neutral: Where the touch changes nothing; None if this number has no say in that.
        default: What is taken if it is left out; None if it has to be given.
    """

    name: str
    low: float
    high: float
    neutral: float | None = None
    default: float | None = None

    @property
    def range(self) -> str:
        """The range in words."""
        return f"{_write(self.low)} to {_write(self.high)}"


@dataclass(frozen=True)
class TouchKind:
    """What a touch does and what it takes.

    Attributes:
        numbers: In the order in which they are written; those with a default come last.
        help: One line on what it does.
        useful: Values to start from, in words.
        library: Import name of a library that only an extra installs, or None.
    """

    numbers: tuple[Number, ...]
    help: str
    useful: str
    library: str | None = None


#: Every touch there is. Help texts, messages and documentation are made from this table.
TOUCHES: dict[str, TouchKind] = {
    "levels": TouchKind(
        (
            Number("BLACK", 0, 0.45, neutral=0),
            Number("WHITE", 0.55, 1, neutral=1),
            Number("GAMMA", 0.2, 5, neutral=1, default=1),
        ),
        "Move the black and the white point, as shares of full scale; GAMMA above 1 brightens"
        " what lies between.",
        "0.02/0.98 for a grey, hazy result",
    ),
    "contrast": TouchKind(
        (Number("FACTOR", 0, 3, neutral=1),),
        "Spread lightness about mid-grey (above 1, along a soft curve) or draw it together"
        " (below 1); hue and chroma stay.",
        "1.1 a little, 1.3 strong, 0.85 matt",
    ),
    "saturation": TouchKind(
        (Number("FACTOR", 0, 3, neutral=1),),
        "Multiply the strength of colours, 0 for none; hue and lightness stay.",
        "1.2 richer, 0.8 quieter, 0 black and white",
    ),
    "temperature": TouchKind(
        (Number("SHIFT", -1, 1, neutral=0),),
        "Warm the light (above 0) or cool it (below 0); lightness stays.",
        "0.2 afternoon, -0.2 overcast",
    ),
    "denoise": TouchKind(
        (Number("STRENGTH", 0, 1, neutral=0),),
        "Calm speckles and keep edges; slow, and needs impasto[finish].",
        "0.3 for speckles, 0.8 for calm planes",
        library="skimage",
    ),
    "sharpen": TouchKind(
        (Number("AMOUNT", 0, 3, neutral=0), Number("RADIUS", 0.3, 10, default=1)),
        "Make edges of lightness steeper, with hardly a halo; RADIUS is in pixels.",
        "0.6, for print 1/2",
    ),
    "grain": TouchKind(
        (Number("AMOUNT", 0, 1, neutral=0),),
        "Film grain, strongest in the mid-tones; its size follows the picture's.",
        "0.1 hardly seen, 0.25 film, 0.5 rough",
    ),
    "canvas": TouchKind(
        (Number("AMOUNT", 0, 1, neutral=0), Number("THREADS", 20, 1000, default=160)),
        "Woven canvas, lit from the upper left; THREADS lie along the long side.",
        "0.3, coarse 0.5/90, fine 0.4/300 (from 1500 px)",
    ),
    "blend": TouchKind(
        (Number("SHARE", 0, 1, neutral=0),),
        "Mix the photograph back in, in linear light; 1 is the photograph.",
        "0.15 to 0.3 to bring a face back",
    ),
}


@dataclass(frozen=True)
class Touch:
    """One finishing touch.

    Attributes:
        name: One of `TOUCHES`.
        numbers: All its numbers; those with a default may be left out when it is made.

    Raises:
        ConfigError: If there is no such touch, or its numbers are too few, too many or out of
            range.
    """

    name: str
    numbers: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", _complete(self.name, self.numbers))

    @property
    def is_neutral(self) -> bool:
        """Whether it changes nothing."""
        pairs = zip(TOUCHES[self.name].numbers, self.numbers, strict=True)
        return all(number.neutral in (None, value) for number, value in pairs)


def parse_finish(text: str) -> tuple[Touch, ...]:
    """Read a finish such as `contrast:1.1,sharpen:0.6/2`; an empty text is an empty finish.

    Args:
        text: Touches in the order of their work, with commas between; a touch is its name, a
            colon and its numbers with slashes between. One that is named twice works twice.

    Raises:
        ConfigError: If a touch is unknown or a number is missing, none, or out of its range.
    """
    if not text.strip():
        return ()
    touches = []
    for part in text.split(","):
        name, _, numbers = (piece.strip() for piece in part.partition(":"))
        if not name:
            raise ConfigError(
                f"A touch without a name in {text!r}; write NAME:NUMBER, with commas between."
            )
        kind = _find(name)
        written = numbers.split("/") if numbers else []
        values = [_read(name, kind, index, one) for index, one in enumerate(written)]
        touches.append(Touch(name, tuple(values)))
    return tuple(touches)


def format_finish(touches: Iterable[Touch]) -> str:
    """Write a finish so that `parse_finish` reads the same; trailing defaults are left out."""
    return ",".join(f"{touch.name}:{'/'.join(_shorten(touch))}" for touch in touches)


def describe_touches(*, markdown: bool = False) -> str:
    """All touches for people: usage, what each does, its ranges and useful values.

    Args:
        markdown: Whether to make a table for documentation rather than lines for a terminal.
    """
    if not markdown:
        width = max(len(describe_usage(name)) for name in TOUCHES)
        return "\n".join(
            f"{describe_usage(name):{width}}  {kind.help} {_describe_ranges(kind)}."
            for name, kind in TOUCHES.items()
        )
    rows = [
        f"| `{describe_usage(name)}` | {kind.help} | {_describe_ranges(kind)} | {kind.useful} |"
        for name, kind in TOUCHES.items()
    ]
    return "\n".join(
        ["| touch | what it does | range | useful values |", "|---|---|---|---|", *rows]
    )


def describe_usage(name: str) -> str:
    """How a touch is written, such as `levels:BLACK/WHITE[/GAMMA]`."""
    numbers = TOUCHES[name].numbers
    needed = "/".join(number.name for number in numbers if number.default is None)
    return f"{name}:{needed}" + "".join(
        f"[/{number.name}]" for number in numbers if number.default is not None
    )


def check_libraries(touches: Iterable[Touch]) -> None:
    """Make sure that what the touches need is installed; cheap enough to ask before painting.

    Raises:
        ConfigError: If a library is missing.
    """
    for touch in touches:
        library = TOUCHES[touch.name].library
        if library and not touch.is_neutral and importlib.util.find_spec(library) is None:
            raise ConfigError(
                f"The touch {touch.name!r} needs scikit-image; install it with: pip install"
                " 'impasto[finish]'."
            )


def _find(name: str) -> TouchKind:
    if name not in TOUCHES:
        raise ConfigError(f"There is no touch {name!r}; choose {', '.join(TOUCHES)}.")
    return TOUCHES[name]


def _complete(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Check the numbers of a touch and add the defaults of those that are left out."""
    numbers = _find(name).numbers
    needed = sum(number.default is None for number in numbers)
    if not needed <= len(values) <= len(numbers):
        counts = f"{needed}" if needed == len(numbers) else f"{needed} or {len(numbers)}"
        raise ConfigError(
            f"The touch {name!r} takes {counts} number{'s' if len(numbers) > 1 else ''}, not"
            f" {len(values)}; write {describe_usage(name)}."
        )
    rest = [number.default for number in numbers[len(values) :] if number.default is not None]
    completed = tuple(float(value) for value in (*values, *rest))
    for number, value in zip(numbers, completed, strict=True):
        # Written so that NaN is out of range too.
        if not number.low <= value <= number.high:
            raise ConfigError(
                f"{number.name} of {name!r} goes from {number.range}, not {_write(value)}."
            )
    return completed


def _read(name: str, kind: TouchKind, index: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    # A number too many is answered by its range here, and by its count if it can be read.
    number = kind.numbers[min(index, len(kind.numbers) - 1)]
    raise ConfigError(
        f"{number.name} of {name!r} is not a number: {text.strip()!r}; give one from"
        f" {number.range}."
    )


def _shorten(touch: Touch) -> list[str]:
    numbers, values = TOUCHES[touch.name].numbers, list(touch.numbers)
    while values and values[-1] == numbers[len(values) - 1].default:
        values.pop()
    return [_write(value) for value in values]


def _describe_ranges(kind: TouchKind) -> str:
    return ", ".join(
        f"{number.name} {number.range}"
        + (f" ({_write(number.default)} if left out)" if number.default is not None else "")
        for number in kind.numbers
    )


def _write(value: float) -> str:
    """The shortest decimal that reads as the same number."""
    return repr(float(value)).removesuffix(".0")
