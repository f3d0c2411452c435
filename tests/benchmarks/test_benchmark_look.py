"""The independent judges."""

import pytest

from benchmarks import look
from benchmarks.bench import Bench
from impasto.judges import make_vgg19_critic


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
    monkeypatch.setattr(look, "load_judge", lambda name: None)
    monkeypatch.setattr(look, "find_critics", lambda: [make_vgg19_critic()])
    monkeypatch.setattr(look, "criticise", lambda *_: (0.5, 0.5))
    rows = look.look(bench, [bench.pair.photo])
    assert "not installed" in str(rows[-1]["note"])
    assert rows[0]["VGG-19: style"] == 0.5
    assert not any("EfficientNet: style" in row for row in rows)
