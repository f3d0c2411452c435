"""`impasto studio`."""

import contextlib
import importlib.util
import os
import webbrowser
from typing import Annotated, Any

from cyclopts import Group, Parameter

from impasto.cli.options import list_given, with_fields_of
from impasto.cli.report import write_line
from impasto.errors import ConfigError
from impasto.studio.settings import StudioSettings

_LISTENING = Group.create_ordered("Listening")
_KEEPING = Group.create_ordered("Keeping and painting")
_LIMITS = Group.create_ordered("Limits")


@with_fields_of(StudioSettings, {"host": _LISTENING, "data": _KEEPING, "max_bytes": _LIMITS})
class StudioOptions:
    """Settings of `StudioSettings`, as text; None stands for those that were not given."""

    def given(self) -> dict[str, Any]:
        """Arguments for `StudioSettings`; a token may lie in IMPASTO_TOKEN, out of sight."""
        word = os.environ.get("IMPASTO_TOKEN")
        return ({"token": word} if word else {}) | list_given(self)


_NOTHING = StudioOptions()


def command(*, settings: Annotated[StudioOptions, Parameter(name="*")] = _NOTHING) -> int:
    """Serve the studio until Ctrl-C."""
    chosen = StudioSettings(**settings.given())
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The studio needs {' and '.join(missing)}; run pip install 'impasto[studio]'."
        )
    from impasto.studio.serving import serve

    def tell(address: str) -> None:
        write_line(f"The studio is at {address}  (Ctrl-C ends it)")
        if chosen.browser:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)

    serve(chosen, tell)
    write_line("The studio has ended; what was being painted goes on when it starts again.")
    return 0
