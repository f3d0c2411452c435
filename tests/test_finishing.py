"""A finish as text: what is read, what is refused and how, and what is written again."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto import finishing
from impasto.errors import ConfigError
from impasto.finishing import (
    TOUCHES,
    Touch,
    check_libraries,
    describe_touches,
    describe_usage,
    format_finish,
    parse_finish,
)


@st.composite
def any_touch(draw: st.DrawFn) -> Touch:
    name = draw(st.sampled_from(sorted(TOUCHES)))
    numbers = TOUCHES[name].numbers
    values = [draw(st.floats(number.low, number.high)) for number in numbers]
    needed = sum(number.default is None for number in numbers)
    return Touch(name, tuple(values[: draw(st.integers(needed, len(numbers)))]))


def test_a_finish_is_read_in_its_order_with_defaults_filled_in() -> None:
    text = " levels:0.02/0.98, contrast : 1.1,sharpen:0.6/2 ,contrast:1.1,canvas:0.4"
    assert parse_finish(text) == (
        Touch("levels", (0.02, 0.98, 1)),
        Touch("contrast", (1.1,)),
        Touch("sharpen", (0.6, 2)),
        Touch("contrast", (1.1,)),
        Touch("canvas", (0.4, 160)),
    )


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_text_is_an_empty_finish(text: str) -> None:
    assert parse_finish(text) == ()
    assert format_finish(()) == ""


@given(st.lists(any_touch(), max_size=6))
def test_what_is_written_is_read_the_same(touches: list[Touch]) -> None:
    text = format_finish(touches)
    assert parse_finish(text) == tuple(touches)
    assert format_finish(parse_finish(text)) == text


def test_it_is_written_as_a_person_would() -> None:
    text = "levels:0.02/1,contrast:1.1,sharpen:0.6/2,sharpen:1,temperature:-0.3"
    assert format_finish(parse_finish(text)) == text
    assert format_finish(parse_finish("levels:0.020/1.0/1.0,sharpen:1e0/1")) == (
        "levels:0.02/1,sharpen:1"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrat:1.1", "There is no touch 'contrat'; choose levels, contrast, "),
        ("Contrast:1.1", "There is no touch 'Contrast'; choose "),
        ("contrast:1.1,,grain:1", "A touch without a name in 'contrast:1.1,,grain:1'; write NAME:"),
        ("grain:1,", "A touch without a name"),
        (":1", "A touch without a name"),
        ("contrast", "The touch 'contrast' takes 1 number, not 0; write contrast:FACTOR."),
        ("contrast:", "The touch 'contrast' takes 1 number, not 0; write contrast:FACTOR."),
        ("contrast:1/2", "The touch 'contrast' takes 1 number, not 2; write contrast:FACTOR."),
        (
            "levels:0.1",
            "The touch 'levels' takes 2 or 3 numbers, not 1; write levels:BLACK/WHITE[/GAMMA].",
        ),
        ("contrast:much", "FACTOR of 'contrast' is not a number: 'much'; give one from 0 to 3."),
        ("sharpen:1/", "RADIUS of 'sharpen' is not a number: ''; give one from 0.3 to 10."),
        ("contrast:3.5", "FACTOR of 'contrast' goes from 0 to 3, not 3.5."),
        ("temperature:-1.5", "SHIFT of 'temperature' goes from -1 to 1, not -1.5."),
        ("blend:nan", "SHARE of 'blend' goes from 0 to 1, not nan."),
        ("grain:inf", "AMOUNT of 'grain' goes from 0 to 1, not inf."),
        ("levels:0.1/0.4", "WHITE of 'levels' goes from 0.55 to 1, not 0.4."),
    ],
)
def test_a_mistake_is_answered_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_finish(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_touch_is_answered_with_all_names() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_finish("glitter:1")
    assert all(name in str(caught.value) for name in TOUCHES)


@given(st.text(":/,.0123456789-e acgilnorst", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        touches = parse_finish(text)
    except ConfigError:
        return
    assert parse_finish(format_finish(touches)) == touches


def test_a_touch_made_by_hand_is_checked_too() -> None:
    assert Touch("sharpen", (1,)).numbers == (1.0, 1.0)
    with pytest.raises(ConfigError, match="goes from"):
        Touch("grain", (2,))
    with pytest.raises(ConfigError, match="no touch"):
        Touch("glitter", (1,))


def test_neutral_numbers_are_known() -> None:
    neutral = "levels:0/1,contrast:1,saturation:1,temperature:0,denoise:0,sharpen:0/3,grain:0"
    assert all(touch.is_neutral for touch in parse_finish(neutral + ",canvas:0/50,blend:0"))
    assert {touch.name for touch in parse_finish(neutral)} | {"canvas", "blend"} == set(TOUCHES)
    busy = "levels:0/1/1.2,contrast:0,saturation:0,temperature:-0.1,sharpen:0.1,blend:1"
    assert not any(touch.is_neutral for touch in parse_finish(busy))


def test_the_table_is_sound() -> None:
    for kind in TOUCHES.values():
        needed = [number.default is None for number in kind.numbers]
        assert needed == sorted(needed, reverse=True), "what may be left out comes last"
        assert any(number.neutral is not None for number in kind.numbers)
        for number in kind.numbers:
            for value in (number.neutral, number.default):
                assert value is None or number.low <= value <= number.high


def test_usage_and_help_come_from_the_table() -> None:
    assert describe_usage("levels") == "levels:BLACK/WHITE[/GAMMA]"
    assert describe_usage("blend") == "blend:SHARE"
    lines = describe_touches().splitlines()
    assert len(lines) == len(TOUCHES)
    for line, (name, kind) in zip(lines, TOUCHES.items(), strict=True):
        assert line.startswith(describe_usage(name))
        assert kind.help in line


def test_the_page_shows_the_table_and_its_examples_are_valid() -> None:
    page = (Path(__file__).parent.parent / "docs" / "finishing.md").read_text()
    assert describe_touches(markdown=True) in page
    examples = [line.split('"')[1] for line in page.splitlines() if '--finish "' in line]
    assert len(examples) == 3
    for example in examples:
        assert format_finish(parse_finish(example)) == example


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    check_libraries(parse_finish("denoise:0.5,grain:1"))
    monkeypatch.setattr(finishing.importlib.util, "find_spec", lambda name: None)
    check_libraries(parse_finish("denoise:0,grain:1"))
    with pytest.raises(ConfigError, match=r"'denoise' needs scikit-image.*'impasto\[finish\]'"):
        check_libraries(parse_finish("grain:1,denoise:0.5"))


def test_reading_a_finish_needs_no_torch() -> None:
    code = (
        "import sys; from impasto.finishing import *; parse_finish('grain:1');"
        " sys.exit('torch' in sys.modules or 'skimage' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
