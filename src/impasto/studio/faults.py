"""Faults of the studio: what is answered when something cannot be done."""

from impasto.errors import ImpastoError


class StudioError(ImpastoError):
    """Something that was asked for cannot be done.

    Attributes:
        status: Of HTTP.
        code: One word for programs.
        retry_after: Seconds after which another try makes sense; None if that would not help.
    """

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownError(StudioError):
    """There is no such thing, or it belongs to somebody else."""

    status, code = 404, "not_found"


class SessionError(StudioError):
    """Nobody knows who asks."""

    status, code = 401, "no_session"


class BusyError(StudioError):
    """Something else needs it now."""

    status, code = 409, "busy"


class TooLargeError(StudioError):
    """A body has too many bytes, or a picture too many pixels."""

    status, code = 413, "too_large"


class KindError(StudioError):
    """What was sent is no picture that can be read."""

    status, code = 415, "not_a_picture"


class InvalidError(StudioError):
    """Settings, or what they are for, do not fit."""

    status, code = 422, "invalid"


class FullError(StudioError):
    """Enough is waiting already."""

    status, code = 429, "queue_full"


class NotReadyError(StudioError):
    """What is needed for it is missing on this server."""

    status, code = 503, "not_ready"


class DiskError(StudioError):
    """There is no room left on the disk."""

    status, code = 507, "disk_full"
