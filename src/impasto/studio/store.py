"""What the studio remembers: sessions, pictures and jobs in SQLite, and their files beside it.

A row is written in one transaction and a file under a temporary name, so that whoever is killed
leaves nothing half-written. Names of files are made here, never from what was sent.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from impasto.studio.disk import disk_faults, full_disk
from impasto.studio.faults import DiskError, SessionError, UnknownError
from impasto.studio.masking import list_pictures

_FORMAT = 1
#: Bytes of the disk that are left to others.
_SPARE = 64 * 2**20
_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS pictures (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL, created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS pictures_of ON pictures (session, created);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, session TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0, request TEXT NOT NULL, work REAL NOT NULL DEFAULT 1,
    progress TEXT, losses TEXT NOT NULL DEFAULT '[]', preview INTEGER NOT NULL DEFAULT 0,
    result TEXT, error TEXT, bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_of ON jobs (session, number);
CREATE INDEX IF NOT EXISTS jobs_in ON jobs (state, number);
"""
_JSON = ("request", "progress", "losses", "result")
ENDED = ("done", "cancelled", "failed")


class Store:
    """Everything that is kept, in one folder.

    Args:
        folder: Where; made if it is not there.
        quota: Most bytes of files.

    Raises:
        DiskError: If it cannot be written.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder, self._quota = folder, quota
        with disk_faults():
            for part in ("pictures", "jobs", "incoming"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            for stale in (folder / "incoming").iterdir():
                stale.unlink()
        self._lock = threading.RLock()
        self._base = sqlite3.connect(
            folder / "studio.sqlite3", check_same_thread=False, isolation_level=None
        )
        self._base.row_factory = sqlite3.Row
        for line in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
            self._base.execute(f"PRAGMA {line}")
        self._base.executescript(_TABLES)
        self._base.execute(f"PRAGMA user_version={_FORMAT}")

    def close(self) -> None:
        """End it; what is written stays."""
        with self._lock:
            self._base.close()

    # Sessions.

    def open_session(self) -> str:
        """A new session; only a digest of its key is kept."""
        key = secrets.token_urlsafe(32)
        self._change("INSERT INTO sessions VALUES (?, ?)", digest(key), time.time())
        return key

    def find_session(self, key: str | None) -> str:
        """The session of a key, as rows name it.

        Raises:
            SessionError: If there is none.
        """
        found = self._one("SELECT key FROM sessions WHERE key = ?", digest(key or ""))
        if found is None:
            raise SessionError("There is no session; open the page, or POST /api/v1/session.")
        return str(found["key"])

    def close_session(self, session: str) -> None:
        """Forget a session, whose jobs have ended, with everything that belongs to it."""
        self._change("DELETE FROM sessions WHERE key = ?", session)
        for job in self.jobs(session, -1):
            self.remove_job(job["id"])
        for picture in self.pictures(session):
            self.remove_picture(picture["id"])

    # Pictures.

    def incoming(self) -> Path:
        """A new file for what is being sent."""
        return self.folder / "incoming" / secrets.token_hex(16)

    def picture_path(self, id: str, side: int | None = None) -> Path:
        """The file of a picture, or of a small copy."""
        return self.folder / "pictures" / (f"{id}.png" if side is None else f"{id}.{side}.webp")

    def add_picture(
        self, session: str, role: str, name: str, size: tuple[int, int], file: Path
    ) -> dict[str, Any]:
        """Keep a picture; `file` is moved.

        Args:
            session: Whose.
            role: photo, style or mask.
            name: As its owner calls it.
            size: (H, W).
            file: PNG, in this store's folder.

        Raises:
            DiskError: If there is no room.
        """
        id, count = secrets.token_urlsafe(16), file.stat().st_size
        self.make_room(count)
        with disk_faults():
            file.replace(self.picture_path(id))
        try:
            self._change(
                "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                id, session, role, name, size[1], size[0], count, time.time(),
            )  # fmt: skip
        except DiskError:
            self.picture_path(id).unlink(missing_ok=True)
            raise
        return self.picture(session, id)

    def picture(self, session: str, id: str) -> dict[str, Any]:
        """A picture of a session.

        Raises:
            UnknownError: If there is none.
        """
        found = self._one("SELECT * FROM pictures WHERE id = ? AND session = ?", id, session)
        if found is None:
            raise UnknownError("There is no such picture; it may have been removed.")
        return dict(found)

    def pictures(self, session: str, role: str | None = None) -> list[dict[str, Any]]:
        """Pictures of a session, newest first."""
        rows = self._all(
            "SELECT * FROM pictures WHERE session = ? AND ifnull(?, role) = role"
            " ORDER BY created DESC, rowid DESC",
            session, role,
        )  # fmt: skip
        return [dict(row) for row in rows]

    def remove_picture(self, id: str) -> None:
        """Forget a picture and its file."""
        self._change("DELETE FROM pictures WHERE id = ?", id)
        for path in (self.folder / "pictures").glob(f"{id}.*"):
            path.unlink(missing_ok=True)

    def pictures_in_use(self) -> set[str]:
        """Pictures that jobs which have not ended look at."""
        rows = self._all("SELECT request FROM jobs WHERE state IN ('queued', 'running')")
        return {id for row in rows for id in list_pictures(json.loads(row["request"]))}

    # Jobs.

    def job_folder(self, id: str) -> Path:
        """Where the files of a job lie."""
        return self.folder / "jobs" / id

    def add_job(self, session: str, kind: str, request: dict[str, Any], work: float) -> str:
        """Keep a new job that waits; `work` is what its time is estimated by."""
        id = secrets.token_urlsafe(16)
        self.make_room(0)
        with disk_faults():
            self.job_folder(id).mkdir()
        try:
            self._change(
                "INSERT INTO jobs (id, session, kind, state, created, request, work)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?)",
                id, session, kind, time.time(), json.dumps(request), work,
            )  # fmt: skip
        except DiskError:
            self.job_folder(id).rmdir()
            raise
        return id

    def job(self, id: str, session: str | None = None) -> dict[str, Any]:
        """A job; of a session, if one is named.

        Raises:
            UnknownError: If there is none.
        """
        found = self._one(
            "SELECT * FROM jobs WHERE id = ? AND ifnull(?, session) = session", id, session
        )
        if found is None:
            raise UnknownError("There is no such job; it may have been removed.")
        return _read(found)

    def jobs(
        self, session: str, limit: int, before: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        """Jobs of a session, newest first; those in a state, if one is named."""
        end = 2**62 if before is None else self.job(before, session)["number"]
        rows = self._all(
            "SELECT * FROM jobs WHERE session = ? AND number < ? AND ifnull(?, state) = state"
            " ORDER BY number DESC LIMIT ?",
            session, end, state, limit,
        )  # fmt: skip
        return [_read(row) for row in rows]

    def jobs_in(self, state: str) -> list[dict[str, Any]]:
        """Jobs of all sessions in a state, oldest first."""
        rows = self._all("SELECT * FROM jobs WHERE state = ? ORDER BY number", state)
        return [_read(row) for row in rows]

    def count_jobs(self, state: str) -> int:
        """How many jobs are in a state."""
        row = self._one("SELECT count(*) AS many FROM jobs WHERE state = ?", state)
        return 0 if row is None else int(row["many"])

    def claim(self) -> dict[str, Any] | None:
        """The job that has waited longest, which now runs; None if none waits."""
        with self._lock:
            row = self._one("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1")
            if row is None:
                return None
            self.change_job(row["id"], state="running", started=time.time(), error=None)
            return self.job(row["id"])

    def change_job(self, id: str, **changes: Any) -> None:
        """Write some columns of a job, in one step."""
        names = ", ".join(f"{name} = ?" for name in changes)
        values = [json.dumps(v) if n in _JSON and v is not None else v for n, v in changes.items()]
        self._change(f"UPDATE jobs SET {names} WHERE id = ?", *values, id)

    def end_job(self, id: str, state: str, **changes: Any) -> None:
        """Write that a job is done, cancelled or failed, and what its files take."""
        folder = self.job_folder(id)
        with contextlib.suppress(OSError):
            (folder / "checkpoint.resume").unlink(missing_ok=True)
        changes |= {"state": state, "finished": time.time(), "bytes": _measure(folder)}
        self.change_job(id, **changes)

    def requeue(self) -> int:
        """Let jobs that were running when the server ended wait again; returns how many."""
        ids = [job["id"] for job in self.jobs_in("running")]
        for id in ids:
            self.change_job(id, state="queued")
        return len(ids)

    def remove_job(self, id: str) -> None:
        """Forget a job and its files."""
        self._change("DELETE FROM jobs WHERE id = ?", id)
        shutil.rmtree(self.job_folder(id), ignore_errors=True)

    # Room.

    def make_room(self, count: int) -> None:
        """Remove what is oldest until so many bytes more are within the quota.

        Finished jobs go first, then pictures that no open job looks at.

        Raises:
            DiskError: If that is not enough, or the disk itself is full.
        """
        with self._lock:
            while self.used + count > self._quota:
                if not self._evict():
                    raise DiskError(
                        "The studio's folder is full; delete pictures, or raise its --quota."
                    )
        if shutil.disk_usage(self.folder).free < count + _SPARE:
            raise DiskError("The disk is full; free some space, then try again.")

    @property
    def used(self) -> int:
        """Bytes of all pictures and results."""
        row = self._one(
            "SELECT (SELECT ifnull(sum(bytes), 0) FROM pictures)"
            " + (SELECT ifnull(sum(bytes), 0) FROM jobs) AS used"
        )
        return 0 if row is None else int(row["used"])

    def _evict(self) -> bool:
        marks = ", ".join("?" * len(ENDED))
        old = self._one(
            f"SELECT id FROM jobs WHERE state IN ({marks}) ORDER BY finished LIMIT 1", *ENDED
        )
        if old is not None:
            self.remove_job(old["id"])
            return True
        kept = self.pictures_in_use()
        rows = self._all("SELECT id FROM pictures ORDER BY created")
        for id in (row["id"] for row in rows if row["id"] not in kept):
            self.remove_picture(id)
            return True
        return False

    # SQL.

    def _change(self, statement: str, *values: Any) -> None:
        with self._lock:
            try:
                self._base.execute(statement, values)
            except sqlite3.OperationalError as error:
                if "full" in str(error) or "disk I/O" in str(error):
                    raise full_disk() from error
                raise

    def _one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._base.execute(statement, values).fetchone()
        return found

    def _all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._base.execute(statement, values).fetchall()


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _measure(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def _read(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: json.loads(value) if name in _JSON and value is not None else value
        for name, value in dict(row).items()
    }
