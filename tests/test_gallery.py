import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ConfigError
from impasto.gallery import STYLES, generate, picture_path
from impasto.gallery.__main__ import main

NAMES = sorted(STYLES)
SMALL = 96


@pytest.fixture(scope="module")
def painted():
    return {name: generate(name, SMALL) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_style_has_a_picture(name):
    with Image.open(picture_path(name)) as picture:
        picture.load()
        assert picture.mode == "RGB"
        assert max(picture.size) == 768


def test_files_and_names_agree():
    folder = picture_path(NAMES[0]).parent
    assert sorted(path.stem for path in folder.glob("*.webp")) == NAMES
    others = {path.name for path in folder.iterdir() if path.suffix != ".webp"}
    assert others == {"LICENSE"}


def test_the_pictures_stay_small():
    assert sum(picture_path(name).stat().st_size for name in NAMES) <= 1_500_000


def test_keys_are_names_and_texts_are_one_line():
    for name, style in STYLES.items():
        assert style.name == name
        for text in (style.title, style.description, style.technique):
            assert text.strip() == text != ""
            assert "\n" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_uses_the_whole_range_of_tones(name):
    with Image.open(picture_path(name)) as picture:
        tone = np.asarray(picture.convert("L"), np.float32) / 255
    dark, light = np.percentile(tone, [1, 99])
    assert tone.std() > 0.12
    assert dark < 0.25
    assert light > 0.75


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_texture_everywhere(name):
    with Image.open(picture_path(name)) as picture:
        tone = np.asarray(picture.convert("L"), np.float32) / 255
    rough = np.abs(np.diff(tone, axis=1))[: tone.shape[0] // 48 * 48, : 48 * 11]
    blocks = rough.reshape(-1, 48, 11, 48).mean((1, 3))  # (rows, 11)
    assert blocks.min() > 0.004


@pytest.mark.parametrize("name", NAMES)
def test_painting_is_deterministic(painted, name):
    again = generate(name, SMALL)
    assert again.dtype == np.uint8
    assert again.ndim == 3
    assert max(again.shape[:2]) == SMALL
    assert again.shape[2] == 3
    np.testing.assert_array_equal(again, painted[name])


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_paints_another_picture(painted, name):
    other = generate(name, SMALL, seed=12345)
    assert other.shape == painted[name].shape
    assert np.abs(other.astype(int) - painted[name]).mean() > 0.5


def test_the_shipped_picture_is_what_the_code_paints():
    with Image.open(picture_path("ink-wash")) as picture:
        shipped = np.asarray(picture, np.float32)
    fresh = generate("ink-wash").astype(np.float32)
    assert fresh.shape == shipped.shape
    assert np.abs(fresh - shipped).mean() < 6  # what WebP changes


@pytest.mark.parametrize("ask", [picture_path, generate])
def test_an_unknown_name_is_explained(ask):
    with pytest.raises(ConfigError, match="did you mean 'stained-glass'") as caught:
        ask("staned_glass")
    assert all(name in str(caught.value) for name in NAMES)


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(ConfigError) as caught:
        picture_path("zzzz")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 63, 5000])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ConfigError, match=str(size)):
        generate("marbling", size)


def test_the_import_is_cheap():
    code = (
        "import sys, impasto.gallery as g; g.picture_path('mosaic');"
        "print([m for m in ('numpy', 'PIL', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_program_repaints_a_picture(tmp_path, capsys):
    sheet = tmp_path / "sheet.jpg"
    assert main(["--out", str(tmp_path), "--size", "96", "--sheet", str(sheet), "marbling"]) == 0
    with Image.open(tmp_path / "marbling.webp") as picture:
        assert max(picture.size) == 96
    assert sheet.exists()
    assert "marbling.webp" in capsys.readouterr().out


def test_the_program_refuses_an_unknown_style(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "marblin"]) == 2
    assert "did you mean 'marbling'" in capsys.readouterr().err
