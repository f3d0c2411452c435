"""What is known of jobs that run: how far they are, and how long others wait for them."""

import time
from dataclasses import dataclass, field
from typing import Any

_WRITE_SECONDS = 2.0
_MOST_LOSSES = 400
#: Seconds for one unit of work before any job of its kind was timed; see `Order.work`.
_PACE = {"paint": 130.0, "fast": 130.0, "texture": 130.0}


@dataclass
class Live:
    """What is known of a running job before it is written down."""

    progress: dict[str, Any] | None
    losses: list[list[float]]
    preview: int
    cancelled: bool = False
    written: float = field(default_factory=time.monotonic)

    def add(self, told: dict[str, Any]) -> None:
        """Note what its process told."""
        self.progress, self.preview = told["progress"], told["preview"]
        self.losses.append(told["loss"])
        if len(self.losses) > _MOST_LOSSES:
            del self.losses[1:-1:2]

    @property
    def is_due(self) -> bool:
        """Whether it is time to write it down."""
        return time.monotonic() - self.written > _WRITE_SECONDS

    def columns(self) -> dict[str, Any]:
        """What is written down."""
        return {"progress": self.progress, "losses": self.losses, "preview": self.preview}


class Pace:
    """How long jobs take here, learnt from those that were done."""

    def __init__(self) -> None:
        self._seconds = dict(_PACE)

    def learn(self, job: dict[str, Any], seconds: float) -> None:
        """Note how long a job took."""
        found = seconds / max(job["work"], 1e-4)
        self._seconds[job["kind"]] = 0.7 * self._seconds[job["kind"]] + 0.3 * found

    def estimate(self, job: dict[str, Any], live: Live | None = None) -> float:
        """Seconds that a job still takes."""
        if live is not None and live.progress and live.progress["seconds_left"]:
            return float(live.progress["seconds_left"])
        return self._seconds[job["kind"]] * float(job["work"])
