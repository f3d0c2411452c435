"""Names of the masks that impasto finds by itself, such as people, not-sky or cluster:1/3.

Free of PyTorch, so that the command line can tell a name from a file at once.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ConfigError

#: Every kind of mask by name: what it finds.
KINDS: dict[str, str] = {
    "people": "Whoever stands out: people, and often animals (a small network, fetched once).",
    "faces": "Faces with hair and chin, as soft ellipses.",
    "sky": "The sky above a landscape, down to the skyline.",
    "cluster": "cluster:K/N is the K-th of N groups of colours, from dark to light.",
    "rest": "What no other mask of the same painting covers.",
}
#: Other words for the same.
SYNONYMS = {"background": "not-people", "ground": "not-sky"}
#: Raised when a kind finds something else than before in the same photograph.
VERSIONS = {"people": 1, "faces": 1, "sky": 1, "cluster": 1, "rest": 1}

_FEWEST, _MOST = 2, 8
_PREFIX = "auto:"
_CLUSTER = re.compile(r"cluster:(\d{1,3})/(\d{1,3})")


@dataclass(frozen=True)
class MaskName:
    """What a mask is to show.

    Attributes:
        kind: A key of `KINDS`.
        inverted: Whether all but that is meant.
        number: Which cluster, from 1; 0 for other kinds.
        count: Of how many.
        share: How much of the strength remains there, from 0 to below 1; for protection only.
    """

    kind: str
    inverted: bool = False
    number: int = 0
    count: int = 0
    share: float = 0.0

    def __str__(self) -> str:
        """The name as one would type it."""
        text = f"cluster:{self.number}/{self.count}" if self.kind == "cluster" else self.kind
        text = f"not-{text}" if self.inverted else text
        text = next((word for word, same in SYNONYMS.items() if same == text), text)
        return f"{text}:{self.share:g}" if self.share else text

    @property
    def version(self) -> int:
        """Of the way it is found."""
        return VERSIONS[self.kind]


def parse_mask_name(text: str) -> MaskName:
    """Read a name such as people, background, not-faces or cluster:1/3.

    Raises:
        ConfigError: If there is no such mask; the message lists those there are.
    """
    word = text.strip().lower().removeprefix(_PREFIX)
    word = SYNONYMS.get(word, word)
    inverted = word.startswith("not-")
    word = word.removeprefix("not-")
    if found := _CLUSTER.fullmatch(word):
        number, count = int(found[1]), int(found[2])
        if not (_FEWEST <= count <= _MOST and 1 <= number <= count):
            raise ConfigError(
                f"There is no mask {text!r}; clusters go from cluster:1/{_FEWEST} to"
                f" cluster:{_MOST}/{_MOST}."
            )
        return MaskName("cluster", inverted, number, count)
    if word == "cluster" or word not in KINDS or (word == "rest" and inverted):
        raise _unknown(text)
    return MaskName(word, inverted)


def parse_protection(texts: str | Iterable[str]) -> tuple[MaskName, ...]:
    """Read what is to be left alone, such as `faces,people:0.3`.

    Args:
        texts: Names with commas between, or several such texts. A number after the colon says
            how much of the strength remains; nothing if left out.

    Raises:
        ConfigError: If there is no such mask, or a number is not from 0 to below 1.
    """
    several = [texts] if isinstance(texts, str) else list(texts)
    names = []
    for word in (part.strip() for text in several for part in text.split(",")):
        name, _, number = word.rpartition(":")
        try:
            share = float(number) if name else 0.0
        except ValueError:
            name, share = word, 0.0
        found = parse_mask_name(name or word)
        if not 0 <= share < 1:
            raise ConfigError(f"--protect {word}: what remains must be from 0 to below 1.")
        if found.kind == "rest":
            raise ConfigError("There is nothing to protect in 'rest'; it belongs to --mask.")
        names.append(MaskName(found.kind, found.inverted, found.number, found.count, share))
    return tuple(names)


def is_mask_name(word: str) -> bool:
    """Whether a word in place of a mask's file means a mask to be found.

    A file of that name wins, except over auto:people and the like.
    """
    if word.startswith(_PREFIX):
        return True
    return not Path(word).is_file() and _looks_like_name(word)


def _looks_like_name(word: str) -> bool:
    """A bare word, or one with a kind's name in front; anything else is meant as a file."""
    path = Path(word)
    return word != "-" and (word.startswith("cluster:") or (not path.suffix and path.name == word))


def _unknown(text: str) -> ConfigError:
    words = [*SYNONYMS, *KINDS, *(f"not-{kind}" for kind in ("people", "faces", "sky"))]
    near = difflib.get_close_matches(text.strip().lower(), words, 1, 0.6)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    known = ", ".join([*KINDS, *SYNONYMS]).replace("cluster", "cluster:1/3")
    return ConfigError(
        f"There is no mask {text!r}{hint} There are: {known}, most with not- before as well;"
        " or name a file."
    )
