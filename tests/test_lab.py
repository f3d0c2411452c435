"""The lab without painting: sweep files, recipes, notebooks, curves and pages."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from impasto.config import PaintConfig, normalize_layers
from impasto.errors import ConfigError, ImageError, OutputError
from impasto.lab import sweeps
from impasto.lab.curves import draw_curves
from impasto.lab.experiments import Experiment, Run
from impasto.lab.layout import lay_out
from impasto.lab.notebook import Notebook
from impasto.lab.page import find_differences, render, spell_seconds
from impasto.lab.recipes import list_recipes, read_recipe
from impasto.lab.stories import Entry, Story
from impasto.lab.sweeps import expand, parse_sweep, read_sweep


def make_sweep(**found):
    return parse_sweep({"title": "t", **found}, "file.toml")


def grow(sweep, photos=("p.png",), styles=(("s.png",),), **overrides):
    return expand(sweep, list(photos), [list(one) for one in styles], overrides)


# Sweep files


def test_a_grid_is_all_combinations_in_order():
    found = grow(
        make_sweep(
            settings={"size": 64},
            grid={"optimizer": ["lbfgs", "adam"]},
            variants={"speed": {"slow": {"steps": [9]}, "fast": {"steps": [1]}}},
        )
    )
    assert [run.name for run in found.runs] == [
        "lbfgs, slow", "lbfgs, fast", "adam, slow", "adam, fast",
    ]  # fmt: skip
    assert found.axes == {"optimizer": ("lbfgs", "adam"), "speed": ("slow", "fast")}
    assert found.runs[1].settings == {"size": 64, "optimizer": "lbfgs", "steps": [1]}
    assert found.runs[1].labels == {"optimizer": "lbfgs", "speed": "fast"}


def test_axes_come_in_the_order_of_the_file():
    variants = {"b": {"x": {"seed": 1}, "y": {"seed": 2}}}
    found = grow(make_sweep(variants=variants, grid={"loss": ["gatys", "johnson"]}))
    assert list(found.axes) == ["b", "loss"]
    found = grow(make_sweep(grid={"loss": ["gatys", "johnson"]}, variants=variants))
    assert list(found.axes) == ["loss", "b"]


def test_listed_runs_come_beside_the_grid():
    found = grow(
        make_sweep(grid={"strength": [1, 2]}, runs=[{"name": "mine", "strength": 5, "seed": 3}])
    )
    assert [run.name for run in found.runs] == ["1", "2", "mine"]
    assert found.runs[2].settings == {"strength": 5, "seed": 3}
    assert found.axes == {"strength": ("1", "2"), "run": ("mine",)}


def test_several_photographs_and_styles_are_axes():
    found = grow(
        make_sweep(grid={"seed": [1]}), photos=("a.png", "b.png"), styles=(("s",), ("t", "u"))
    )
    assert [run.name for run in found.runs] == ["1, a, s", "1, a, t+u", "1, b, s", "1, b, t+u"]
    assert found.axes["style"] == ("s", "t+u")
    assert found.runs[3].styles == ("t", "u")


def test_overrides_replace_everything_and_end_what_varied():
    sweep = make_sweep(
        settings={"rows": 400, "steps": [40]}, snapshots=[10, 20],
        grid={"pooling": ["max", "average"], "seed": [1, 2]},
    )  # fmt: skip
    found = grow(sweep, size=64, seed=7, steps=[4])
    assert [run.name for run in found.runs] == ["max", "average"]
    assert found.runs[0].settings == {"size": 64, "steps": [4], "pooling": "max", "seed": 7}
    assert found.runs[0].snapshots == (1, 2)
    assert found.description.endswith("Here with other settings: size 64, seed 7, steps 4.")


def test_rows_are_the_height_of_the_picture():
    run = Run("r", {}, "p", (), {"rows": 400})
    assert run.configure((100, 150)).size == 600
    assert run.configure((150, 100)).size == 400
    with pytest.raises(ConfigError, match="in place of size"):
        Run("r", {}, "p", (), {"rows": 400, "size": 64}).configure((100, 150))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"size": 64}, "belong under .settings."),
        ({"grid": {"seed": 3}}, "is a list of values"),
        ({"runs": {"name": "a"}}, r"\[\[runs\]\]"),
        ({"variants": {"a": {"b": 1}}}, "adam = {"),
        ({"settings": [1]}, "is a table"),
        ({"photos": [3]}, "named by text"),
        ({"snapshots": [0]}, "numbers of steps"),
    ],
)
def test_what_nobody_understands_is_told(found, words):
    with pytest.raises(ConfigError, match=words):
        make_sweep(**found)


def test_two_runs_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="Two runs are called 'a'"):
        grow(make_sweep(runs=[{"name": "a"}, {"name": "a", "seed": 2}]))


def test_files_that_are_none_are_told(tmp_path):
    (tmp_path / "a.toml").write_text("title = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_sweep(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match="Cannot read"):
        read_sweep(tmp_path / "b.toml")


def test_a_run_is_known_by_its_settings_and_pictures(tmp_path):
    picture = tmp_path / "p.png"
    picture.write_bytes(b"one")
    run = Run("r", {"a": "b"}, str(picture), (), {"size": 64})
    assert run.key == Run("renamed", {}, str(picture), (), {"size": 64}).key
    assert run.key != Run("r", {"a": "b"}, str(picture), (), {"size": 65}).key
    before = run.key
    picture.write_bytes(b"two")
    assert run.key != before


# Recipes


def runs_of(name):
    return {run.name: run for run in grow(read_recipe(name)).runs}


@pytest.mark.parametrize("name", list_recipes())
def test_recipes_make_sense(name):
    sweep = read_recipe(name)
    assert sweep.title
    assert sweep.description
    assert re.fullmatch("00[0-4]", sweep.document)
    for run in grow(sweep).runs:
        settings = {
            name: value for name, value in run.settings.items()
            if name != "statistic" or name in PaintConfig.model_fields
        }  # fmt: skip
        config = Run(run.name, {}, "p", (), settings).configure((300, 400))
        config.resolve()


def test_sgd_is_the_documents():
    runs = runs_of("sgd-layers")
    assert list(runs) == ["figure 4", "figure 5", "figure 6", "figure 7", "figure 8"]
    for run in runs.values():
        config = run.configure((300, 450))
        assert (config.optimizer, config.learning_rate, config.decay) == ("sgd", 100, 0.96)
        assert (config.steps, config.scales, config.size) == ((40,), 1, 600)
        assert (config.loss, config.pooling, config.init) == ("gatys", "max", "content")
    layers = {
        name: (run.settings["content_layers"], len(run.settings["style_layers"]))
        for name, run in runs.items()
    }
    assert layers == {
        "figure 4": (["block5_conv1"], 5),
        "figure 5": (["block2_conv2"], 3),
        "figure 6": (["block5_conv2"], 5),
        "figure 7": (["block3_conv4"], 5),
        "figure 8": (["block5_conv1"], 4),
    }
    assert runs["figure 8"].settings["style_layers"][-1] == "block4_conv1"


def test_adam_is_the_documents():
    runs = grow(
        read_recipe("adam-layers"), photos=("one", "two"), styles=(("a",), ("b",))
    ).runs  # fmt: skip
    assert [(run.name, run.photo, run.styles) for run in runs] == [
        ("figure 10", "one", ("a",)), ("figure 13", "two", ("b",)),
    ]  # fmt: skip
    for run in runs:
        config = run.configure((400, 400))
        assert (config.optimizer, config.learning_rate, config.decay) == ("adam", 5, 1)
        assert (config.steps, config.size) == ((40,), 400)
    assert runs[0].settings["content_layers"] == ["block2_conv2"]
    assert runs[1].settings["content_layers"] == ["block5_conv1"]


def test_long_adam_is_the_documents():
    (run,) = grow(read_recipe("long-adam")).runs
    config = run.configure((300, 400)).resolve()
    assert (config.optimizer, config.steps, config.init) == ("adam", (2000,), "content")
    assert (config.content_weight, config.style_weight) == (1e3, 1e-2)
    assert config.content_layers == ("relu4_2",)
    assert config.style_layers == tuple(f"relu{n}_1" for n in range(1, 6))
    assert run.snapshots == (500, 1000, 1500)


def test_reconstructions_are_a_to_e():
    content, style = runs_of("content-reconstruction"), runs_of("style-reconstruction")
    assert list(content) == list(style) == list("abcde")
    for number, name in enumerate("abcde", 1):
        config = content[name].configure((256, 256)).resolve()
        assert (config.content_layers, config.style_weight) == ((f"relu{number}_1",), 0)
        assert config.init == "noise"
        config = style[name].configure((256, 256)).resolve()
        assert config.style_layers == tuple(f"relu{n}_1" for n in range(1, number + 1))
        assert (config.content_weight, config.init) == (0, "noise")


def test_the_comparisons_are_those_of_the_list():
    names = {name for name in list_recipes() if read_recipe(name).document == "003"}
    assert names == {
        "optimizers", "networks", "ratio", "pooling", "layers", "starts", "batch-norm", "photoreal",
    }  # fmt: skip
    assert {run.settings["optimizer"] for run in runs_of("optimizers").values()} == {
        "adam", "lbfgs", "sgd",
    }  # fmt: skip
    assert {run.settings["backbone"] for run in runs_of("networks").values()} >= {
        "vgg19", "resnet50", "densenet121",
    }  # fmt: skip
    ratios = [1 / run.settings["style_weight"] for run in runs_of("ratio").values()]
    assert ratios == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert set(runs_of("starts")) >= {"noise", "content", "style"}
    assert normalize_layers(("block5_conv1",)) == ("relu5_1",)


def test_an_unknown_recipe_is_answered_with_the_list():
    with pytest.raises(ConfigError, match="sgd-layers"):
        read_recipe("nonsense")


# Notebooks


def test_the_last_line_of_a_run_counts_and_broken_ones_do_not(tmp_path):
    notebook = Notebook(tmp_path / "lab").open()
    notebook.add({"key": "a", "status": "failed"})
    notebook.add({"key": "b", "loss": float("nan")})
    with (tmp_path / "lab/runs.jsonl").open("a") as file:
        file.write('{"key": "a", "sta')
    notebook.add({"key": "a", "status": "done"})
    assert notebook.read() == {
        "a": {"key": "a", "status": "done"},
        "b": {"key": "b", "loss": None},
    }


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other things"):
        Notebook(tmp_path).open()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_plan_is_made_up_from_the_lines_if_it_is_lost(tmp_path):
    notebook = Notebook(tmp_path / "lab").open()
    with pytest.raises(ImageError, match="holds no experiment"):
        notebook.read_plan()
    run = Run("r", {"seed": "1"}, "p", (), {})
    notebook.plan(Experiment("Title", "", (run,), {"seed": ("1",)}))
    assert notebook.read_plan()["title"] == "Title"
    (notebook.folder / "experiment.json").write_text("{")
    notebook.add({"key": "k", "name": "r", "labels": {"seed": "1"}, "caption": ""})
    plan = notebook.read_plan()
    assert plan["axes"] == {"seed": ["1"]}
    assert plan["runs"][0]["name"] == "r"


# Curves and pages


def test_curves_run_from_left_to_right_and_down():
    text = draw_curves({"a <b>": [(1, 100.0), (2, 10.0), (3, 1.0)]}, title="x & y", marks=[2])
    assert "<title>a &lt;b&gt;</title>" in text
    assert 'aria-label="x &amp; y"' in text
    points = re.search(r'points="([^"]+)"', text)[1].split()
    pairs = [tuple(map(float, point.split(","))) for point in points]
    assert pairs == sorted(pairs)
    assert pairs[1][1] - pairs[0][1] == pytest.approx(pairs[2][1] - pairs[1][1], abs=0.2)
    assert pairs[1][1] > pairs[0][1]


def test_curves_of_nothing_are_nothing():
    assert draw_curves({"a": []}, title="") == ""
    assert draw_curves({"a": [(1, 0.0), (2, -1.0)]}, title="") == ""
    assert "<svg" in draw_curves({"a": [(1, 5.0), (2, 5.0)]}, title="")


def test_many_points_are_thinned_and_the_last_one_stays():
    text = draw_curves({"a": [(x, 1.0 + x) for x in range(1, 2001)]}, title="")
    points = re.search(r'points="([^"]+)"', text)[1].split()
    assert len(points) < 400
    assert float(points[-1].split(",")[0]) == pytest.approx(628, abs=0.2)


def test_differences_are_what_is_not_the_same():
    one = {"size": 64, "style_layers": [1], "style_layer_weights": [1.0], "seed": 1}
    other = {"size": 64, "style_layers": [2], "style_layer_weights": [0.5], "seed": 2}
    assert find_differences([one, other]) == ["style_layers", "seed"]


def test_two_axes_make_a_table_and_a_third_makes_several():
    axes = {"a": ["1", "2"], "b": ["x", "y"], "c": ["p", "q"]}
    runs = [
        {"labels": {"a": a, "b": b, "c": c}, "name": a + b + c}
        for a in "12" for b in "xy" for c in "pq"
    ]  # fmt: skip
    tables = lay_out(axes, [*runs[:-1], {"labels": {"run": "extra"}, "name": "extra"}])
    assert [table["caption"] for table in tables] == ["c p", "c q", ""]
    assert tables[0]["rows"][1]["cells"][0]["name"] == "2xp"
    assert tables[1]["rows"][1]["cells"][1] is None
    assert tables[2]["flow"][0]["name"] == "extra"
    assert lay_out({"a": ["1", "2"]}, runs)[0]["flow"] == runs


def test_times_are_spelled():
    assert [spell_seconds(x) for x in (8.21, 65, 7380, None)] == ["8.2 s", "1:05 min", "2:03 h", ""]


class Outside(HTMLParser):
    """Gathers what a page would fetch, and what it runs."""

    def __init__(self):
        super().__init__()
        self.fetched, self.handlers, self.ids, self.targets = [], [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "poster", "data", "action", "xlink:href"):
                self.fetched.append(value)
            if name == "href" and tag == "link":
                self.fetched.append(value)
            if name == "href" and value.startswith("#"):
                self.targets.append(value[1:])
            if name.startswith("on") or name == "style":
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value)


def check_alone(text):
    """A page needs nothing else, and its links within lead somewhere."""
    outside = Outside()
    outside.feed(text)
    assert all(value.startswith("data:image/") for value in outside.fetched)
    assert "default-src &#39;none&#39;" in text
    assert not re.search(r"https?://", text)
    assert not re.search(r"url\(|@import", text)
    assert outside.handlers == []
    assert len(outside.ids) == len(set(outside.ids))
    assert set(outside.targets) <= set(outside.ids)
    return outside


def make_story(folder, **record):
    Image.new("RGB", (120, 80), "teal").save(folder / "a.png")
    losses = {"scale": [0, 0], "step": [1, 2], "loss": [3.0, 1.0], "terms": {"style": [3.0, 1.0]}}
    base = {"status": "done", "resolved": {"seed": 1}, "losses": losses, "loss": 1.0} | record
    return Story(
        "A <title>",
        [
            Entry(1, "first", {}, base, folder / "a.png"),
            Entry(2, "second & last", {}, {"status": "failed", "reason": "<b>not</b> so"}),
            Entry(3, "third", {}, {}),
        ],
        folder,
    )


def test_a_page_stands_alone_and_escapes_what_it_is_told(tmp_path):
    text = render(make_story(tmp_path))
    check_alone(text)
    assert "A &lt;title&gt;" in text
    assert "&lt;b&gt;not&lt;/b&gt; so" in text
    assert "<b>not</b>" not in text
    assert "Not yet" in text
    assert 'href="a.png"' in text
    assert text.count("<svg") == 1


def test_the_policy_lets_nothing_but_its_own_script_run(tmp_path):
    import base64
    import hashlib

    text = render(make_story(tmp_path))
    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest.replace('+', '+')}&#39;" in text


def test_hostile_names_stay_names(tmp_path):
    story = make_story(tmp_path, resolved={"seed": "</script><script>alert(1)</script>"})
    text = render(Story(story.title, story.entries, tmp_path, notes=["<img src=x onerror=y>"]))
    check_alone(text)
    assert text.count("<script>") == 1


def test_lines_of_json_are_strict(tmp_path):
    notebook = Notebook(tmp_path / "lab").open()
    notebook.add({"key": "a", "loss": float("inf"), "path": Path("x").name})

    def refuse(name):
        raise AssertionError(name)

    json.loads((tmp_path / "lab/runs.jsonl").read_text(), parse_constant=refuse)


def test_the_demo_covers_statistics_networks_and_pooling():
    found = grow(read_sweep(Path(sweeps.__file__).with_name("demo.toml")))
    assert [len(values) for values in found.axes.values()] == [7, 3, 2]
    assert list(found.axes) == ["statistic", "network", "pooling"]
    assert len(found.runs) == 42
    for run in found.runs:
        random = run.settings["backbone"] != "vgg19"
        assert (run.weights == "random") == random == ("random" in run.name)


def test_weights_are_part_of_what_a_run_is():
    run = Run("r", {}, "p", (), {"seed": 1})
    assert run.with_weights("random").key != run.key
    assert run.with_weights("a").with_weights("b").weights == "a"
