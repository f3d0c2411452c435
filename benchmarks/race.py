"""impasto against pastiche 1.6.0, each in its own process, on the same PNG files.

Both minimise one objective, pastiche's default: content 0.01 * mean((F - P)^2) at relu4_2, style
10 / C^2 * mean((G - A)^2) with G = F F^T / (H W) at relu1_1 ... relu5_1, on Oxford's VGG-19 with
0-255 input. It is evaluated in float32 on the 8-bit PNG that each tool saved.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from impasto import images, weights
from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.objective import build_objective

REFERENCE = PaintConfig(
    loss="johnson",
    content_layers=("relu4_2",),
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    style_layer_weights=tuple(1 / channels**2 for channels in (64, 128, 256, 512, 512)),
    content_weight=0.01,
    style_weight=10.0,
    tv_weight=0.0,
    trim_style=0.0,
    pooling="max",
    padding="zero",
)


class Judge:
    """Evaluates the reference objective on saved files."""

    def __init__(self, photo: Path, style: Path) -> None:
        state, architecture, preprocessing = weights.read("vgg19")
        encoder = VGG(
            architecture, state, preprocessing=preprocessing, pooling="max", padding="zero"
        )
        content = images.load(photo).pixels
        size = (content.shape[-2], content.shape[-1])
        styles = [images.load(style).pixels]
        config = REFERENCE.resolve()
        self._objective = build_objective(encoder, config, content, styles, size)

    def score(self, saved: Path | Tensor) -> float:
        """The objective of a saved picture."""
        image = saved if isinstance(saved, Tensor) else images.load(saved).pixels
        with torch.no_grad():
            return float(torch.stack(list(self._objective.compute_terms(image).values())).sum())


def race(
    photo: Path, style: Path, folder: Path, size: int, repeats: int
) -> list[dict[str, object]]:
    """Run both tools; returns one row each, with seconds, final loss, and ratios to pastiche."""
    judge = Judge(photo, style)
    rows: list[dict[str, object]] = [
        {"what": "the photograph itself", "seconds": 0.0, "loss": judge.score(photo)}
    ]
    runs: dict[str, tuple[list[str], int]] = {
        "pastiche 1.6.0, 200 steps": (_pastiche(photo, style, folder / "pastiche.png", size), 1),
        "impasto, same objective, standard": (
            _impasto(photo, style, folder / "same.png", size, "standard", REFERENCE), repeats
        ),
        "impasto, same objective, details first": (
            _impasto(
                photo, style, folder / "same-long.png", size, "draft",
                REFERENCE.model_copy(update={"steps": (12, 30), "detail_steps": 20}),
            ), repeats
        ),
        "impasto, same objective, draft": (
            _impasto(photo, style, folder / "same-draft.png", size, "draft", REFERENCE), repeats
        ),
        "impasto, own objective, standard": (
            _impasto(photo, style, folder / "own.png", size, "standard", PaintConfig()), repeats
        ),
    }  # fmt: skip
    for name, (command, times) in runs.items():
        saved = Path(command[command.index("-o") + 1])
        seconds = [_measure_process(command) for _ in range(times)]
        rows.append(
            {"what": name, "seconds": statistics.median(seconds), "loss": judge.score(saved)}
        )
    peer = rows[1]
    for row in rows:
        row["time ratio"] = float(str(row["seconds"])) / float(str(peer["seconds"]))
        row["loss ratio"] = float(str(row["loss"])) / float(str(peer["loss"]))
    return rows


def _pastiche(photo: Path, style: Path, output: Path, size: int) -> list[str]:
    return [
        sys.executable, "-m", "pastiche", "--content", str(photo), "--styles", str(style),
        "-o", str(output), "--size", str(size), "--style-size", str(size),
        "--num-steps", "200", "--no-verbose", "--device", "cpu",
    ]  # fmt: skip


def _impasto(
    photo: Path, style: Path, output: Path, size: int, preset: str, config: PaintConfig
) -> list[str]:
    command = [
        sys.executable, "-m", "impasto", "paint", str(photo), str(style), "-o", str(output),
        "--size", str(size), "--preset", preset, "--overwrite", "--quiet",
    ]  # fmt: skip
    for name, value in config.to_dict().items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        command += [f"--{name.replace('_', '-')}", text]
    return command


def _measure_process(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - began
