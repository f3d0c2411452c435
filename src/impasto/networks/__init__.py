"""Networks that paint in one pass, trained once: one paper a file."""

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.networks.adain import AdaIN
from impasto.networks.blocks import Ledger
from impasto.networks.ghiasi import StylePredictionNet
from impasto.networks.johnson import TransformerNet
from impasto.networks.micro import MicroNet
from impasto.networks.msgnet import MSGNet

__all__ = ["NETWORKS", "FastNetwork", "Ledger", "build_network"]


class FastNetwork(Protocol):
    """What painting needs of a network."""

    stride: int

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""

    def __call__(self, image: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Paint (B, 3, H, W) in [0, 1] as rows of numbers (B or 1, K) say."""


#: Networks by name.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "johnson": TransformerNet,
    "dumoulin": TransformerNet,
    "msgnet": MSGNet,
    "adain": AdaIN,
    "ghiasi": StylePredictionNet,
    "micro": MicroNet,
}
#: Those that look at styles with a frozen VGG-19; `micro` does if it has no eye.
_WITH_ENCODER = frozenset(("adain", "ghiasi"))


def build_network(
    name: str, find_encoder: Callable[[], Encoder], arguments: Mapping[str, int]
) -> nn.Module:
    """A network with fresh weights.

    Args:
        name: See `NETWORKS`.
        find_encoder: Gives VGG-19 with Oxford's weights; called only if the network needs it.
        arguments: Numbers that its constructor takes.

    Raises:
        ConfigError: If there is no such network, or it takes no such numbers.
    """
    if name not in NETWORKS:
        raise ConfigError(f"Unknown network {name!r}; choose from {', '.join(NETWORKS)}.")
    try:
        blind = name == "micro" and arguments.get("eye") == 0
        encoders = [find_encoder()] if name in _WITH_ENCODER or blind else []
        return NETWORKS[name](*encoders, **arguments)
    except TypeError as error:
        raise ConfigError(f"The network {name} does not take {dict(arguments)}.") from error
