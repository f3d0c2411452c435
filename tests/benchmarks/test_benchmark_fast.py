"""Fast networks beside others: turns, what is kept of pairs, and the plain training loop."""

import sys
from operator import mul
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmarks.bench import Bench
from benchmarks.exports import measure_exports
from benchmarks.fast import measure_fast
from benchmarks.markdown import fill
from benchmarks.pairs import Case, Table, measure_pairs, spread_evenly
from benchmarks.plain import CONTENT_LAYERS, STYLE_LAYERS, PlainVGG, gram, make_step
from benchmarks.processes import ProgramError
from benchmarks.turns import Tally, Turn, Worker, take_turns
from impasto.encoders.vgg import VGG, list_weights

_PROGRAM = """
import json, sys
order = json.loads(sys.argv[1])
for line in sys.stdin:
    if json.loads(line) == "stop":
        raise SystemExit("enough")
    order["work"] += 1
    print(json.dumps(order), flush=True)
"""


def work(amount: int) -> Worker:
    return Worker([sys.executable, "-c", _PROGRAM], {"seconds": 1.0, "work": amount}, 1)


def test_programs_take_turns_after_a_warm_up() -> None:
    with work(0) as one, work(10) as other:
        tally = take_turns({"one": one, "other": other}, "go", 2)
    assert [turn.work for turn in tally.turns["one"]] == [2, 3]
    assert [turn.work for turn in tally.turns["other"]] == [12, 13]


def test_a_program_that_ends_says_why() -> None:
    with work(0) as one, pytest.raises(ProgramError, match="enough"):
        one.ask("stop")


def test_ratios_are_taken_round_by_round() -> None:
    tally = Tally()
    for ours, theirs in ((1, 2), (10, 50), (2, 6)):
        tally.add("ours", Turn(0, ours))
        tally.add("theirs", Turn(0, theirs))
    assert tally.ratio("ours", "theirs") == (3, 2, 5)


def test_optimised_pairs_are_of_many_photographs_and_paintings() -> None:
    pairs = [
        (Path(f"photo{one}"), Path(f"style{other}")) for one in range(10) for other in range(10)
    ]
    for count, least in ((6, 4), (20, 10)):
        few = spread_evenly(pairs, count)
        assert len(few) == count
        assert min(len({pair[place] for pair in few}) for place in (0, 1)) >= least
    assert not spread_evenly(pairs, 0)
    assert spread_evenly(pairs[:3], 9) == set(pairs[:3])


def test_scores_are_kept_and_a_broken_line_is_not(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    case = Case("net", "abc", Path("a/cat.png"), Path("b/mosaic.png"), Path("c.png"))
    table = Table(path, 256)
    assert table.find(case, "VGG-19") is None
    table.add(case, "VGG-19", (0.25, 0.5))
    with path.open("a") as file:
        file.write("net,abc,dog")
    again = Table(path, 256)
    assert again.find(case, "VGG-19") == (0.25, 0.5)
    assert again.find(case, "other") is None
    assert again.find(case._replace(digest="new"), "VGG-19") is None
    assert Table(path, 320).find(case, "VGG-19") is None


def test_what_is_missing_is_told(bench: Bench) -> None:
    for rows in (measure_fast(bench), measure_exports(bench), measure_pairs(bench)):
        assert "Name folders" in str(rows[0]["note"]) or "--networks" in str(rows[0]["note"])


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) * (0.05 if len(shape) == 4 else 0.1)
        for name, shape in list_weights("vgg19").items()
    }


def test_the_plain_network_sees_what_ours_sees(state: dict[str, torch.Tensor]) -> None:
    ours = VGG("vgg19", state, pooling="max", padding="zero")
    plain = PlainVGG(state, ours.mean, ours.std)
    picture = torch.rand(2, 3, 32, 40)
    wanted = ours(picture, {*STYLE_LAYERS, *CONTENT_LAYERS})
    found = plain(picture)
    for layer, activations in wanted.items():
        assert torch.allclose(found[layer], activations, atol=1e-4), layer


def test_gram_matrices_are_divided() -> None:
    x = torch.rand(1, 2, 3, 4)
    assert torch.allclose(gram(x)[0, 0, 1], (x[0, 0] * x[0, 1]).sum() / 24)


@pytest.mark.parametrize("keeps", [True, False])
def test_the_plain_loop_learns(
    state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    ours = VGG("vgg19", state)
    losses: list[float] = []
    looks: list[torch.Tensor] = []
    measure, see = F.mse_loss, PlainVGG.forward

    def note(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        loss = measure(found, wanted)
        losses.append(float(loss.detach()))
        return loss

    def look(self: PlainVGG, x: torch.Tensor) -> dict[str, torch.Tensor]:
        looks.append(x)
        return see(self, x)

    monkeypatch.setattr(F, "mse_loss", note)
    monkeypatch.setattr(PlainVGG, "forward", look)
    torch.manual_seed(0)
    vgg = PlainVGG(state, ours.mean, ours.std)
    step = make_step(vgg, torch.rand(1, 3, 32, 32), 4, 1, keeps_style=keeps)
    photos = torch.rand(2, 3, 32, 32)
    for _ in range(8):
        step(photos)
    terms = len(CONTENT_LAYERS) + len(STYLE_LAYERS)
    assert len(losses) == 8 * terms
    first, last = losses[:terms], losses[-terms:]
    weights = [1.0] * len(CONTENT_LAYERS) + [1e-4] * len(STYLE_LAYERS)
    assert sum(map(mul, weights, last)) < sum(map(mul, weights, first))
    assert len(looks) == (1 + 8 * 2 if keeps else 8 * 3)


def test_tables_go_to_their_places_in_a_page() -> None:
    rows = [{"table": "t", "who": "a|b", "s": 0.12345}, {"table": "t", "note": "A remark."}]
    results = {
        "when": "2026-01-02T03:04:05",
        "machine": {"processor": "P", "load average": "1.00"},
        "parts": {"fast": rows, "pairs": rows},
    }
    page = "Before.\n<!-- measured: fast -->\nold\n<!-- end of fast -->\nAfter.\n"
    filled = fill(results, page)
    assert filled.startswith("Before.\n")
    assert filled.endswith("\nAfter.\n")
    assert "| a\\|b | 0.123 |" in filled
    assert "A remark.\n\nMeasured 2026-01-02 on P, load average 1.00." in filled
    assert "old" not in filled
    assert fill(results, filled) == filled
