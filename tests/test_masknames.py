"""Names of masks: read, spelt, told from files."""

from pathlib import Path

import pytest

from impasto.errors import ConfigError
from impasto.masknames import (
    KINDS,
    VERSIONS,
    MaskName,
    is_mask_name,
    parse_mask_name,
    parse_protection,
)


@pytest.mark.parametrize(
    ("text", "name", "spelt"),
    [
        ("people", MaskName("people"), "people"),
        ("background", MaskName("people", inverted=True), "background"),
        ("not-people", MaskName("people", inverted=True), "background"),
        ("not-background", None, ""),
        ("Ground", MaskName("sky", inverted=True), "ground"),
        (" not-sky ", MaskName("sky", inverted=True), "ground"),
        ("not-faces", MaskName("faces", inverted=True), "not-faces"),
        ("cluster:2/3", MaskName("cluster", number=2, count=3), "cluster:2/3"),
        ("not-cluster:1/8", MaskName("cluster", True, 1, 8), "not-cluster:1/8"),
        ("auto:sky", MaskName("sky"), "sky"),
        ("rest", MaskName("rest"), "rest"),
        ("not-rest", None, ""),
        ("cluster", None, ""),
        ("cluster:0/3", None, ""),
        ("cluster:4/3", None, ""),
        ("cluster:1/1", None, ""),
        ("cluster:1/9", None, ""),
        ("people:0.5", None, ""),
        ("", None, ""),
    ],
)
def test_names_are_read_and_spelt(text: str, name: MaskName | None, spelt: str) -> None:
    if name is None:
        with pytest.raises(ConfigError, match="There is no mask") as caught:
            parse_mask_name(text)
        assert "\n" not in str(caught.value)
    else:
        assert parse_mask_name(text) == name
        assert str(name) == spelt
        assert parse_mask_name(spelt) == name


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'people'"):
        parse_mask_name("poeple")
    with pytest.raises(ConfigError, match="cluster:1/3"):
        parse_mask_name("dragons")


def test_protection_is_a_list_of_names_and_shares() -> None:
    faces, people, clusters = parse_protection(["faces, people:0.3", "cluster:1/3:0.25"])
    assert (faces.kind, faces.share) == ("faces", 0.0)
    assert (people.kind, people.share) == ("people", 0.3)
    assert (clusters.number, clusters.count, clusters.share) == (1, 3, 0.25)
    assert parse_protection("cluster:2/4") == (MaskName("cluster", number=2, count=4),)
    again = parse_protection([str(one) for one in (faces, people, clusters)])
    assert again == (faces, people, clusters)


@pytest.mark.parametrize("text", ["faces:1", "faces:-0.1", "faces:nan", "faces:much", "rest", ","])
def test_protection_that_makes_no_sense(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_protection(text)
    assert "\n" not in str(caught.value)


def test_a_file_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("people", "poeple", "cluster:1/3", "auto:people"):
        assert is_mask_name(word)
    for word in ("people.png", "masks/people", "./people", "-", str(tmp_path / "people")):
        assert not is_mask_name(word)
    (tmp_path / "people").write_bytes(b"")
    (tmp_path / "sky").mkdir()
    assert not is_mask_name("people")
    assert is_mask_name("auto:people")
    assert is_mask_name("sky")


def test_every_kind_has_a_version() -> None:
    assert VERSIONS.keys() == KINDS.keys()
