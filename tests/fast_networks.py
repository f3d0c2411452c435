"""Tiny fast networks with random weights, as files."""

import torch

from impasto.api import Painter
from impasto.config import PaintConfig
from impasto.networks import build_network
from impasto.trained import Card, save_network

SIZES = {
    "johnson": {"styles": 1, "width": 4, "blocks": 1},
    "dumoulin": {"styles": 2, "width": 4, "blocks": 1},
    "micro": {"width": 4, "blocks": 1, "hidden": 8, "eye": 8, "grain": 6},
    "msgnet": {"width": 16, "blocks": 1},
    "ghiasi": {"bottleneck": 3, "width": 4, "blocks": 1},
    "adain": {"hidden": 4, "recolors": 1, "noise": 1},
}


def find_encoder():
    return Painter().load_encoder(PaintConfig(precision="float32"))


def make_network(kind):
    """A small network that paints differently in each style."""
    torch.manual_seed(3)
    network = build_network(kind, find_encoder, SIZES[kind])
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            # Those that a style chooses are alike at first.
            if name.endswith(("scale", "shift", "predictor.4.weight", "stir.bias")):
                weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return network.requires_grad_(False).eval()


def save_fast(path, kind, styles=()):
    card = Card(
        network=kind,
        arguments={"smooth": 1} | SIZES[kind],
        styles=styles,
        recipe={"style_size": 96},
    )
    save_network(path, make_network(kind).state_dict(), card)
    return path
