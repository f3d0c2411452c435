"""Batches: the same ones again, wherever and however they are made."""

import gc
import itertools
import multiprocessing
import time
from pathlib import Path

import pytest
import torch

from impasto.batches import draw_place, draw_share, hash_numbers
from impasto.datasets import Crops, crop_randomly, stream
from impasto.errors import ConfigError
from test_cli import make_picture

FILES = Path("/proc/self/fd")


@pytest.fixture
def paths(tmp_path):
    names = []
    for number in range(5):
        names.append(tmp_path / f"{number}.png")
        make_picture(60, 40 + number, number).save(names[-1])
    return names


def take(count, *arguments, **more):
    batches = stream(*arguments, **more)
    found = list(itertools.islice(batches, count))
    batches.close()
    return found


def same(one, other):
    return one.numbers == other.numbers and torch.equal(one.pictures, other.pictures)


def test_workers_change_nothing(paths):
    crops = Crops(paths, 32, 0)
    here, there = take(4, crops, 2, workers=0), take(4, crops, 2, workers=2)
    assert all(map(same, here, there))
    assert here[0].pictures.shape == (2, 3, 32, 32)
    assert not same(here[0], here[1])
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not FILES.exists(), reason="needs Linux")
def test_no_descriptor_is_left(paths):
    crops, rounds = Crops(paths, 32, 0), 6
    take(3, crops, 2, workers=2)  # the first time PyTorch opens some of its own, for good
    before = len(list(FILES.iterdir()))
    for _ in range(rounds):
        take(3, crops, 2, workers=2)
    # What PyTorch's own threads still hold of the last round is let go a moment later.
    for _ in range(100):
        gc.collect()
        left = len(list(FILES.iterdir())) - before
        if left < rounds:
            break
        time.sleep(0.1)
    assert left < rounds


def test_goes_on_anywhere(paths):
    crops = Crops(paths, 32, 0)
    assert same(take(4, crops, 2, workers=0)[3], take(1, crops, 2, workers=0, first=3)[0])


def test_processes_share_a_batch(paths):
    crops = Crops(paths, 32, 0)
    whole = take(2, crops, 4, workers=0)[1]
    parts = [take(2, crops, 2, workers=0, rank=rank, ranks=2)[1] for rank in range(2)]
    assert whole.numbers == parts[0].numbers + parts[1].numbers
    assert torch.equal(whole.pictures, torch.cat([part.pictures for part in parts]))


def test_another_seed_gives_other_crops(paths):
    one, other = (take(1, Crops(paths, 32, seed), 2, workers=0)[0] for seed in range(2))
    assert not same(one, other)


def test_broken_pictures_are_passed_over_and_named(paths):
    paths[2].write_bytes(b"no picture")
    paths[4].unlink()
    found = take(5, Crops(paths, 32, 0), 2, workers=0)
    broken = {}
    for batch in found:
        broken |= batch.broken
    assert {Path(name).name for name in broken} == {"2.png", "4.png"}
    assert all(batch.pictures.shape == (2, 3, 32, 32) for batch in found)


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_but_broken_pictures(paths, workers):
    for path in paths:
        path.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"\AHardly any photograph can be read; .*png") as caught:
        take(1, Crops(paths, 32, 0), 2, workers=workers)
    assert "\n" not in str(caught.value)
    assert not multiprocessing.active_children()


def test_no_pictures():
    with pytest.raises(ConfigError, match="no picture"):
        Crops([], 32, 0)


@pytest.mark.parametrize("size", [(16, 200), (40, 40), (300, 200)])
def test_crops_of_any_picture(size):
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        piece = crop_randomly(torch.rand(1, 3, *size), 32, generator)
        assert piece.shape == (1, 3, 32, 32)


def test_each_thing_comes_once_a_round():
    rounds = [[draw_place(7, turn * 7 + place, 0, 3) for place in range(7)] for turn in range(3)]
    assert all(sorted(one) == list(range(7)) for one in rounds)
    assert rounds[0] != rounds[1]
    assert {draw_place(7, 0, attempt, 3) for attempt in range(1, 50)} == set(range(7))


def test_draws_are_even():
    shares = torch.tensor([draw_share(0, number, 2) for number in range(4000)])
    assert abs(float(shares.mean()) - 0.5) < 0.02
    assert shares.min() >= 0
    assert shares.max() < 1
    assert len({hash_numbers(0, number) for number in range(1000)}) == 1000
    assert hash_numbers(1, 2) != hash_numbers(2, 1)
