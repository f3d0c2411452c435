"""Networks kept as published: fetched, added by hand, checked, never trusted."""

import dataclasses
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from impasto import networkfiles
from impasto.cli import main
from impasto.downloads import UrlSource
from impasto.errors import WeightsError

PAYLOAD = bytes(range(256)) * 16


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IMPASTO_OFFLINE", raising=False)
    return tmp_path / "home"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> Iterator[tuple[UrlSource, Path]]:
    """The entry "people" at a server of this computer, and the file it gives."""
    folder = tmp_path / "web"
    folder.mkdir()
    file = folder / "tiny.tflite"
    file.write_bytes(PAYLOAD)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/tiny.tflite"
        source = UrlSource(url, hashlib.sha256(PAYLOAD).hexdigest(), len(PAYLOAD))
        entry = dataclasses.replace(networkfiles.ENTRIES["people"], source=source)
        monkeypatch.setitem(networkfiles.ENTRIES, "people", entry)
        yield source, file
        server.shutdown()
        thread.join()


def test_it_is_fetched_once_and_checked(published: tuple[UrlSource, Path], home: Path) -> None:
    source, file = published
    seen: list[tuple[str, int, int]] = []
    path = networkfiles.locate("people", progress=lambda *event: seen.append(event))
    assert path.read_bytes() == PAYLOAD
    assert path.parent == home / "weights"
    assert source.sha256[:8] in path.name
    assert seen[-1] == ("tiny.tflite", len(PAYLOAD), len(PAYLOAD))
    file.unlink()
    assert networkfiles.locate("people", offline=True) == path
    assert networkfiles.verify("people") == "good"
    path.write_bytes(PAYLOAD[:-1] + b"?")
    assert networkfiles.verify("people") == "damaged"
    with pytest.raises(WeightsError, match="not here"):
        networkfiles.locate("people", offline=True)
    assert networkfiles.remove("people")
    assert not networkfiles.remove("people")
    assert networkfiles.verify("people") == "missing"


def test_what_is_not_the_published_file_is_not_kept(
    published: tuple[UrlSource, Path], home: Path
) -> None:
    _, file = published
    file.write_bytes(PAYLOAD[::-1])
    with pytest.raises(WeightsError, match="not the published file"):
        networkfiles.locate("people")
    assert networkfiles.verify("people") == "missing"


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_offline_says_where_it_is(home: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "variable":
        monkeypatch.setenv("IMPASTO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"https://\S+\.tflite.*impasto weights add") as caught:
        networkfiles.locate("people", offline=how == "argument")
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_file_can_be_added(published: tuple[UrlSource, Path], tmp_path: Path) -> None:
    _, file = published
    assert networkfiles.add(file) == "people"
    assert networkfiles.add(file) == "people"
    assert networkfiles.locate("people", offline=True).read_bytes() == PAYLOAD
    other = tmp_path / "other.tflite"
    other.write_bytes(PAYLOAD[1:])
    with pytest.raises(WeightsError, match="none of the networks"):
        networkfiles.add(other)
    with pytest.raises(WeightsError, match="no file"):
        networkfiles.add(tmp_path / "nobody")


def test_the_command_knows_it(
    published: tuple[UrlSource, Path], capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    _, file = published
    assert main(["weights", "list"]) == 0
    assert "people" in capsys.readouterr().out
    assert main(["weights", "add", str(file)]) == 0
    assert main(["weights", "verify", "people"]) == 0
    assert main(["weights", "remove", "people"]) == 0
    assert main(["weights", "verify", "people"]) == 4
    assert main(["weights", "pull", "people"]) == 0
    assert str(home) in capsys.readouterr().out


def test_a_folder_that_cannot_be_written(published: tuple[UrlSource, Path], home: Path) -> None:
    home.write_text("in the way")
    with pytest.raises(WeightsError, match="IMPASTO_HOME"):
        networkfiles.locate("people")


def test_the_published_address_names_its_version_and_digest() -> None:
    source = networkfiles.ENTRIES["people"].source
    assert isinstance(source, UrlSource)
    assert source.url.startswith("https://")
    assert networkfiles._VERSION in source.url
    assert len(source.sha256) == 64
