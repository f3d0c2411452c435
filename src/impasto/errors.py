"""Everything that impasto raises on purpose.

    ImpastoError                 1  anything below
    ├── ConfigError              2  a setting that makes no sense (also a ValueError)
    ├── ImageError               3  a picture that cannot be read
    │   └── ImageTooLargeError   3  ... or is larger than the limit
    ├── WeightsError             4  weights that are missing, damaged or out of reach
    ├── MemoryBudgetError        5  a run that would not fit into memory
    ├── OutputError              6  a result that cannot be written
    ├── NumericalError           7  an optimisation that cannot go on
    └── ShapeError               1  a tensor of the wrong shape (also a ValueError)

The number is the exit code of the command line. Each message is one line: what was wrong, and
what to do about it.
"""


class ImpastoError(Exception):
    """Base of all errors that impasto raises on purpose."""

    exit_code = 1


class ConfigError(ImpastoError, ValueError):
    """A setting is out of its range, unknown, or contradicts another."""

    exit_code = 2


class ImageError(ImpastoError):
    """A picture is missing, damaged, empty or of an unknown kind."""

    exit_code = 3


class ImageTooLargeError(ImageError):
    """A picture has more pixels than the limit; found in its header, before decoding."""


class WeightsError(ImpastoError):
    """Weights are unknown, missing, damaged or cannot be fetched."""

    exit_code = 4


class MemoryBudgetError(ImpastoError):
    """The run would need more memory than there is."""

    exit_code = 5


class OutputError(ImpastoError):
    """A result cannot be written: no permission, no space, no such folder."""

    exit_code = 6


class NumericalError(ImpastoError):
    """The optimisation met values that are not finite and could not recover."""

    exit_code = 7


class ShapeError(ImpastoError, ValueError):
    """A tensor has the wrong number of dimensions or the wrong size."""
