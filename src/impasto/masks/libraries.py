"""Libraries that masks need, imported when they are needed."""

import importlib
from typing import Any

from impasto.errors import ConfigError

_TITLES = {"cv2": "OpenCV", "skimage.segmentation": "scikit-image"}


def need(module: str, what: str) -> Any:
    """Import a library of the extra `masks`.

    Args:
        module: Its name for `import`.
        what: What it is needed for, as the beginning of a sentence.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        title = _TITLES.get(module, module)
        raise ConfigError(f"{what} need {title}: pip install 'impasto[masks]'.") from None
