"""`impasto weights add` with a published network that was fetched elsewhere."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from impasto import weights
from impasto.cli import main
from impasto.downloads import UrlSource
from impasto.errors import WeightsError


def test_a_published_file_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    random_state: Callable[[str], Mapping[str, Tensor]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    file = tmp_path / "from-a-stick.pth"
    state = dict(random_state("vgg16"))
    torch.save(state, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    source = UrlSource("https://example.org/vgg16.pth", digest, file.stat().st_size)
    entry = dataclasses.replace(weights.ENTRIES["vgg16"], source=source)
    monkeypatch.setitem(weights.ENTRIES, "vgg16", entry)
    with pytest.raises(WeightsError, match="not here"):
        weights.read("vgg16", offline=True)
    assert main(["weights", "add", str(file)]) == 0
    assert "Added vgg16." in capsys.readouterr().err
    found, architecture, _ = weights.read("vgg16", offline=True)
    assert architecture == "vgg16"
    assert torch.equal(found["features.28.weight"], state["features.28.weight"])
    file.write_bytes(b"?" + file.read_bytes()[1:])
    assert weights.add(file) is None
    assert main(["weights", "add", str(file)]) == 4
    assert "none of the networks that can be added" in capsys.readouterr().err
    (tmp_path / "wall").write_text("in the way")
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "wall"))
    torch.save(state, file)
    with pytest.raises(WeightsError, match="IMPASTO_HOME"):
        weights.add(file)
