"""Tables of scores: baselines, directions, sets, what is missing, what is refused."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import impasto
from impasto import images, judges, scoring
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ImageError, WeightsError
from impasto.judges import LPIPS_LAYERS, Critic, Lpips, Opinion
from impasto.metrics import compare_contents, compare_styles
from impasto.scoretables import ScoreTable
from impasto.scoring import Judges, Trio, score, score_set
from impasto.statistics import collect_moments
from impasto.weights import BundledSource

States = Callable[[str], Mapping[str, Tensor]]


@pytest.fixture(scope="module")
def encoder(random_state: States) -> VGG:
    return VGG("vgg16", random_state("vgg16"), padding="zero")


@pytest.fixture(scope="module")
def critic(encoder: VGG) -> Critic:
    return Critic("Tiny", encoder, ("relu1_2", "relu2_2"), ("relu3_1",), "relu2_1", "relu3_2")


@pytest.fixture(scope="module")
def panel(critic: Critic) -> Judges:
    return Judges([critic, critic._replace(name="VGG-19", biased=True)], None, "LPIPS is missing.")


@pytest.fixture(scope="module")
def full_panel(critic: Critic, encoder: VGG) -> Judges:
    widths = (64, 128, 256, 512, 512)
    heads = {layer: torch.ones(n) for layer, n in zip(LPIPS_LAYERS, widths, strict=True)}
    return Judges([critic], Lpips(encoder, heads), "")


def mix(photo: Tensor, style: Tensor, share: float) -> Tensor:
    return (1 - share) * photo + share * F.interpolate(style, photo.shape[-2:])


def values_of(table: ScoreTable) -> dict[str, Mapping[str, float]]:
    return {row.picture: row.values for row in table.rows}


def test_baselines_come_first_and_are_at_the_ends(
    photo: Tensor, style: Tensor, panel: Judges
) -> None:
    results = {"copy": photo, "half": mix(photo, style, 0.5)}
    table = score(photo, style, results, judges=panel)
    assert [row.kind for row in table.rows] == ["photograph", "style", "result", "result"]
    rows = values_of(table)
    first = rows["the photograph"]
    assert first["ssim"] == pytest.approx(1)
    assert first["edges"] == pytest.approx(1)
    assert first["content_tiny"] == 0
    assert first["artfid"] == pytest.approx(2)
    assert rows["copy"] == pytest.approx(first)
    second = rows["the style tensor"]
    assert second["style_tiny"] < 0.7 * first["style_tiny"]
    assert second["sifid"] < 0.5 * first["sifid"]
    assert second["colors"] < 0.5 * first["colors"]
    assert first["ssim"] > rows["half"]["ssim"] > second["ssim"]
    assert 0 < rows["half"]["content_tiny"] < second["content_tiny"]


@pytest.mark.slow
def test_damage_costs_in_the_direction_of_the_arrows(
    photo: Tensor, style: Tensor, full_panel: Judges
) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(photo.shape, generator=generator)
    damaged = {f"noise {n}": (photo + n * noise).clamp(0, 1) for n in (0.02, 0.1, 0.3)}
    blurred = {f"blur {n}": F.avg_pool2d(photo, n, 1, n // 2) for n in (3, 5, 9)}
    for family in (damaged, blurred):
        table = score(photo, style, family, judges=full_panel)
        columns = {column.key: column for column in table.columns}
        rows = [table.rows[0], *(row for row in table.rows if row.kind == "result")]
        for key in ("ssim", "edges", "content_tiny", "lpips"):
            seen = [row.values[key] for row in rows]
            higher = columns[key].higher_is_better
            assert seen == sorted(seen, reverse=higher), key
            assert len(set(seen)) == len(seen), key


def test_lpips_takes_the_place_of_content_in_artfid(
    photo: Tensor, style: Tensor, full_panel: Judges
) -> None:
    table = score(photo, style, mix(photo, style, 0.3), judges=full_panel)
    first, _, row = (row.values for row in table.rows)
    expected = (1 + row["lpips"]) * (1 + row["sifid"] / first["sifid"])
    assert row["artfid"] == pytest.approx(expected)
    assert not any("LPIPS" in note for note in table.notes)


def test_missing_and_biased_judges_are_told(photo: Tensor, style: Tensor, panel: Judges) -> None:
    table = score(photo, style, photo, judges=panel)
    titles = {column.key: column.title for column in table.columns}
    assert titles["style_vgg19"] == "style VGG-19 (biased) ↓"
    assert titles["style_tiny"] == "style Tiny ↓"
    assert titles["ssim"].endswith("↑")
    assert "lpips" in titles
    assert "lpips" not in table.rows[0].values
    notes = " ".join(table.notes)
    assert "LPIPS is missing." in notes
    assert "biased" in notes
    assert "not Inception" in notes
    assert "64x80 px" in notes


def test_shares_say_how_much_each_style_counts(photo: Tensor, style: Tensor, panel: Judges) -> None:
    other = 1 - style
    alone, both, one_of_two = (
        score(photo, styles, photo, shares=shares, judges=panel).rows
        for styles, shares in (([style], None), ([style, other], [1, 1]), ([style, other], [1, 0]))
    )
    assert [row.kind for row in both] == ["photograph", "style", "style", "result"]
    assert one_of_two[0].values == pytest.approx(alone[0].values, rel=1e-3)
    assert both[0].values["style_tiny"] != pytest.approx(alone[0].values["style_tiny"], rel=1e-2)


def test_nothing_is_enlarged(photo: Tensor, style: Tensor, panel: Judges) -> None:
    small = F.avg_pool2d(photo, 2)
    large = F.interpolate(photo, scale_factor=4)
    assert "32x40 px" in score(large, style, [small, large], judges=panel).notes[0]
    assert "52x64 px" not in score(large, style, large, judges=panel, size=64).notes[0]
    assert "51x64 px" in score(large, style, large, judges=panel, size=64).notes[0]


def test_other_proportions_are_told(photo: Tensor, style: Tensor, panel: Judges) -> None:
    table = score(photo, style, {"square": photo[..., :64, :]}, judges=panel)
    assert any("square has other proportions" in note for note in table.notes)


def test_transparency_lies_on_white(photo: Tensor, style: Tensor, panel: Judges) -> None:
    clear = images.Picture(photo, torch.zeros_like(photo[:, :1]), name="clear")
    white = images.Picture(torch.ones_like(photo), name="white")
    rows = score(photo, style, [clear, white], judges=panel).rows
    assert rows[-1].values == rows[-2].values


def test_equal_names_are_told_apart(photo: Tensor, style: Tensor, panel: Judges) -> None:
    rows = score(photo, style, [photo, 1 - photo], judges=panel).rows
    assert [row.picture for row in rows[2:]] == ["tensor", "tensor (2)"]


def test_tables_become_csv_and_json(photo: Tensor, style: Tensor, panel: Judges) -> None:
    table = score(photo, style, {"a, b": photo}, judges=panel)
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert rows[2]["picture"] == "a, b"
    assert float(rows[2]["ssim"]) == pytest.approx(1)
    assert rows[2]["lpips"] == ""
    data = json.loads(json.dumps(table.to_dict()))
    assert data["rows"][0]["kind"] == "photograph"
    assert {"key", "title", "higher_is_better", "meaning"} == set(data["columns"][0])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"size": 8}, ConfigError, "64 to 1024"),
        ({"shares": [1, 2]}, ConfigError, "1 styles need as many"),
        ({"shares": [0.0]}, ConfigError, "shares"),
        ({"results": []}, ConfigError, "at least one result"),
        ({"results": "nowhere.png"}, ImageError, "no such file"),
        ({"photo": torch.rand(3, 16, 80)}, ImageError, "at least 32 px"),
    ],
)
def test_bad_input_is_refused(
    photo: Tensor,
    style: Tensor,
    panel: Judges,
    arguments: dict[str, object],
    error: type,
    words: str,
) -> None:
    given = {"photo": photo, "style": style, "results": photo, "judges": panel} | arguments
    with pytest.raises(error, match=words):
        score(**given)  # type: ignore[arg-type]


def test_a_set_has_means_and_a_distance_of_its_own(
    photo: Tensor, style: Tensor, panel: Judges
) -> None:
    other = photo.flip(3)
    trios = [Trio(mix(one, style, 0.5), one, style) for one in (photo, other)]
    table = score_set(trios, judges=panel)
    assert [row.picture for row in table.rows] == ["the photographs", "the styles", "the results"]
    photographs, styles, results = (row.values for row in table.rows)
    each = [values_of(score(t.photo, t.style, {"x": t.result}, judges=panel))["x"] for t in trios]
    assert results["ssim"] == pytest.approx((each[0]["ssim"] + each[1]["ssim"]) / 2)
    assert styles["fid"] < 0.5 * photographs["fid"]
    assert photographs["artfid"] == pytest.approx(2)
    assert "2 results in 1 style" in table.notes[0]
    with pytest.raises(ConfigError, match="no result"):
        score_set([], judges=panel)


def test_pictures_of_the_style_are_no_distance_from_it(style: Tensor, panel: Judges) -> None:
    table = score_set([Trio(style, style, style)], judges=panel)
    assert all(row.values["fid"] == pytest.approx(0, abs=1e-6) for row in table.rows)


def test_distances_at_their_ends() -> None:
    one = torch.zeros(1, 2, 4, 4)
    one[:, 0] = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) + 1
    other = one.flip(1)
    assert compare_contents(one, one) == 0
    assert compare_contents(one, other) == pytest.approx(1)
    assert compare_contents(one, other) == compare_contents(other, one)
    assert compare_styles(collect_moments(one), collect_moments(one)) == 0
    # Strangers in mean and covariance: both relative distances are the root of two.
    distance = compare_styles(collect_moments(one), collect_moments(other))
    assert distance == pytest.approx(2**0.5, rel=1e-4)


def test_a_judge_says_nought_of_the_style_itself(critic: Critic, style: Tensor) -> None:
    opinion = Opinion(critic, style, [style])
    assert opinion.judge(critic.look(style)) == pytest.approx((0, 0, 0), abs=1e-6)


def test_who_judges_depends_on_what_is_here(monkeypatch: pytest.MonkeyPatch, encoder: VGG) -> None:
    monkeypatch.setattr(judges, "find_bundled", lambda source: None)
    monkeypatch.setattr(judges, "load_judge", lambda name: None)
    assert [critic.biased for critic in judges.find_critics()] == [True]
    monkeypatch.setattr(judges, "load_judge", {"vgg16": encoder}.get)
    assert [critic.name for critic in judges.find_critics()] == ["VGG-16", "VGG-19"]
    lpips, missing = judges.find_lpips()
    assert lpips is None
    assert "pip install --no-deps lpips" in missing
    assert "VGG-16" not in missing


def test_bundled_files_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = BundledSource("impasto", "data.pth", "0" * 64, "")
    with pytest.raises(WeightsError, match="are missing: run pip install"):
        judges.read_bundled(source)
    (tmp_path / "data.pth").write_bytes(b"something else")
    monkeypatch.setattr(judges, "find_bundled", lambda source: tmp_path / "data.pth")
    with pytest.raises(WeightsError, match="damaged or of another version"):
        judges.read_bundled(source)
    with pytest.raises(WeightsError, match="no heads of LPIPS"):
        judges.name_heads({"weight": torch.zeros(1)})


def test_it_is_part_of_the_public_interface() -> None:
    assert impasto.score is scoring.score
    assert impasto.ScoreTable is scoring.ScoreTable
