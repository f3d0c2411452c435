"""`impasto train` beside a plain loop, a step each in turns: crops a second.

The plain loop is `benchmarks.plain`: the same layers, the same crops in the same batches, the same
layers of VGG-19. It looks at the style in every step, as loops for many styles do; a second one
keeps what it saw. Ours meets each crop for the first time, and then again (`--crops`), with the
whole VGG-19 and with `--critic-width 0.4`.
"""

import sys
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.report import Row
from benchmarks.turns import Tally, Turn, Worker

OURS, SLIM, PLAIN, KEEPING = "impasto", "impasto, slim critic", "plain", "plain, style kept"
#: (width, blocks, side of crops in px, crops in a batch)
CASES = ((16, 5, 128, 4), (32, 5, 128, 4))


def measure_training(
    bench: Bench, cases: Sequence[tuple[int, int, int, int]] = CASES, *, threads: int = 1
) -> list[Row]:
    """Crops a second by the processor's time, and ratios to the plain loop."""
    rows: list[Row] = []
    rounds = bench.repeats
    bench.watch.expect(len(cases) * 2 * rounds)
    for width, blocks, size, batch in cases:
        order = {
            "width": width, "blocks": blocks, "size": size, "batch": batch,
            "batches": rounds + 1, "threads": threads,
        }  # fmt: skip
        driver = [sys.executable, "-m", "benchmarks.training_driver"]
        loops = (OURS, SLIM, PLAIN, KEEPING)
        first, again = Tally(), Tally()
        with Worker(driver, {**order, "loops": loops}, threads) as worker:
            # Through all batches twice; the first step of all is a warm-up.
            for number in range(2 * (rounds + 1)):
                bench.watch.begin(f"width {width}, step {number}")
                tally = first if number <= rounds else again
                for name in loops:
                    answer = worker.ask(name)
                    if number:
                        tally.add(name, Turn(answer["seconds"], answer["work"]))
        title = f"johnson, width {width}, {blocks} blocks, {batch} crops of {size} px"
        rows += [_tell(title, "crops seen first", first, batch, name) for name in first.turns]
        rows += [_tell(title, "crops seen again", again, batch, name) for name in again.turns]
    note = f"{threads} thread; crops a second of processor time, ratios step by step in turns."
    return [*rows, {"table": rows[0]["table"], "note": note}]


def _tell(title: str, when: str, tally: Tally, batch: int, name: str) -> Row:
    row: Row = {"table": title, "loop": name, "when": when, "crops a second": 0.0}
    row["crops a second"] = batch / tally.work(name)
    for peer in (PLAIN, KEEPING):
        middle, least, most = tally.ratio(name, peer)
        row[f"times {peer}"] = f"{middle:.2f} ({least:.2f} to {most:.2f})"
    return row
