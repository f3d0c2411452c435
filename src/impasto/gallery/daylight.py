"""Pictures of light out of doors: an impressionist garden and a divided-colour bay."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import (
    Brush,
    Canvas,
    jitter_colors,
    lay_dabs,
    paint_layer,
    pick,
    scatter_seeds,
)
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    make_noise,
    make_turbulence,
    parse_palette,
    parse_pigment,
    rise_smoothly,
)
from impasto.gallery.oils import finish_oil
from impasto.gallery.scenes import (
    Limb,
    Point,
    Scene,
    follow_tone,
    make_ridge,
    make_shape,
)

_LEAVES = parse_palette("#1d2f4d #23503f #3f7d3c #86ac3f #d3d06a #f4eba0")


def lay_foliage(
    scene: Scene, clumps: list[tuple[float, float, float]], palette: Array, rng: Rng
) -> None:
    """Put a crown of leaves in front, lit from the upper left; clumps are (x, y, radius)."""
    unit = scene.unit
    ragged = make_turbulence(scene.shape, unit * 0.035, rng, 4)
    mottle = make_noise(scene.shape, unit * 0.022, rng)
    turning = make_noise(scene.shape, unit * 0.06, rng) * 1.2 + 0.9
    for cx, cy, radius in clumps:
        dx, dy = (scene.x - cx) / radius, (scene.y - cy) / radius
        away = np.hypot(dx, dy) + 0.13 * ragged
        tone = 0.42 - 0.26 * dx - 0.36 * dy + 0.13 * mottle + 0.05 * ragged
        cover = rise_smoothly(1.02, 0.96, away)
        scene.lay(cover, blend_palette(tone, palette), turning, 0.7)


def paint_garden(size: int, rng: Rng) -> Array:
    """A summer garden at a pond: thick short dabs, broken colour, reflections."""
    scene = Scene(make_shape(size, 4 / 3))
    _lay_garden_sky(scene, rng)
    _lay_garden_trees(scene, rng)
    _lay_garden_beds(scene, rng)
    _lay_pond(scene, rng)
    unit = scene.unit
    canvas = Canvas(np.broadcast_to(parse_pigment("#8d7f6a"), scene.color.shape).copy())
    for width, length, spacing, threshold in (
        (0.024, 0.06, 0.55, 0.0),
        (0.013, 0.030, 0.62, 0.03),
        (0.0085, 0.020, 0.75, 0.075),
    ):
        brush = Brush(
            width * unit,
            length * unit,
            bristle=0.05,
            relief=3,
            jitter=(0.06, 0.042),
            wobble=0.3,
            dryness=0.3,
        )
        paint_layer(canvas, scene.color, scene.angle, brush, rng, spacing, threshold)
    _dab_flowers(canvas, scene, rng)
    return finish_oil(canvas, 0.42, rng)


def _lay_garden_sky(scene: Scene, rng: Rng) -> None:
    cloud = make_turbulence(scene.shape, (scene.unit * 0.09, scene.unit * 0.2), rng, 4)
    sky = blend_palette(scene.y / 0.42, parse_palette("#5f93d6 #8fbbe6 #c9dcea #f8e3c4"))
    scene.lay(np.ones(scene.shape), sky, 0.25 * cloud - 0.3)
    lit = blend_palette(0.6 - scene.y * 1.2 + 0.1 * cloud, parse_palette("#d7b9cf #f6dfd0 #fffaf0"))
    scene.lay(rise_smoothly(0.1, 0.9, cloud) * 0.95, lit)


def _lay_garden_trees(scene: Scene, rng: Rng) -> None:
    far = make_ridge(scene, 0.285, 0.022, 0.10, rng)
    mist = blend_palette((scene.y - 0.25) * 7, parse_palette("#a9bfe0 #8aa6c4 #7d9a8f"))
    scene.lay(scene.mask_below(far), mist, 0.2, 0.3)
    poplars = [
        Limb(np.array([[cx, 0.40], [cx, 0.3], [cx + 0.004, top]]), np.array([0.05, 0.062, 0.008]))
        for cx, top in ((0.40, 0.10), (0.465, 0.14), (0.525, 0.085), (0.59, 0.15))
    ]
    leaf = make_noise(scene.shape, scene.unit * 0.02, rng)
    for limb in poplars:
        dx = (scene.x - limb.points[0, 0]) / 0.03
        tone = 0.42 - 0.26 * dx + 0.14 * leaf - 0.5 * (scene.y - 0.25)
        scene.lay(scene.mask_limbs([limb]), blend_palette(tone, _LEAVES), 1.35, 0.6)
    left = [(0.02, 0.22, 0.16), (0.16, 0.27, 0.10), (0.10, 0.10, 0.10), (0.23, 0.34, 0.07)]
    lay_foliage(scene, left, _LEAVES, rng)
    bloom = parse_palette("#5b3f73 #8a5a8f #c9789f #f0a9bd #ffe3e0")
    lay_foliage(scene, [(0.78, 0.25, 0.085), (0.88, 0.19, 0.11), (0.97, 0.28, 0.11)], bloom, rng)
    lay_foliage(scene, [(0.70, 0.345, 0.06), (0.82, 0.355, 0.075)], _LEAVES, rng)
    lay_foliage(scene, [(0.32, 0.365, 0.05), (0.955, 0.385, 0.08)], _LEAVES, rng)


def _lay_garden_beds(scene: Scene, rng: Rng) -> None:
    ground = 0.385 + 0.012 * np.sin(scene.x * 9)
    near = np.clip((scene.y - ground) / 0.36, 0, 1)
    drift = make_turbulence(scene.shape, (scene.unit * 0.02, scene.unit * 0.07), rng, 3)
    grass = parse_palette("#3d6a3c #6f9a3f #a9b94c #e2d873")
    tone = 0.62 - 0.45 * near + 0.22 * drift
    blades = np.pi / 2 + 0.5 * make_noise(scene.shape, scene.unit * 0.05, rng)
    scene.lay(scene.mask_below(ground), blend_palette(tone, grass), blades, 0.8)
    path_x = 0.60 + 0.22 * near - 0.05 * np.sin(near * 5)
    path = rise_smoothly(1.0, 0.8, np.abs(scene.x - path_x) / (0.012 + 0.10 * near))
    sand = blend_palette(0.5 + 0.3 * drift, parse_palette("#a58ab0 #e3bfa0 #fbe6c0"))
    scene.lay(path * scene.mask_below(ground), sand, 0.1, 0.6)


def _lay_pond(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    shore = 0.475 + 0.02 * np.sin(x * 13) + 0.9 * np.clip(x - 0.46, 0, 1) ** 1.3
    water = scene.mask_below(shore, 0.006)
    ripple = make_noise(scene.shape, (scene.unit * 0.010, scene.unit * 0.08), rng)
    rows = np.clip((0.475 - (y - 0.475) * 1.75 + 0.006 * ripple) * scene.unit, 0, None)
    columns = np.clip((x + 0.012 * ripple) * scene.unit, 0, scene.shape[1] - 1)
    mirrored = pick(scene.color, np.stack([rows, columns], -1))
    tinted = mirrored * 0.84 + parse_pigment("#3460a8") * 0.16 + 0.045 * ripple[..., None]
    scene.lay(water, np.clip(tinted, 0, 1), 0.06 * ripple, 0.7)
    rim = np.clip(1 - np.abs(y - shore) / 0.012, 0, 1)
    scene.lay(rim * 0.8, parse_pigment("#26432f"), 0.2)
    for _ in range(16):
        cy = rng.uniform(0.53, 0.73)
        cx = rng.uniform(0.01, 0.46 + 0.75 * (cy - 0.5))
        grown = 0.35 + 2.9 * (cy - 0.48)
        for _ in range(5):
            px, py = cx + rng.normal(0, 0.035) * grown, cy + rng.normal(0, 0.009) * grown
            away = np.hypot((x - px) / 0.030, (y - py) / 0.0095) / grown
            tone = 0.55 - (y - py) * 18 + rng.normal(0, 0.12)
            pad = rise_smoothly(1.05, 0.9, away) * water
            scene.lay(pad, blend_palette(tone, _LEAVES[1:5]), 0.0, 1.0)


def _dab_flowers(canvas: Canvas, scene: Scene, rng: Rng) -> None:
    """Flowers in drifts of one colour on the banks, each of a few touches."""
    unit = scene.unit
    seeds = scatter_seeds(scene.shape, unit * 0.0085, rng)
    x, y = seeds[:, 1] / unit, seeds[:, 0] / unit
    drift = pick(make_noise(scene.shape, (unit * 0.03, unit * 0.09), rng), seeds)
    kind = pick(make_noise(scene.shape, (unit * 0.035, unit * 0.16), rng), seeds)
    shore = 0.475 + 0.02 * np.sin(x * 13) + 0.9 * np.clip(x - 0.46, 0, 1) ** 1.3
    near = np.clip((y - 0.385) / 0.36, 0, 1)
    path = np.abs(x - (0.60 + 0.22 * near - 0.05 * np.sin(near * 5))) < 0.012 + 0.10 * near
    bank = (y > 0.395) & (y < shore - 0.004) & ~path & (drift > -0.15)
    chosen = np.flatnonzero(bank & (rng.random(len(x)) < 0.6))
    chosen = chosen[np.argsort(y[chosen])]
    palette = parse_palette("#c8203a #ef5a3c #ffd34a #f7f0dc #e77fb0 #7a4fb5 #4a55b8")
    colors = palette[np.clip(3.5 + 2.1 * kind[chosen], 0, 6).astype(np.intp)]
    grown = unit * (0.0045 + 0.0075 * near[chosen]) * np.exp(rng.normal(0, 0.22, len(chosen)))
    _dab_petals(canvas, seeds[chosen], colors, grown, rng)
    wet = np.flatnonzero((y > shore + 0.04) & (x < 0.78) & (rng.random(len(x)) < 0.011))
    wet = wet[np.argsort(y[wet])]
    white = parse_palette("#fff6ec #ffd9e0 #fbe9b8")[rng.integers(0, 3, len(wet))]
    _dab_petals(canvas, seeds[wet], white, unit * (0.004 + 0.010 * near[wet]), rng)


def _dab_petals(canvas: Canvas, places: Array, colors: Array, grown: Array, rng: Rng) -> None:
    """Five short touches around each place, lighter above, and a warm heart in some."""
    count, petals = len(places), 5
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.arange(petals) * 2 * np.pi / petals
    shift = np.stack([np.sin(turn) * 0.5, np.cos(turn) * 0.75], -1) * grown[:, None, None]
    spots = (places[:, None] + shift).reshape(-1, 2).astype(np.float32)
    light = 0.80 - 0.22 * np.sin(turn)  # the sun is above
    tints = (colors[:, None] * light[..., None]).reshape(-1, 3)
    tints = jitter_colors(np.clip(tints, 0, 1), (0.05, 0.04), rng)
    size = np.repeat(grown, petals) * np.exp(rng.normal(0, 0.2, count * petals))
    lean = turn.ravel() + rng.normal(0, 0.35, count * petals)
    brush = Brush(1, 1, bristle=0.05, relief=2.6, jitter=(0.06, 0.03), dryness=0.2, blunt=3.0)
    lay_dabs(canvas, spots, lean, (0.55 * size, 1.1 * size), tints, brush, rng)
    heart = rng.random(count) < 0.35
    sizes = 0.45 * grown[heart], 0.55 * grown[heart]
    gold = np.broadcast_to(parse_pigment("#f2b632"), (int(heart.sum()), 3))
    lay_dabs(canvas, places[heart], np.zeros(len(gold)), sizes, gold, brush, rng)


_DIVIDED = parse_palette(
    "#f7f1de #ffe58a #ffc93c #f58b2e #e4532f #d93a6a #9b4fb0 #4f46a8 #2456b8 #3f9bd6 "
    "#59bfb0 #2f8a55 #8cbf3f #1a2a5e #f3b6a8"
)
_SUN: Point = (0.335, 0.285)


def paint_pointillist(size: int, rng: Rng) -> Array:
    """An evening bay under pines: small round touches of pure, divided colour."""
    scene = Scene(make_shape(size, 4 / 3))
    _lay_bay(scene, rng)
    _lay_sails(scene)
    _lay_shore(scene, rng)
    _lay_pines(scene, rng)
    canvas = Canvas(np.broadcast_to(parse_pigment("#efe6d2"), scene.color.shape).copy())
    base = Brush(
        0.02 * scene.unit, 0.035 * scene.unit, opacity=0.55, relief=0.3, jitter=(0.03, 0.03)
    )
    paint_layer(canvas, scene.color, scene.angle, base, rng, 0.7)
    contour, clarity = follow_tone(scene.color, scene.unit * 0.006)
    angle = np.where(clarity * scene.detail > 0.35, contour, scene.angle)
    for width, spacing, share in ((0.0092, 0.82, 0.0), (0.0078, 0.95, 0.0), (0.0058, 1.0, 0.45)):
        _lay_dots(canvas, scene, angle, width * scene.unit, spacing, share, rng)
    return finish_oil(canvas, 0.4, rng, weave=0.2)


def _lay_dots(
    canvas: Canvas, scene: Scene, angle: Array, width: float, spacing: float, share: float, rng: Rng
) -> None:
    seeds = scatter_seeds(scene.shape, width * spacing, rng)
    seeds = seeds[rng.random(len(seeds)) >= share * (1 - pick(scene.detail, seeds))]
    target = pick(scene.color, seeds)
    colors = _divide_colors(target, rng)
    grown = width * np.exp(rng.normal(0, 0.14, len(seeds)))
    brush = Brush(1, 1, opacity=0.95, bristle=0.03, relief=2.2, jitter=(0.02, 0.02), dryness=0.05)
    brush = Brush(**{**brush.__dict__, "blunt": 2.0})
    sizes = grown, grown * rng.uniform(1.05, 1.5, len(seeds))
    lay_dabs(canvas, seeds, pick(angle, seeds), sizes, colors, brush, rng)


def _divide_colors(target: Array, rng: Rng) -> Array:
    """Replace each colour (S, 3) by a purer pigment near it, or now and then its contrast."""
    miss = ((target[:, None] - _DIVIDED) ** 2).sum(-1)  # (S, pigments)
    chance = np.exp(-miss / 0.055) + 0.012 * np.exp(-miss / 0.6)
    ranks = np.cumsum(chance, 1) / chance.sum(1, keepdims=True)
    choice = (rng.random((len(target), 1)) > ranks).sum(1).clip(0, len(_DIVIDED) - 1)
    pure = _DIVIDED[choice]
    mixed = pure * 0.6 + target * 0.4
    return jitter_colors(np.clip(mixed, 0, 1).astype(np.float32), (0.025, 0.02), rng)


def _lay_bay(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    away = np.hypot(x - _SUN[0], y - _SUN[1])
    cloud = make_turbulence(scene.shape, (scene.unit * 0.05, scene.unit * 0.22), rng, 3)
    tone = away * 1.25 + 0.05 * cloud
    sky = blend_palette(
        tone, parse_palette("#fff6cf #ffe08a #fbbf7a #f2a6a0 #b9a3d6 #7fa6dc #5a86cc")
    )
    ring = np.arctan2(x - _SUN[0], _SUN[1] - y)
    scene.lay(np.ones(scene.shape), sky, ring, 0.2)
    far = make_ridge(scene, 0.315, 0.018, 0.22, rng) - 0.05 * rise_smoothly(0.45, 0.85, x[0])
    hills = blend_palette((y - 0.25) * 9, parse_palette("#7a6fc0 #8d86cf #c79bc2"))
    scene.lay(scene.mask_below(far), hills, 0.3, 0.5)
    depth = (y - 0.355) / 0.26
    glint = np.exp(-(((x - _SUN[0]) / (0.035 + 0.10 * depth)) ** 2))
    ripple = make_noise(scene.shape, (scene.unit * 0.008, scene.unit * 0.035), rng)
    tone = 0.30 + 0.35 * depth + 0.10 * ripple - 0.42 * glint * (1 + 0.5 * ripple)
    sea = blend_palette(tone, parse_palette("#ffeaa0 #f4b98e #8fb8d8 #4c86cc #2c58ad #233f8a"))
    scene.lay(scene.mask_below(0.355 + 0 * x), sea, 0.0, 0.4)


def _lay_sails(scene: Scene) -> None:
    for cx, cy, tall, sail in (
        (0.515, 0.40, 0.155, "#fdf3d8"),
        (0.205, 0.375, 0.075, "#f7c27a"),
        (0.130, 0.365, 0.05, "#f9dfc0"),
        (0.655, 0.372, 0.06, "#f2a87f"),
    ):
        main = [
            (cx, cy - tall),
            (cx + 0.34 * tall, cy - 0.3 * tall),
            (cx + 0.42 * tall, cy - 0.10 * tall),
            (cx, cy - 0.08 * tall),
        ]
        jib = [
            (cx - 0.02 * tall, cy - 0.95 * tall),
            (cx - 0.3 * tall, cy - 0.10 * tall),
            (cx - 0.02 * tall, cy - 0.10 * tall),
        ]
        hull = [
            (cx - 0.36 * tall, cy - 0.05 * tall),
            (cx + 0.46 * tall, cy - 0.06 * tall),
            (cx + 0.34 * tall, cy + 0.05 * tall),
            (cx - 0.26 * tall, cy + 0.05 * tall),
        ]
        glow = blend_palette(
            (scene.x - cx) / tall + 0.5, np.stack([parse_pigment(sail), parse_pigment("#c78fb0")])
        )
        scene.lay(scene.mask_shapes(main, jib), glow, np.pi / 2, 1.0)
        scene.lay(scene.mask_shapes(hull), parse_pigment("#4a2c6a"), 0.0, 1.0)
        mirror = [(px, 2 * cy + 0.06 * tall - py) for px, py in main]
        scene.lay(scene.mask_shapes(mirror) * 0.5, glow, 0.0, 0.8)


def _lay_shore(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    edge = 0.60 - 0.13 * rise_smoothly(0.35, 1.0, x) + 0.012 * np.sin(x * 17)
    land = scene.mask_below(edge)
    drift = make_turbulence(scene.shape, (scene.unit * 0.03, scene.unit * 0.10), rng, 3)
    tone = 0.75 - 1.6 * (y - edge) + 0.10 * drift
    grass = parse_palette("#1f4a6b #2c7a52 #6fae45 #c9cf52 #ffe27a")
    scene.lay(land, blend_palette(tone, grass), 0.12 * drift - 0.1, 0.4)
    shadow = rise_smoothly(0.02, 0.0, np.abs(y - 0.655 + 0.10 * (x - 0.5)) - 0.022 - 0.01 * drift)
    scene.lay(shadow * land * 0.75, parse_pigment("#2b3f8f"))
    sand = rise_smoothly(0.02, 0.006, y - edge) * land
    scene.lay(sand, parse_pigment("#ffdca0"), 0.0)
    _lay_figure(scene, 0.335, 0.665, 0.155, "#a5314f", "#f7d774")
    _lay_figure(scene, 0.405, 0.655, 0.125, "#f4e9d6", "#4f63b8")


def _lay_figure(scene: Scene, cx: float, foot: float, tall: float, dress: str, shade: str) -> None:
    """A standing walker with a parasol, seen from behind."""

    def place(points: list[Point]) -> list[Point]:
        return [(cx + px * tall, foot + py * tall) for px, py in points]

    skirt = place([(-0.21, 0), (-0.09, -0.5), (0.08, -0.5), (0.2, 0)])
    torso = place([(-0.10, -0.48), (-0.12, -0.76), (0.1, -0.76), (0.09, -0.48)])
    cast = place([(-0.2, 0.0), (0.2, -0.01), (1.25, 0.16), (0.9, 0.22)])
    scene.lay(scene.mask_shapes(cast) * 0.85, parse_pigment("#26367f"), 0.15, 1.0)
    fold = np.stack([parse_pigment(dress), parse_pigment(dress) * 0.45 + 0.08])
    side = (scene.x - cx) / (0.3 * tall) + 0.45
    scene.lay(scene.mask_shapes(skirt, torso), blend_palette(side, fold), np.pi / 2, 1.0)
    head = (cx, foot - 0.85 * tall)
    scene.lay(scene.mask_disc(head, 0.062 * tall), parse_pigment("#5a2f2a"), 0.5, 1.0)
    turn = np.linspace(np.pi, 2 * np.pi, 15)
    dome = [(0.12 + 0.36 * np.cos(t), -0.93 + 0.25 * np.sin(t)) for t in turn]
    glow = np.stack([parse_pigment(shade), parse_pigment(shade) * 0.6 + 0.05])
    ramp = blend_palette((scene.x - cx) / (0.7 * tall) + 0.4, glow)
    scene.lay(scene.mask_shapes(place(dome)), ramp, 0.2, 1.0)
    pole = Limb(np.array(place([(0.05, -0.6), (0.12, -1.2)])), np.full(2, 0.018 * tall))
    scene.lay(scene.mask_limbs([pole]), parse_pigment("#3a2448"), 1.3, 1.0)


def _lay_pines(scene: Scene, rng: Rng) -> None:
    trunks = [
        Limb(
            np.array([[0.80, 0.64], [0.785, 0.5], [0.80, 0.36], [0.775, 0.2]]),
            np.array([0.034, 0.026, 0.022, 0.012]),
        ),
        Limb(
            np.array([[0.93, 0.62], [0.945, 0.45], [0.925, 0.3], [0.945, 0.15]]),
            np.array([0.03, 0.024, 0.02, 0.012]),
        ),
        Limb(np.array([[0.797, 0.38], [0.74, 0.27], [0.70, 0.2]]), np.array([0.015, 0.011, 0.007])),
        Limb(np.array([[0.93, 0.34], [0.88, 0.25], [0.86, 0.18]]), np.array([0.014, 0.01, 0.007])),
    ]
    bark = blend_palette(0.5 + 1.2 * np.sin(scene.x * 60), parse_palette("#e07a45 #a3486a #4a2f78"))
    scene.lay(scene.mask_limbs(trunks), bark, 1.5, 1.0)
    crowns = [
        (0.69, 0.17, 0.055),
        (0.765, 0.135, 0.075),
        (0.835, 0.185, 0.055),
        (0.865, 0.125, 0.06),
        (0.94, 0.085, 0.085),
        (0.99, 0.155, 0.065),
    ]
    needles = parse_palette("#1c2a6b #1f5b62 #2f8a55 #8cbf3f #ffd966")
    lay_foliage(scene, crowns, needles, rng)
