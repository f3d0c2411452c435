"""A narrower `micro` from a trained one, before any training: each convolution by least squares.

Of the channels behind each convolution those are kept from which the others can be told best, and
the convolution becomes the linear map that comes nearest to what the wide one gave there, given
what the narrow ones before it make of the picture (as He, Zhang & Sun 2017 do for classifiers).
What a style asks of a brush needs no fitting: of the predictor's rows those of the channels that
are kept stay. It takes a minute, and the network paints nearly as before; it learns on from there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.slimming import Slimmed, choose_channels
from impasto.errors import ConfigError
from impasto.leastsquares import BATCH, fit_convolution, measure_miss
from impasto.networks.blocks import Convolution, Enlargement, enlarge, fold_squares, reflect
from impasto.networks.micro import Brush, MicroNet, Residual

#: Positions that a convolution is fitted to, about, and what is added to its equations.
_POSITIONS, _RIDGE = 60_000, 1e-4


class _Both(NamedTuple):
    """Activations of the wide network, of the narrow one, and which channels the latter has."""

    wide: Tensor
    narrow: Tensor
    kept: Tensor


@torch.no_grad()
def narrow_network(
    network: MicroNet, wide: MicroNet, photographs: Tensor, wishes: Tensor, seed: int = 0
) -> Iterator[Slimmed]:
    """Set a network's weights so that it paints most nearly as a wider one.

    Args:
        network: Whose weights are set.
        wide: The trained one, with as many blocks, as large a predictor and the same eye.
        photographs: Shape (B, 3, s, s), values in [0, 1]; about sixty of 192 px.
        wishes: Codes of as many styles, (B, `code`).
        seed: Of the positions that are looked at.

    Yields:
        For each convolution how many channels it has now, and what share of the variance of the
        activations behind it is not met.

    Raises:
        ConfigError: If the two are not alike but for their width.
    """
    check_pair(network, wide)
    yield from _Narrowing(network, wide, wishes, seed).run(photographs)


def check_pair(network: MicroNet, wide: MicroNet) -> None:
    """Raises a `ConfigError` unless `network` is `wide` with fewer channels."""
    ours, theirs = network.enter.out_channels, wide.enter.out_channels
    if ours >= theirs:
        raise ConfigError(
            f"A network of width {ours} cannot be fitted to one of width {theirs}; choose a smaller"
            " --width, or leave out --fit."
        )
    if len(network.blocks) != len(wide.blocks) or any(
        mine.shape != their.shape for mine, their in _list_shared(network, wide)
    ):
        raise ConfigError(
            "A network is fitted to one with as many --blocks, as large a --hidden layer and the"
            " same --eye."
        )


def _list_shared(network: MicroNet, wide: MicroNet) -> Iterator[tuple[Tensor, Tensor]]:
    """Tensors that do not depend on the width: the eye's, and the predictor's first layers'."""
    ours, theirs = network.state_dict(), wide.state_dict()
    last = f"predictor.{len(network.predictor) - 1}."
    for name in ours.keys() | theirs.keys():
        if name.startswith(("eye.", "predictor.")) and not name.startswith(last):
            nothing = ours["enter.bias"].new_zeros(0)
            yield ours.get(name, nothing), theirs.get(name, nothing)


class _Narrowing:
    def __init__(self, network: MicroNet, wide: MicroNet, wishes: Tensor, seed: int) -> None:
        self._network, self._wide = network, wide
        self._smooth = network.leave.smooth
        self._wishes = wide.predict(wishes, len(wishes))
        self._generator = torch.Generator().manual_seed(seed)
        # Rows of the predictor that stay, brush by brush.
        self._rows: dict[int, Tensor] = {}

    def run(self, photographs: Tensor) -> Iterator[Slimmed]:
        network, wide = self._network, self._wide
        for mine, theirs in _list_shared(network, wide):
            mine.copy_(theirs)
        seen = fold_squares(photographs * 2 - 1)
        start = _Both(seen, seen, torch.arange(seen.shape[1]))
        half = self._paint(start, "enter", 0)
        yield self._tell("enter", half)
        quarter = self._paint(half, "down.0", 1)
        yield self._tell("down.0", quarter)
        both = self._paint(quarter, "down.1", 2)
        yield self._tell("down.1", both)
        first = len(network.brushes)
        for place in range(len(network.blocks)):
            both = self._go_through_block(both, place, first + 2 * place)
            yield self._tell(f"blocks.{place}", both)
        for place, kept in enumerate((quarter, half)):
            both = self._enlarge(both, kept, place)
            yield self._tell(f"up.{place}", both)
            both = self._paint(both, f"refine.{place}", 5 + place)
            yield self._tell(f"refine.{place}", both)
        both = self._leave(both)
        yield self._tell("leave", both)
        aim = _in_parts(wide.last, both.wide)
        self._fit(network.last, both.narrow, aim)
        yield Slimmed("last", 3, measure_miss(_in_parts(network.last, both.narrow), aim))
        rows = torch.cat([self._rows[number] for number in range(len(self._wishes))])
        asking, theirs_asking = network.predictor[-1], wide.predictor[-1]
        asking.weight.copy_(theirs_asking.weight[rows])  # type: ignore[operator, index]
        asking.bias.copy_(theirs_asking.bias[rows])  # type: ignore[operator, index]

    def _tell(self, layer: str, both: _Both) -> Slimmed:
        missed = measure_miss(both.narrow, both.wide[:, both.kept])
        return Slimmed(layer, len(both.kept), missed)

    def _paint(self, both: _Both, name: str, number: int, kept: Tensor | None = None) -> _Both:
        """A convolution and the brush behind it."""
        mine, theirs = (net.get_submodule(name) for net in (self._network, self._wide))
        brushes = self._network.brushes[number], self._wide.brushes[number]
        return self._pass(both, (mine, theirs), brushes, number, kept)  # type: ignore[arg-type]

    def _pass(
        self,
        both: _Both,
        convolutions: tuple[Convolution, Convolution],
        brushes: tuple[Brush, Brush],
        number: int,
        kept: Tensor | None = None,
        *,
        stops: bool = True,
    ) -> _Both:
        """Fit a convolution; go through it, its brush and, if it `stops`, what is below zero."""
        (mine, theirs), (my_brush, their_brush) = convolutions, brushes
        end: Callable[[Tensor], Tensor] = F.relu_ if stops else torch.Tensor.contiguous
        given = _in_parts(theirs, both.wide)
        told = self._wishes[number]
        wide = _in_parts(lambda x, wish: end(their_brush(x, wish, None)), given, told)
        kept = choose_channels(wide, my_brush.channels) if kept is None else kept
        self._fit(mine, both.narrow, given[:, kept])
        told = told[:, self._keep(number, their_brush, kept)]
        mine_given = _in_parts(mine, both.narrow)
        narrow = _in_parts(lambda x, wish: end(my_brush(x, wish, None)), mine_given, told)
        return _Both(wide, narrow, kept)

    def _keep(self, number: int, brush: Brush, kept: Tensor) -> Tensor:
        """Of what a style asks of a brush, where that for the channels that are kept stands."""
        places = brush.locate(kept)
        self._rows[number] = sum(self._wide.counts[:number]) + places
        return places

    def _go_through_block(self, both: _Both, place: int, number: int) -> _Both:
        mine, theirs = self._network.blocks[place], self._wide.blocks[place]
        assert isinstance(mine, Residual)
        assert isinstance(theirs, Residual)
        within = self._pass(both, (mine.first, theirs.first), (mine.brush, theirs.brush), number)
        added = self._pass(
            within, (mine.second, theirs.second), (mine.finish, theirs.finish), number + 1,
            both.kept, stops=False,
        )  # fmt: skip
        return _Both(both.wide + added.wide, both.narrow + added.narrow, both.kept)

    def _enlarge(self, both: _Both, before: _Both, place: int) -> _Both:
        """Enlarge, and add what the way around brings."""
        mine, theirs = self._network.up[place], self._wide.up[place]
        assert isinstance(mine, Enlargement)
        assert isinstance(theirs, Enlargement)
        brush, number = self._wide.brushes[3 + place], 3 + place
        around = _in_parts(self._wide.around[place], before.wide)
        around = _in_parts(
            lambda x, wish: F.relu_(brush(x, wish, None)), around, self._wishes[number]
        )
        total = _in_parts(theirs, both.wide).add_(around)
        kept = choose_channels(F.relu(total), mine.convolution.out_channels)
        way = self._paint(before, f"around.{place}", number, kept).narrow
        # What the way around does not bring has to come from below.
        self._fit(mine.convolution, both.narrow, total[:, kept] - way, enlarged=True)
        narrow = F.relu_(_in_parts(mine, both.narrow).add_(way))
        return _Both(F.relu_(total), narrow, kept)

    def _leave(self, both: _Both) -> _Both:
        mine, theirs = self._network.leave, self._wide.leave
        total = _in_parts(theirs, both.wide)
        kept = choose_channels(F.relu(total), mine.convolution.out_channels)
        self._fit(mine.convolution, both.narrow, total[:, kept], enlarged=True)
        return _Both(F.relu_(total), F.relu_(_in_parts(mine, both.narrow)), kept)

    def _fit(
        self, convolution: Convolution, seen: Tensor, aim: Tensor, *, enlarged: bool = False
    ) -> None:
        seen = enlarge(seen, 2, smooth=self._smooth) if enlarged else seen
        seen = reflect(seen, convolution.border)
        fit_convolution(convolution, seen, aim, _POSITIONS, _RIDGE, self._generator)


def _in_parts(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Do something with a few pictures at a time, for convolutions lay out much beside them."""
    pieces = zip(*(torch.split(x, BATCH) for x in tensors), strict=True)
    return torch.cat([work(*some) for some in pieces])
