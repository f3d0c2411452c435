"""`impasto train`: as a process, from pictures to a file."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fast_networks import save_fast
from impasto import shelf
from impasto.networks import build_network
from impasto.trainconfig import read_recipe
from impasto.trained import Card, read_card, save_network
from slowly import all_slow_but, slow
from test_cli import make_picture
from test_cli_process import environment, open_signals
from test_trainconfig import RECIPES

COMMAND = (sys.executable, "-W", "error", "-m", "impasto.cli")
#: The losses' VGG-19 looks no deeper than this.
CHEAP = ("--content-layers", "relu1_2", "--style-layers", "relu1_1,relu2_1")
QUICK = (
    "--content", "photos", "--size", "64", "--style-size", "64", "--batch", "2", "--steps", "6",
    "--width", "4", "--blocks", "1", "--workers", "0", *CHEAP,
)  # fmt: skip
MICRO = (
    "train",
    "micro",
    "--styles",
    "styles",
    "-o",
    "net.safetensors",
    "--hidden",
    "8",
    "--eye",
    "0",
    *QUICK,
)
#: What the card of that network tells of its size.
NUMBERS = {"width": 4, "blocks": 1, "hidden": 8, "eye": 0, "smooth": 1, "grain": 6}


def change(arguments, **changes):
    """The same command with other values for some options."""
    result = list(arguments)
    for name, value in changes.items():
        option = f"--{name.replace('_', '-')}"
        if option in result:
            result[result.index(option) + 1] = str(value)
        else:
            result += [option, str(value)]
    return tuple(result)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, count in (("photos", 4), ("styles", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            make_picture(90, 70, number).save(tmp_path / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_DEBUG", "0")
    return tmp_path


def test_trains(folder, run):
    (folder / "photos" / "0b.png").write_bytes(b"no picture")
    code, out, error = run(
        *MICRO, "--samples", "sheet.png", "--log", "log.jsonl", "--data", "waves"
    )
    assert (code, out) == (0, "")
    lines = error.splitlines()
    assert re.match(
        r"Training micro on cpu in \w+ \(.*\): 5 photographs, 3 styles; 6 steps", lines[0]
    )
    assert lines[-2] == "1 picture could not be read: photos/0b.png."
    assert re.fullmatch(r"Trained net.safetensors: 6 steps in \d+:\d\d\.", lines[-1])
    card = read_card(folder / "net.safetensors")
    assert (card.network, card.steps, card.pictures, card.data) == ("micro", 6, 12, "waves")
    assert card.arguments == NUMBERS
    assert card.recipe["size"] == 64
    (line,) = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert line["step"] == 6
    assert line["loss"] == pytest.approx(
        sum(line[name] for name in ("content", "style", "tv", "weave")), rel=1e-4
    )
    sheet = np.asarray(Image.open(folder / "sheet.png"))
    assert sheet.shape == (4 * 128, 4 * 128, 3)
    assert sheet[200:, 200:].std() > 5
    assert not list(folder.glob("*.resume"))


def test_pictures_of_a_pixel(folder, run):
    """They are passed over like broken ones; alone they are no folder to learn from."""
    make_picture(1, 1).save(folder / "photos" / "dot.png")
    make_picture(900, 3).save(folder / "styles" / "line.png")
    code, _, error = run(*change(MICRO, batch=8, steps=1))
    assert code == 0, error
    assert "2 pictures could not be read: " in error
    for place in ("photos", "styles"):
        for path in (folder / place).iterdir():
            make_picture(1, 1).save(path)
        code, _, error = run(*MICRO, "--overwrite")
        assert code == 2
        last = error.splitlines()[-1]
        assert re.match(r"impasto: Hardly any (photograph|style picture) can be read", last)
        for number, path in enumerate((folder / place).iterdir()):
            make_picture(90, 70, number).save(path)


def test_the_only_style_is_broken(folder, run):
    (folder / "styles" / "0.png").write_bytes(b"no picture")
    code, _, error = run(
        "train", "johnson", *QUICK, "--styles", "styles/0.png", "-o", "n.safetensors"
    )
    assert code == 3
    assert re.match(r"impasto: Cannot read styles/0\.png: ", error.splitlines()[-1])
    assert not (folder / "n.safetensors").exists()


def test_a_recipe_and_what_wins_over_it(folder, run):
    (folder / "net.toml").write_text(
        'network = "dumoulin"\ncontent = ["photos"]\nstyles = ["styles", "mosaic"]\n'
        'output = "many.safetensors"\nsize = 64\nstyle-size = 64\nbatch = 1\nsteps = 50\n'
        'width = 4\nblocks = 1\nworkers = 0\nlicence = "CC0-1.0"\n'
    )
    code, out, error = run("train", "--recipe", "net.toml", "--steps", "2", "--json")
    assert (code, error) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["start", "progress", "progress", "done"]
    assert (events[0]["styles"], events[0]["steps"]) == (4, 2)
    assert events[-1]["broken"] == []
    card = read_card(folder / "many.safetensors")
    assert card.styles == ("0", "1", "2", "mosaic")
    assert (card.licence, card.arguments["styles"]) == ("CC0-1.0", 4)


def test_help_says_what_a_value_is(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    _, out, _ = run("train", "--help")
    for option in ("--samples FILE", "--tensorboard FOLDER", "--data TEXT", "--start NAME|FILE"):
        assert option in out
    assert "--stages" not in out


@pytest.mark.parametrize(
    ("code", "arguments", "text"),
    [
        (2, ("train",), "Which network"),
        (2, ("train", "gan"), "--network: .*'micro'"),
        (2, ("train", "micro"), "--content"),
        (2, ("train", "micro", "--content", "photos"), "--styles"),
        (2, ("train", "micro", "--content", "photos", "--styles", "mosaic"), "-o"),
        (2, ("train", "micro", *QUICK, "--styles", "mosaic", "-o", "net.png"), r"\.safetensors"),
        (6, ("train", "micro", *QUICK, "--styles", "mosaic", "-o", "no/net.safetensors"), "folder"),
        (2, ("train", "johnson", *QUICK, "--styles", "styles", "-o", "n.safetensors"), "dumoulin"),
        (2, change(MICRO, styles="mosaik"), "no folder mosaik"),
        (2, change(MICRO, content="nowhere"), "no folder nowhere"),
        (2, change(MICRO, steps="many"), "--steps"),
        (2, (*MICRO, "--bottleneck", "3"), "does not take"),
        (2, (*MICRO, "--device", "abacus"), "abacus"),
        (2, (*MICRO, "--recipe", "none.toml"), "none.toml"),
        (2, (*MICRO, "--content-layers", "relu9_1"), "relu9_1"),
        (2, (*MICRO, "--style-layers", "relu1_1,relu9_1"), "relu9_1"),
        (6, (*MICRO, "--log", "net.safetensors"), "file of its own"),
        (2, (*MICRO, "--samples", "sheet.xyz"), "xyz"),
        (2, (*MICRO, "--minutes", "0"), "--minutes"),
    ],
)
def test_what_cannot_be_trained(folder, run, code, arguments, text):
    before = sorted(folder.rglob("*"))
    found, out, error = run(*arguments)
    assert (found, out) == (code, ""), error
    last = error.splitlines()[-1]
    assert re.match(rf"impasto: .*{text}", last), error
    assert sorted(folder.rglob("*")) == before


def test_nothing_is_replaced_unasked(folder, run):
    (folder / "net.safetensors").write_bytes(b"mine")
    assert run(*MICRO)[0] == 6
    assert run(*MICRO, "--resume")[0] == 4
    (folder / "net.safetensors").unlink()
    (folder / "net.safetensors.resume").write_bytes(b"mine")
    code, _, error = run(*MICRO)
    assert code == 6
    assert "--resume" in error
    assert run(*MICRO, "--resume")[0] == 4
    (folder / "net.safetensors.resume").unlink()
    (folder / "log").write_text("mine")
    assert run(*MICRO, "--log", "log")[0] == 6
    assert (folder / "log").read_text() == "mine"


def test_tensorboard_is_missing(folder, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, error = run(*MICRO, "--tensorboard", "board")
    assert code == 2
    assert error == "impasto: --tensorboard needs TensorBoard: pip install 'impasto[train]'.\n"


def test_tensorboard(folder, run, monkeypatch):
    told = []

    class Writer:
        def __init__(self, folder):
            told.append(folder)

        def add_scalar(self, name, value, step):
            told.append((name, step))

        def add_image(self, name, picture, step):
            told.append((name, tuple(picture.shape), step))

        def close(self):
            told.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    assert run(*change(MICRO, steps=1, tensorboard="board", samples="s.png"), "-q")[0] == 0
    assert told[0] == "board"
    assert ("terms/style", 1) in told
    assert ("samples", (3, 512, 512), 1) in told
    assert told[-1] == "closed"


#: Steps that a process can be ahead of its reader are fewer than this less three.
AHEAD = 24


def interrupt(folder, number, *arguments):
    """Send a signal after the second step; gives the exit code and the events.

    However busy the machine is, the process cannot have finished before: it writes into a pipe of
    a few kilobytes, and nobody reads on until the signal is sent.
    """
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen(
        [*COMMAND, *arguments, "--json"], cwd=folder, env=environment(), stdout=theirs,
        stderr=subprocess.PIPE, text=True, preexec_fn=open_signals, start_new_session=True,
    ) as process, os.fdopen(ours, "rb", buffering=0) as told:  # fmt: skip
        os.close(theirs)
        first = [told.readline() for _ in range(3)]
        os.killpg(process.pid, number)  # as a terminal does: the workers get it too
        lines = first + told.read().splitlines()
        assert process.stderr.read() == ""
        code = process.wait()
    return code, [json.loads(line) for line in lines]


@pytest.fixture
def one_thread():
    """Sums in one order: processes and this one may have other numbers of threads."""
    before = torch.get_num_threads()
    yield ("--threads", "1")
    torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes here have one size")
@pytest.mark.parametrize("number", [signal.SIGINT, slow(signal.SIGTERM)])
def test_interrupted_and_resumed(folder, run, one_thread, number):
    arguments = (*change(MICRO, workers=1, steps=AHEAD, log="log"), *one_thread)
    code, events = interrupt(folder, number, *arguments)
    assert code == 128 + number
    assert events[-1]["event"] == "interrupted"
    done = events[-1]["step"]
    assert 2 <= done < AHEAD
    assert read_card(folder / "net.safetensors").steps == done
    assert run(*arguments)[0] == 6
    assert run(*arguments, "--resume", "--seed", "1")[0] == 4
    code, out, error = run(*arguments, "--resume", "--json")
    assert (code, error) == (0, "")
    again = [json.loads(line) for line in out.splitlines()]
    assert (again[0]["step"], again[1]["step"], again[-1]["step"]) == (done, done + 1, AHEAD)
    assert not (folder / "net.safetensors.resume").exists()
    assert run(*arguments, "--resume") == (0, "", "net.safetensors is finished already.\n")
    whole = ["whole.safetensors" if one == "net.safetensors" else one for one in arguments]
    assert run(*whole, "--overwrite")[0] == 0
    assert (folder / "net.safetensors").read_bytes() == (folder / "whole.safetensors").read_bytes()


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(folder, run):
    """To rounding: what differs is small beside what another batch would make of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    whole = change(MICRO[:4] + MICRO[6:], steps=3, learning_rate=0.01, average=0, identity=0.4)
    base = change(whole, batch=1)
    team = []
    for rank in range(2):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": port}  # fmt: skip
        team.append(
            subprocess.Popen(
                [*COMMAND[:1], *COMMAND[3:], *base, "-o", "team.safetensors"],
                env=environment() | {name: str(value) for name, value in place.items()},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    told = [process.communicate(timeout=300) for process in team]
    assert [process.returncode for process in team] == [0, 0], told
    assert "steps of 2 crops" in told[0][1]
    assert told[1] == ("", "")
    assert run(*whole, "-o", "alone.safetensors", "-q")[0] == 0
    assert run(*base, "-o", "less.safetensors", "-q")[0] == 0
    nets = [load_file(folder / f"{name}.safetensors") for name in ("team", "alone", "less")]
    weights = [
        torch.cat([tensor.float().flatten() for name, tensor in net.items() if tensor.ndim > 1])
        for net in nets
    ]
    assert (weights[0] - weights[1]).norm() < 0.1 * (weights[0] - weights[2]).norm()
    assert read_card(folder / "team.safetensors").pictures == 6


# Going on from trained weights, and stages.


def test_goes_on_from_a_trained_network(folder, run):
    first = ["first.safetensors" if one == "net.safetensors" else one for one in MICRO]
    assert run(*change(first, steps=1), "-q")[0] == 0
    # Its numbers come with it.
    plain = ("train", "micro", *QUICK[:10], "--workers", "0", "--styles", "styles", *CHEAP)
    again = (*plain, "-o", "net.safetensors", "--start", "first.safetensors")
    code, _, error = run(*change(again, steps=1))
    assert code == 0, error
    card = read_card(folder / "net.safetensors")
    assert card.arguments == NUMBERS
    assert card.started_from["name"] == "first.safetensors"
    assert re.search(r"^It begins with all \d+ tensors of first\.safetensors\.$", error, re.M)


def test_goes_on_from_what_comes_with_impasto(folder, run, monkeypatch):
    monkeypatch.setattr(shelf, "FOLDER", folder / "nets")
    (folder / "nets").mkdir()
    save_fast(folder / "nets" / "gallery.safetensors", "dumoulin", ("mosaic", "dusk"))
    command = ("train", "johnson", *QUICK[:10], "--workers", "0", *CHEAP, "--styles", "mosaic")
    command = change((*command, "-o", "net.safetensors"), start="gallery", steps=1)
    code, out, error = run(*command, "--json")
    assert (code, error) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert len(notes) == 1
    assert re.fullmatch(r"It begins with all \d+ tensors of gallery.safetensors.", notes[0])
    begun = load_file(folder / "nets" / "gallery.safetensors")["norms.0.scale"][:1].float()
    ended = load_file(folder / "net.safetensors")["norms.0.scale"].float()
    assert (begun - ended).abs().max() < 0.01 < (begun - 1).abs().max()


def save_micro(path, **sizes):
    """A micro network with an eye, and all its tensors."""
    sizes = {"width": 4, "blocks": 1, "hidden": 8, "eye": 8} | sizes
    torch.manual_seed(0)
    network = build_network("micro", lambda: pytest.fail("It has an eye."), sizes)
    save_network(path, network.state_dict(), Card(network="micro", arguments=sizes))
    return network.state_dict()


def test_a_narrower_one_is_fitted(folder, run):
    state = save_micro(folder / "wide.safetensors", width=8)
    options = change(MICRO, start="wide.safetensors", fit=6, steps=1, eye=8)
    code, _, error = run(*options)
    assert code == 0, error
    assert re.search(r"^It begins with \d+ of \d+ tensors of wide.safetensors; new", error, re.M)
    assert re.search(r"^blocks\.0 has 12 channels; \d+\.\d% unexplained\.$", error, re.M)
    ended = load_file(folder / "net.safetensors")
    eyes = [name for name in state if name.startswith("eye.")]
    assert eyes
    assert all(torch.equal(ended[name], state[name].half()) for name in eyes)
    assert read_card(folder / "net.safetensors").arguments["width"] == 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "micro is fitted to a wider one; name that with --start"),
        ({"start": "same.safetensors"}, "width 4 cannot be fitted to one of width 4"),
    ],
)
def test_what_cannot_be_fitted(folder, run, options, text):
    save_micro(folder / "same.safetensors")
    code, _, error = run(*change(MICRO, fit=4, eye=8, **options))
    assert code == 2
    assert text in error.splitlines()[-1]
    assert not (folder / "net.safetensors").exists()


@pytest.mark.parametrize(
    ("code", "start", "text"),
    [
        (4, "none", "no fast network 'none'"),
        (4, "photos/0.png", "no fast network"),
        (4, "text.safetensors", "no fast network"),
        (2, "johnson.safetensors", "is a johnson network, from which micro cannot go on"),
        (2, "wide.safetensors", "has width 16"),
        (6, "net.safetensors", "cannot go on from the file that it writes"),
    ],
)
def test_what_cannot_be_gone_on_from(folder, run, code, start, text):
    (folder / "text.safetensors").write_text("words")
    (folder / "net.safetensors").write_text("words")
    save_fast(folder / "johnson.safetensors", "johnson")
    if start == "wide.safetensors":
        sizes = {"width": 16, "blocks": 1, "hidden": 9}
        card = Card(network="micro", arguments=sizes)
        save_network(folder / start, {"a.weight": torch.ones(2, 2)}, card)
    found, out, error = run(*MICRO, "--start", start, "--overwrite")
    assert (found, out) == (code, ""), error
    assert re.match(rf"impasto: .*{text}", error.splitlines()[-1]), error
    assert (folder / "net.safetensors").read_text() == "words"


def test_stages_in_a_recipe(folder, run):
    (folder / "net.toml").write_text(
        'network = "micro"\nstyle-layers = ["relu1_1"]\ncontent-layers = ["relu1_1"]\n'
        '[[stages]]\nafter = 0.5\nstyle-layers = ["relu1_1", "relu2_1"]\n'
    )
    code, _, error = run(*change(MICRO, steps=2), "--recipe", "net.toml")
    assert code == 0, error
    assert "Stage 2 begins with step 2." in error.splitlines()
    recipe = read_card(folder / "net.safetensors").recipe
    assert recipe["stages"] == [{"after": 0.5, "style_layers": ["relu1_1", "relu2_1"]}]
    (folder / "net.toml").write_text("[[stages]]\nafter = 2\n")
    code, _, error = run(*MICRO, "--overwrite", "--recipe", "net.toml")
    assert code == 2
    assert error == "impasto: Stage 1, after: input should be less than 1.\n"


@pytest.mark.parametrize(
    "path",
    all_slow_but(
        [RECIPES / f"{name}.toml" for name in ("any-style", "gallery", "adain-noise")],
        sorted(RECIPES.glob("*.toml")),
    ),
    ids=lambda path: path.stem,
)
def test_our_recipes_train(folder, run, monkeypatch, path):
    """With numbers so small that a few steps take seconds."""
    (folder / "nets").mkdir()
    monkeypatch.setattr(shelf, "FOLDER", folder / "nets")
    save_fast(folder / "nets" / "gallery.safetensors", "dumoulin", ("mosaic", "dusk"))
    save_fast(folder / "nets" / "adain.safetensors", "micro", ())  # any tutor will do
    network = read_recipe(path)["network"]
    small = {
        "adain": ("--fit", "1"),
        "micro": ("--width", "4", "--blocks", "1", "--hidden", "8", "--eye", "0"),
    }
    if path.stem == "micro-narrow":
        save_micro(folder / "wide.safetensors", width=8)
        small["micro"] = ("--width", "4", "--start", "wide.safetensors", "--fit", "2")
    code, _, error = run(
        "train", "--recipe", path, "--content", "photos", "--styles",
        "mosaic" if network == "johnson" else "styles", "-o", "net.safetensors", "-q",
        "--size", "32", "--style-size", "32", "--batch", "1", "--steps", "2", "--workers", "0",
        "--critic-width", "1",  # a slim one takes a minute to make, and is tested elsewhere
        *small.get(network, ("--width", "4", "--blocks", "1")),
    )  # fmt: skip
    assert (code, error) == (0, "")
    card = read_card(folder / "net.safetensors")
    assert (card.network, card.steps) == (network, 2)
