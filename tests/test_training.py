"""Training: it learns, it goes on to the same bits, and it ends when it should."""

import dataclasses
import math
import multiprocessing

import pytest
import torch
from torch import nn

from impasto import lessons, training
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, NumericalError
from impasto.lessons import Lesson, School, find_pictures, hold_out
from impasto.losses import content_relative
from impasto.networks.adain import adaptive_instance_norm
from impasto.networks.blocks import measure_instance
from impasto.statistics import Moments, collect_moments
from impasto.stylebooks import StyleBook
from impasto.trainconfig import TrainConfig
from impasto.training import TrainState, schedule
from impasto.trainlosses import OBJECTIVES, content_adain, content_by_picture
from test_cli import make_picture

CPU = torch.device("cpu")
SETTINGS = {"size": 32, "batch": 2, "steps": 4, "warmup": 1, "style_layers": ("relu1_1", "relu2_1"),
            "content_layers": ("relu2_1",)}  # fmt: skip
NUMBERS = {
    "johnson": {"width": 4, "blocks": 1},
    "dumoulin": {"width": 4, "blocks": 1},
    "micro": {"width": 4, "blocks": 1, "hidden": 8, "eye": 0},
    "msgnet": {"width": 16, "blocks": 1},
    "ghiasi": {"width": 4, "blocks": 1, "bottleneck": 4},
    "adain": {},
}


@pytest.fixture(scope="module")
def critic(random_state):
    return VGG("vgg19", random_state("vgg19"))


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        make_picture(60, 40, number).save(tmp_path / f"photo{number}.png")
    for number in range(3):
        make_picture(48, 48, 10 + number).save(tmp_path / f"style{number}.png")
    return tmp_path


@pytest.fixture
def teach(folder, critic):
    """Opens a school for a network, with settings in place of the usual ones."""

    def make(network, **settings):
        styles = sorted(folder.glob("style*"))[: 1 if network == "johnson" else 3]
        lesson = Lesson(
            network, tuple(sorted(folder.glob("photo*"))), tuple(styles),
            TrainConfig(**(SETTINGS | settings)), NUMBERS[network], style_size=32,
        )  # fmt: skip
        return School(lesson, CPU, workers=0, critic=critic)

    return make


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_falls(teach, objective):
    weights = {"style_weight": 1.0, "content_weight": 0.1, "tv_weight": 0.0, "strain_weight": 0.0}
    school = teach("johnson", steps=40, learning_rate=0.02, objective=objective, **weights)
    losses = [progress.loss for progress in school.run()]
    assert len(losses) == 40
    assert all(map(math.isfinite, losses))
    most = 0.7**0.5 if objective == "robust" else 0.7  # roots fall as roots do
    assert sum(losses[-8:]) < most * sum(losses[:8])


def test_strain_is_a_term_only_if_it_weighs(teach):
    for weight, there in ((0.0, False), (0.2, True)):
        (progress,) = teach("johnson", steps=1, strain_weight=weight).run()
        assert ("strain" in progress.terms) is there


@pytest.mark.slow
def test_a_slim_critic_teaches_and_goes_on_to_the_same_bits(teach, tmp_path):
    school = teach("micro", critic_width=0.5)
    notes = list(school.prepare())
    assert len(notes) == 3
    assert "relu2_1 has 64 channels" in notes[-1]
    for progress in school.run():
        if progress.step == 2:
            school.keep(tmp_path / "half", progress.state())
    other = teach("micro", critic_width=0.5)
    rest = list(other.run(other.load(tmp_path / "half")))[-1].state()
    assert same(progress.state().weights, rest.weights)
    *_, full = teach("micro").run()
    assert not same(full.state().weights, rest.weights)


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("dumoulin", {}), ("micro", {"identity": 0.5}), ("msgnet", {"identity": 0.5}),
        ("adain", {}), ("dumoulin", {"optimizer": "muon"}), ("micro", {"optimizer": "muon"}),
    ],
)  # fmt: skip
def test_goes_on_to_the_same_bits(teach, tmp_path, network, settings):
    school = teach(network, **settings)
    for progress in school.run():
        if progress.step == 2:
            school.keep(tmp_path / "half", progress.state())
    whole = progress.state()
    assert progress.done == 1
    other = teach(network, **settings)
    rest = list(other.run(other.load(tmp_path / "half")))[-1].state()
    assert rest.step == whole.step == 4
    assert same(whole.weights, rest.weights)
    assert same(whole.average, rest.average)
    assert same(whole.optimizer, rest.optimizer)
    assert not same(whole.weights, whole.average)


def test_the_snapshot_given_is_left_alone(teach):
    school = teach("johnson")
    for progress in school.run():
        if progress.step == 2:
            state = progress.state()
    before = {name: tensor.clone() for name, tensor in state.average.items()}
    for _ in teach("johnson").run(state):
        pass
    assert same(before, state.average)


def test_looking_on_changes_nothing(teach):
    plain, watched = teach("msgnet"), teach("msgnet")
    *_, progress = plain.run()
    torch.manual_seed(99)
    for seen in watched.run():
        sheet = watched.sample(seen.state())
    assert same(progress.state().weights, seen.state().weights)
    assert sheet.shape == (1, 3, 4 * 128, 4 * 128)
    assert torch.equal(sheet[..., :128, :128], torch.ones(1, 3, 128, 128))


class _Time:
    """A clock that advances by a second whenever it is asked."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 1.0
        return self.now


def test_the_deadline_ends_it_and_lowers_the_rate(teach, monkeypatch):
    monkeypatch.setattr(training, "time", _Time())
    events = list(teach("johnson", steps=1000).run(deadline=8.5))
    assert [event.seconds for event in events][-2] < 8.5 <= events[-1].seconds
    assert events[-1].done >= 1
    rates = [event.learning_rate for event in events]
    assert rates[-1] < 0.2 * max(rates)
    assert events[2].seconds_left == 8.5 - events[2].seconds


def test_time_of_earlier_sittings_counts(teach, monkeypatch):
    monkeypatch.setattr(training, "time", _Time())
    *_, event = teach("johnson", steps=1000).run(deadline=5)
    state = event.state()
    assert list(teach("johnson", steps=1000).run(state, deadline=5)) == []
    more = list(teach("johnson", steps=1000).run(state, deadline=9))
    assert more[0].step == state.step + 1
    assert more[0].seconds > state.seconds
    assert len(more) <= 4


def test_no_time_at_all(teach):
    assert list(teach("johnson").run(deadline=0)) == []


def test_an_end_on_request(teach):
    asked = iter([False, True])
    events = list(teach("johnson", steps=100).run(stop=lambda: next(asked)))
    assert len(events) == 2
    assert events[-1].done < 1


def test_schedule():
    assert schedule(0, 0, 3) == 0.25
    assert schedule(3, 0, 3) == 1
    assert schedule(50, 0.5, 3) == pytest.approx(0.5)
    assert schedule(99, 2.0, 3) == 0


def test_broken_pictures_are_counted(teach, folder):
    (folder / "photo1.png").write_bytes(b"no picture")
    (folder / "style2.png").write_bytes(b"no picture")
    school = teach("dumoulin", steps=6)
    assert len(list(school.run())) == 6
    assert {name.rpartition("/")[2] for name in school.broken} == {"photo1.png", "style2.png"}


def test_nothing_but_broken_styles(teach, folder):
    for path in folder.glob("style*"):
        path.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="style picture"):
        list(teach("dumoulin").run())


def test_losses_that_are_not_finite(teach):
    school = teach("johnson", steps=100)
    with torch.no_grad():
        school.network.last.bias.fill_(float("nan"))
    with pytest.raises(NumericalError, match="--learning-rate"):
        list(school.run())


def test_workers_end_with_the_training(teach):
    school = teach("johnson")
    school._workers = 1
    run = school.run()
    next(run)
    assert multiprocessing.active_children()
    run.close()
    assert not multiprocessing.active_children()


def test_a_lesson_that_makes_no_sense(folder):
    paths = find_pictures([str(folder)])
    config = TrainConfig(**SETTINGS)
    with pytest.raises(ConfigError, match="dumoulin"):
        Lesson("johnson", paths, paths, config)
    with pytest.raises(ConfigError, match="Unknown network"):
        Lesson("gan", paths, paths, config)
    with pytest.raises(ConfigError, match="photographs and styles"):
        Lesson("micro", paths, (), config)
    with pytest.raises(ConfigError, match="--identity"):
        Lesson("dumoulin", paths, paths, TrainConfig(**SETTINGS, identity=0.5))


def test_find_pictures(folder):
    assert len(find_pictures([str(folder)])) == 7
    assert len(find_pictures(["gallery"], gallery_too=True)) > 10
    assert find_pictures(["mosaic"], gallery_too=True)[0].stem == "mosaic"
    with pytest.raises(ConfigError, match="no folder mosaic"):
        find_pictures(["mosaic"])
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match="no picture in"):
        find_pictures([str(folder / "empty")])


def test_hold_out():
    many = [f"{number}" for number in range(40)]
    learnt, shown = hold_out(many)
    assert len(shown) == 3
    assert sorted(learnt + shown) == sorted(many)
    assert hold_out(many[:4]) == (many[:4], ["0", "2", "3"])
    assert hold_out(many[:1]) == (["0"], ["0"])


def test_identity_needs_no_whole_batch(teach):
    """A tenth of crops means a tenth, also where a batch has only two."""
    config = TrainConfig(**SETTINGS, identity=0.1)
    chosen = sum(len(training._choose_own((2 * n, 2 * n + 1), config)) for n in range(1000))
    assert 150 < chosen < 250


# Crops that come again.


def test_kept_crops_give_the_losses_of_new_ones(teach):
    """As long as none comes again, they are the same crops, to half precision."""
    kept, new = teach("johnson", crops=8, steps=4), teach("johnson", steps=4)
    for one, other in zip(kept.run(), new.run(), strict=True):
        assert torch.equal(one.batch.pictures, other.batch.pictures)
        assert one.terms == pytest.approx(other.terms, rel=2e-3)


def test_crops_come_again(teach):
    pictures = [event.batch.pictures for event in teach("johnson", crops=3, steps=4).run()]
    crops = torch.cat(pictures)
    assert torch.equal(crops[:5], crops[3:])
    assert not torch.equal(crops[0], crops[1])


@pytest.mark.parametrize("identity", [0, 0.5])
def test_kept_crops_go_on_to_the_same_bits(teach, identity):
    settings = {"crops": 3, "steps": 6, "identity": identity}
    for event in teach("micro", **settings).run():
        if event.step == 3:
            half = event.state()
    *_, last = teach("micro", **settings).run(half)
    assert same(event.state().weights, last.state().weights)


def test_kept_crops_in_no_room_are_the_same_bits(teach, monkeypatch):
    *_, wide = teach("johnson", crops=3, steps=4).run()
    monkeypatch.setattr(lessons, "_find_room", lambda device: 0)
    *_, narrow = teach("johnson", crops=3, steps=4).run()
    assert same(wide.state().weights, narrow.state().weights)


def test_own_style_is_that_of_the_crop_itself(teach):
    """Painted in its own style a crop has nothing to lose but what the network adds."""
    events = [
        next(iter(teach("micro", crops=crops, identity=1, batch=4).run())) for crops in (0, 4)
    ]
    assert events[0].terms == pytest.approx(events[1].terms, rel=2e-3)
    (other,) = [next(iter(teach("micro", batch=4).run()))]
    assert other.terms["style"] != pytest.approx(events[0].terms["style"], rel=0.05)


def test_kept_crops_in_bfloat16(teach):
    events = [event.terms for event in teach("johnson", crops=4, precision="bfloat16").run()]
    exact = [event.terms for event in teach("johnson", crops=4).run()]
    assert events[0] == pytest.approx(exact[0], rel=0.1)


# Stages.

STAGED = {"style_layers": ("relu1_1",), "stages": [
    {"after": 0.5, "style_layers": ("relu1_1", "relu3_1"), "learning_rate": 0.1},
    {"after": 0.75, "content_layers": ("relu1_2",), "content_weight": 0},
]}  # fmt: skip


def test_stages_change_what_is_learnt(teach):
    events = list(teach("johnson", steps=8, average=0, **STAGED).run())
    assert [event.stage for event in events] == [0, 0, 0, 0, 1, 1, 2, 2]
    plain = list(teach("johnson", steps=8, average=0, style_layers=("relu1_1",)).run())
    for one, other in zip(events[:4], plain[:4], strict=True):
        assert one.terms == other.terms
    assert events[4].terms != plain[4].terms
    assert events[4].learning_rate == pytest.approx(100 * plain[4].learning_rate)
    assert events[5].terms["content"] > 0
    assert events[6].terms["content"] == 0


@pytest.mark.parametrize("crops", [0, 3])
@pytest.mark.parametrize("half", [3, 4, 5, 6])
def test_stages_go_on_to_the_same_bits(teach, tmp_path, half, crops):
    settings = {"steps": 8, "crops": crops, **STAGED}
    school = teach("johnson", **settings)
    for event in school.run():
        if event.step == half:
            school.keep(tmp_path / "half", event.state())
    other = teach("johnson", **settings)
    *_, last = other.run(other.load(tmp_path / "half"))
    assert same(event.state().weights, last.state().weights)
    assert same(event.state().optimizer, last.state().optimizer)


def test_stages_of_time(teach, monkeypatch):
    monkeypatch.setattr(training, "time", _Time())
    stages = [event.stage for event in teach("johnson", steps=1000, **STAGED).run(deadline=16)]
    assert set(stages) == {0, 1, 2}
    assert stages == sorted(stages)


def test_identity_may_wait(teach):
    stages = [{"after": 0.5, "identity": 1.0}]
    events = list(teach("micro", stages=stages).run())
    plain = list(teach("micro").run())
    assert [one.terms == other.terms for one, other in zip(events, plain, strict=True)] == [
        True, True, False, False,
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="--identity"):
        teach("johnson", stages=stages)


# What is known of styles.


def make_book(critic, pictures, **more):
    return StyleBook(
        critic, lambda number: pictures[number], len(pictures),
        lambda picture, number: torch.full((1, 2), float(number)), ("relu1_1", "relu3_1"), **more,
    )  # fmt: skip


def draw(count, side=32):
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(1, 3, side, side, generator=generator) for _ in range(count)]


def test_half_precision_is_enough(critic):
    pictures = draw(2)
    pictures[1] = 0.9 + 0.001 * pictures[1]  # nearly flat: a covariance far below its mean's square
    book = make_book(critic, pictures)
    for number, picture in enumerate(pictures):
        wanted = collect_moments(critic(picture, ["relu3_1"])["relu3_1"])
        found = book.target("relu3_1", [number])
        size = wanted.second.abs().max()
        spread = training.collect_moments(critic(picture, ["relu3_1"])["relu3_1"])
        assert torch.equal(found.mean, wanted.mean)
        assert (found.second - wanted.second).abs().max() < 1e-3 * size
        covariance = spread.second - spread.mean[:, :, None] * spread.mean[:, None, :]
        kept = found.second - found.mean[:, :, None] * found.mean[:, None, :]
        assert (kept - covariance).abs().max() < 2e-3 * covariance.abs().max() + 1e-6 * size
    both = book.target("relu3_1", [1, 0])
    assert torch.equal(both.second[1:], book.target("relu3_1", [0]).second)


def test_what_is_forgotten_is_looked_at_anew(critic):
    pictures = draw(3)
    loaded = []
    book = make_book(critic, pictures, room=1)
    book._load = lambda number: loaded.append(number) or pictures[number]
    first = book.target("relu1_1", [0])
    book.target("relu1_1", [1])
    assert torch.equal(book.target("relu1_1", [0]).second, first.second)
    assert loaded == [0, 1, 0]
    assert len(book._entries) == 1


def test_a_batch_larger_than_the_room(critic):
    book = make_book(critic, draw(3), room=1)
    assert book.target("relu1_1", [0, 1, 2, 0]).mean.shape == (4, 64)
    assert book.wishes([2, 0])[:, 0].tolist() == [2, 0]


def test_styles_follow_the_crop_and_not_the_batch(critic):
    pictures = draw(3)
    pictures[1] = None
    book = make_book(critic, pictures)
    chosen = book.choose(range(12), 5)
    assert chosen == book.choose(range(4), 5) + book.choose(range(4, 12), 5)
    assert set(chosen) == {0, 2}
    assert book.broken == {1}
    assert chosen != book.choose(range(12), 6)


# Losses.


def test_content_counts_each_picture_alike():
    found, seen = torch.rand(2, 4, 6, 6), torch.rand(2, 4, 6, 6)
    seen[1] *= 100
    parts = [content_relative(found[i : i + 1], seen[i : i + 1]) for i in range(2)]
    assert torch.allclose(content_by_picture(found, seen), sum(parts) / 2)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_are_means_over_the_batch(name):
    objective = OBJECTIVES[name]
    found, seen, style = (torch.rand(2, 4, 6, 6) + 0.1 for _ in range(3))

    def measure(rows):
        target = collect_moments(style[rows])
        content = objective.content(found[rows], seen[rows], target)
        return content, objective.style(collect_moments(found[rows]), target)

    for whole, one, other in zip(measure([0, 1]), measure([0]), measure([1]), strict=True):
        assert torch.allclose(whole, (one + other) / 2)
        assert whole > 0


def test_adain_wants_its_own_activations():
    seen, style = torch.rand(2, 4, 6, 6), torch.rand(2, 4, 5, 7)
    aim = adaptive_instance_norm(seen, torch.cat(measure_instance(style), dim=1).flatten(1))
    target = collect_moments(style)
    assert content_adain(aim, seen, target) < 1e-8
    assert content_adain(seen, seen, target) > 1e-3
    actual = collect_moments(aim)
    assert OBJECTIVES["adain"].style(actual, target) < 1e-6
    with pytest.raises(ConfigError, match="statistics"):
        content_adain(seen, seen)


def test_adain_style_loss():
    found, style = torch.rand(1, 4, 6, 6), torch.rand(1, 4, 5, 7)
    means = (found.mean((2, 3)) - style.mean((2, 3))).square().mean()
    stds = (found.std((2, 3), correction=0) - style.std((2, 3), correction=0)).square().mean()
    wanted = (means + stds) / style.square().mean()
    loss = OBJECTIVES["adain"].style(collect_moments(found), collect_moments(style))
    assert torch.allclose(loss, wanted, rtol=1e-3)


def test_robust_is_the_root_for_each_style():
    found, style = (collect_moments(torch.rand(2, 4, 6, 6)) for _ in range(2))
    whole = OBJECTIVES["robust"].style(found, style)
    parts = []
    for place in ([0], [1]):
        one, other = (Moments(some.mean[place], some.second[place]) for some in (found, style))
        parts.append((OBJECTIVES["impasto"].style(one, other) + 1e-4).sqrt())
    assert torch.allclose(whole, sum(parts) / 2)
    # Where nothing is left to learn its slope is finite.
    mean = style.mean.clone().requires_grad_()
    OBJECTIVES["robust"].style(Moments(mean, style.second), style).backward()
    assert mean.grad.isfinite().all()


def test_weights_that_had_no_part_get_none(critic):
    layer = nn.Linear(2, 2)
    assert [slope.tolist() for slope in training._list_slopes(layer)][1] == [0, 0]


def test_states_are_empty_at_first():
    assert dataclasses.asdict(TrainState())["step"] == 0


def test_a_style_is_looked_at_once_for_losses_and_wish(critic):
    pictures, looks = draw(1), []

    def look(picture, layers):
        looks.append(set(layers))
        return critic(picture, layers)

    def tell(seen, picture):
        return seen["relu2_1"].mean(dim=(2, 3))

    shared = make_book(look, pictures, looks_at=("relu2_1",), describe_seen=tell)
    assert torch.equal(shared.wishes([0]), tell(critic(pictures[0], ["relu2_1"]), pictures[0]))
    assert looks == [{"relu1_1", "relu2_1", "relu3_1"}]
    assert torch.equal(
        shared.target("relu3_1", [0]).mean, make_book(critic, pictures).target("relu3_1", [0]).mean
    )
