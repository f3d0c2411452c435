"""Networks that paint in one pass, trained once: one paper a file."""

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.networks.adain import AdaIN
from impasto.networks.blocks import Ledger
from impasto.networks.eye import Eye
from impasto.networks.ghiasi import StylePredictionNet
from impasto.networks.johnson import TransformerNet
from impasto.networks.micro import MicroNet
from impasto.networks.msgnet import MSGNet

__all__ = ["NETWORKS", "FastNetwork", "Ledger", "build_network", "find_eye", "needs_encoder"]


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
#: Those that look at styles with a frozen VGG-19.
_WITH_ENCODER = frozenset(("adain", "ghiasi"))


def needs_encoder(name: str, arguments: Mapping[str, int]) -> bool:
    """Whether a network of these numbers looks at styles with VGG-19: `micro` if it has no eye."""
    return name in _WITH_ENCODER or (name == "micro" and arguments.get("eye") == 0)


def find_eye(network: nn.Module) -> Eye | None:
    """What a network brings with it to look at styles, if it does."""
    return getattr(network, "eye", None)


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
        encoders = [find_encoder()] if needs_encoder(name, arguments) else []
        return NETWORKS[name](*encoders, **arguments)
    except TypeError as error:
        raise ConfigError(f"The network {name} does not take {dict(arguments)}.") from error
