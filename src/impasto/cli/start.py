"""What is known as a painting begins, for people and for programs."""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from impasto.api import Job
from impasto.devices import Choice, choose_precision, measure_free_memory
from impasto.fastjob import FastJob
from impasto.memory import estimate_memory
from impasto.pyramid import Scale, choose_side, fit_size, plan_painting
from impasto.version import __version__
from impasto.weights import RANDOM

_DEVICES = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU"}


def introduce(job: Job, output: str) -> "Start":
    """Gather the facts of a job."""
    return FastStart.of_fast(job, output) if isinstance(job, FastJob) else Start.of(job, output)


@dataclass(frozen=True)
class Start:
    """The facts of a beginning painting.

    Attributes:
        job: What is painted.
        output: Where it goes, as the user calls it.
        choice: The device, and why.
        precision: Arithmetic of the network.
        plan: Sizes and steps.
        memory: Estimated peak in bytes.
        free: Bytes that are free, if that can be told.
    """

    job: Job
    output: str
    choice: Choice
    precision: torch.dtype
    plan: list[Scale]
    memory: int
    free: int | None

    @classmethod
    def of(cls, job: Job, output: str) -> Self:
        """Gather the facts of a job."""
        device = job.painter.device
        precision = choose_precision(job.config.precision, device)
        return cls(
            job=job,
            output=output,
            choice=job.painter.choice,
            precision=precision,
            plan=plan_painting(job.config, job.photo.size),
            memory=estimate_memory(job.config, job.photo.size, precision, job.frugality),
            free=measure_free_memory(device),
        )

    @property
    def notes(self) -> list[str]:
        """Remarks about the pictures that were read, and about the size."""
        pictures = [self.job.photo, *self.job.styles]
        pictures += [self.job.start] if self.job.start is not None else []
        pictures += self.job.placement.pictures if self.job.placement is not None else []
        notes = [f"{picture.name}: {note}" for picture in pictures for note in picture.notes]
        if self.job.painter.untrained:
            backbone = self.job.config.backbone
            notes.append(f"The weights of {backbone} are random: it was never trained.")
        return notes + self._remark_on_size()

    def describe(self) -> list[str]:
        """A few lines for people."""
        device = _DEVICES.get(self.choice.device.type, self.choice.device.type)
        arithmetic = str(self.precision).removeprefix("torch.")
        first, last = self.plan[0].size, self.plan[-1].size
        sizes = f"{last[1]}x{last[0]} px"
        if self.job.dpi:
            width, height = (2.54 * side / self.job.dpi for side in last[::-1])
            sizes += f", {width:.1f}x{height:.1f} cm at {self.job.dpi:.4g} dpi,"
        if len(self.plan) > 1:
            sizes += f" in {len(self.plan)} sizes from {first[1]}x{first[0]}"
        saving = self.job.frugality
        tiles = f" in tiles of {saving.tile} px" if saving else ""
        styles = ", ".join(style.name for style in self.job.styles)
        manner = f"in the manner of {styles}" if styles else "from its content layers"
        return [
            f"Painting on {device} in {arithmetic} ({self.choice.reason}).",
            f"{self.job.photo.name} {manner}: {sizes}; about"
            f" {self.memory / 2**30:.1f} GiB of memory{tiles}.",
            *(f"Note: {note}" for note in self.notes),
        ]

    def _name_weights(self) -> str:
        painter = self.job.painter
        if painter.untrained:
            return RANDOM
        own = painter.custom_weights
        return self.job.config.backbone if own is None else own.name

    def _remark_on_size(self) -> list[str]:
        config, painted = self.job.config, self.plan[-1].size
        photo = self.job.photo.size
        wanted = fit_size(photo, choose_side(config, photo))
        if wanted == painted:
            return []
        return [
            f"It is painted at {painted[1]}x{painted[0]} px, not {wanted[1]}x{wanted[0]}, to repeat"
            f" as {config.seamless}."
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "impasto": __version__,
            "photo": self.job.photo.name,
            "styles": [style.name for style in self.job.styles],
            "output": self.output,
            "settings": self.job.config.to_dict(),
            "weights": self._name_weights(),
            "device": str(self.choice.device),
            "reason": self.choice.reason,
            "precision": str(self.precision).removeprefix("torch."),
            "scales": [
                {"width": scale.size[1], "height": scale.size[0], "steps": scale.steps}
                for scale in self.plan
            ],
            "dpi": self.job.dpi,
            "memory_bytes": self.memory,
            "free_bytes": self.free,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class FastStart(Start):
    """The facts of a beginning fast painting."""

    @classmethod
    def of_fast(cls, job: FastJob, output: str) -> Self:
        """Gather the facts of a job."""
        start = cls.of(job, output)
        if job.fast.refine:
            return start
        return replace(
            start,
            precision=torch.float32,
            plan=[Scale(job.sizes[0], 1)],
            memory=job.room.needed,
        )

    def describe(self) -> list[str]:
        """A few lines for people."""
        job = self.job
        assert isinstance(job, FastJob)
        assert job.hand is not None
        device = _DEVICES.get(self.choice.device.type, self.choice.device.type)
        (height, width), at_work = job.sizes
        small = f", worked on at {at_work[1]}x{at_work[0]}" if at_work != job.sizes[0] else ""
        tiles = f" in tiles of {job.room.tile} px" if job.room.tile else ""
        refined = f", then {job.fast.refine} steps of the optimiser" if job.fast.refine else ""
        return [
            f"Painting with the network {job.hand.identity['name']} on {device}"
            f" ({self.choice.reason}).",
            f"{job.photo.name} in the manner of {', '.join(job.names)}: {width}x{height} px{small};"
            f" about {self.memory / 2**30:.1f} GiB of memory{tiles}{refined}.",
            *(f"Note: {note}" for note in self.notes),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for programs."""
        job = self.job
        assert isinstance(job, FastJob)
        assert job.hand is not None
        return super().to_dict() | {
            "network": job.hand.identity["name"],
            "styles": list(job.names),
            "settings": job.fast.to_dict(),
        }
