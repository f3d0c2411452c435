"""Narrower networks by least squares."""

import pytest
import torch
import torch.nn.functional as F

from impasto.errors import ConfigError
from impasto.narrowing import narrow_network
from impasto.networks.micro import Brush, MicroNet, Residual

BLOCKS, HIDDEN, EYE = 2, 8, 8


def make(width: int, seed: int, blocks: int = BLOCKS) -> MicroNet:
    torch.manual_seed(seed)
    network = MicroNet(width=width, blocks=blocks, hidden=HIDDEN, eye=EYE).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.startswith("predictor"):
                weight.mul_(3)
    return network.requires_grad_(requires_grad=False)


def make_double(network: MicroNet) -> MicroNet:
    """A network of twice the width that has each channel twice, and so paints the same."""
    double = make(2 * network.enter.out_channels, 9)
    wanted = double.state_dict()
    for name, tensor in network.state_dict().items():
        if name.startswith(("eye.", "predictor.0", "predictor.2")):
            continue
        if name.startswith("predictor"):
            rows = torch.split(tensor, network.counts)
            tensor = torch.cat(
                [_repeat(part, brush) for part, brush in zip(rows, _list(network), strict=True)]
            )
        elif wanted[name].shape[0] > tensor.shape[0]:
            tensor = torch.cat([tensor, tensor])
        if tensor.ndim == 4 and wanted[name].shape[1] > tensor.shape[1]:
            tensor = torch.cat([tensor, tensor], dim=1) / 2
        wanted[name] = tensor
    for name in wanted:
        if name.startswith(("eye.", "predictor.0", "predictor.2")):
            wanted[name] = network.state_dict()[name]
    double.load_state_dict(wanted)
    return double


def _list(network: MicroNet) -> list[Brush]:
    """All brushes, in the order of their wishes."""
    brushes = [brush for brush in network.brushes if isinstance(brush, Brush)]
    for block in network.blocks:
        assert isinstance(block, Residual)
        brushes += block.list_brushes()
    return brushes


def _repeat(rows: torch.Tensor, brush: Brush) -> torch.Tensor:
    shifts, kernels = rows[: brush.channels], rows[brush.channels :]
    return torch.cat([shifts, shifts, kernels, kernels])


def draw(count: int, code: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth photographs, and codes of styles."""
    photographs = F.interpolate(torch.rand(count, 3, 6, 6), (48, 48), mode="bicubic").clamp(0, 1)
    return photographs, torch.rand(count, code) * 0.3


def test_channels_that_are_there_twice_are_found() -> None:
    original, network = make(8, 0), make(8, 1)
    wide = make_double(original)
    torch.manual_seed(2)
    photographs, wishes = draw(12, wide.code)
    assert torch.allclose(wide(photographs, wishes), original(photographs, wishes), atol=1e-4)
    before = F.mse_loss(network(photographs, wishes), wide(photographs, wishes))
    layers = list(narrow_network(network, wide, photographs, wishes))
    assert [layer.layer for layer in layers] == [
        "enter", "down.0", "down.1", "blocks.0", "blocks.1", "up.0", "refine.0", "up.1", "refine.1",
        "leave", "last",
    ]  # fmt: skip
    assert [layer.channels for layer in layers] == [8, 16, 24, 24, 24, 16, 16, 8, 8, 4, 3]
    assert all(0 <= layer.missed < 0.01 for layer in layers)
    photographs, wishes = draw(4, wide.code)
    after = F.mse_loss(network(photographs, wishes), wide(photographs, wishes))
    assert after < 0.01 * before


def test_what_a_style_asks_for_stays() -> None:
    """The brushes of channels that are kept do what they did: of the same style, the same."""
    wide, network = make(24, 0), make(16, 1)
    torch.manual_seed(2)
    list(narrow_network(network, wide, *draw(8, wide.code)))
    _, wishes = draw(2, wide.code)
    theirs, ours = wide.predict(wishes, 2), network.predict(wishes, 2)
    for brush, their_brush, mine, asked in zip(
        _list(network), _list(wide), ours, theirs, strict=True
    ):
        if brush.kernel > 1:
            continue
        columns = {tuple(column.tolist()) for column in asked.T}
        assert mine.shape == (2, brush.count)
        assert all(tuple(column.tolist()) in columns for column in mine.T)
        # Shift and factor of a channel belong to the same channel of the wide one.
        shifts = [tuple(column.tolist()) for column in asked[:, : their_brush.channels].T]
        factors = asked[:, their_brush.channels :].T
        for place in range(brush.channels):
            origin = shifts.index(tuple(mine[:, place].tolist()))
            assert torch.equal(mine[:, brush.channels + place], factors[origin])


def test_the_same_pictures_give_the_same_network() -> None:
    wide = make(16, 0)
    torch.manual_seed(3)
    given = draw(4, wide.code)
    first, second = make(8, 1), make(8, 2)
    for network in (first, second):
        list(narrow_network(network, wide, *given))
    for (name, mine), theirs in zip(
        first.state_dict().items(), second.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name


@pytest.mark.parametrize(
    ("width", "blocks", "said"),
    [(16, 2, "width 16 cannot be fitted to one of width 16"), (8, 3, "as many --blocks")],
)
def test_others_cannot_be_fitted(width: int, blocks: int, said: str) -> None:
    wide = make(16, 0)
    with pytest.raises(ConfigError, match=said):
        list(narrow_network(make(width, 1, blocks), wide, *draw(2, wide.code)))


@pytest.mark.parametrize(("hidden", "eye"), [(9, EYE), (HIDDEN, 16)])
def test_those_that_see_or_ask_otherwise_cannot_be_fitted(hidden: int, eye: int) -> None:
    wide = make(16, 0)
    network = MicroNet(width=8, blocks=BLOCKS, hidden=hidden, eye=eye)
    with pytest.raises(ConfigError, match="as large a --hidden layer and the same --eye"):
        list(narrow_network(network, wide, *draw(2, wide.code)))
