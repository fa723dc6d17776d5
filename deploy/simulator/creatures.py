"""Insects, fish, birds, quadrupeds and others, each drawn from a few random proportions."""

from __future__ import annotations

import numpy as np

from deploy.simulator.geometry import Figure, Part, ellipse, limb, normals, profile, spine, tube


def _six_legs(rng: np.random.Generator, reach: float, thick: float, pairs: int = 3) -> list[Part]:
    parts = []
    for i in range(pairs):
        x = 0.22 - 0.2 * i * 2 / max(pairs - 1, 1) * 0.6
        lean = 0.7 - 1.5 * i / max(pairs - 1, 1)
        for way in (1, -1):
            out = reach * rng.uniform(0.75, 1.2)
            knee = (x + 0.5 * out * lean + rng.normal(0, 0.04), way * (0.12 + 0.55 * out))
            foot = (x + 1.1 * out * lean + rng.normal(0, 0.06), way * (0.12 + out))
            parts.append(Part(limb([(x, way * 0.05), knee, foot], thick, 0.6 * thick), "body", 0.8))
    return parts


def fly(rng: np.random.Generator) -> Figure:
    """A fly, bee or ant from above: head, thorax, banded abdomen, translucent wings, six legs."""
    waist, fat = rng.uniform(0.08, 0.15), rng.uniform(0.1, 0.18)
    parts = _six_legs(rng, rng.uniform(0.22, 0.5), rng.uniform(0.008, 0.02))
    abdomen = spine(0.52, rng.normal(0, 0.3), 16) - (0.24, 0)
    radii = profile(16, [(0, 0.03), (0.35, fat), (0.8, 0.9 * fat), (1, waist * 0.7)])
    parts.append(Part(tube(abdomen, radii), "body"))
    for i in range(2, 13, 3):
        parts.append(Part(tube(abdomen[i : i + 2], radii[i : i + 2]), "second", 0.85))
    parts.append(Part(ellipse(0.15, 0, 0.16, waist), "body", 1.05))
    parts.append(Part(ellipse(0.36, 0, 0.09, 0.11), "body", 1.1))
    for way in (1, -1):
        parts.append(Part(ellipse(0.38, way * 0.075, 0.05, 0.045, 0.5 * way), "eye", 1.3))
        antenna = [(0.43, way * 0.03), (0.5, way * rng.uniform(0.04, 0.12))]
        parts.append(Part(limb(antenna, 0.01, 0.006), "body", in_box=False))
    if rng.random() < 0.85:
        spread, long = abs(rng.normal(0.2, 0.35)), rng.uniform(0.26, 0.36)
        for way in (1, -1):
            angle = np.pi - way * (spread + rng.normal(0, 0.05))
            x, y = 0.12 + long * np.cos(angle), way * 0.05 + long * np.sin(angle)
            opacity = rng.uniform(0.25, 0.6)
            parts.append(Part(ellipse(x, y, long, 0.42 * long, angle), "wing", opacity=opacity))
    return Figure(tuple(parts), top_down=True)


def beetle(rng: np.random.Generator) -> Figure:
    """A beetle or cockroach from above: a broad shell with a seam, legs and antennae."""
    wide = rng.uniform(0.2, 0.33)
    parts = _six_legs(rng, rng.uniform(0.15, 0.35), rng.uniform(0.012, 0.028))
    for way in (1, -1):
        tip = (rng.uniform(0.6, 0.85), way * rng.uniform(0.1, 0.35))
        parts.append(
            Part(
                limb([(0.44, way * 0.04), (0.55, way * 0.1), tip], 0.012, 0.006),
                "body",
                in_box=False,
            )
        )
    parts.append(Part(ellipse(0.38, 0, 0.12, 0.5 * wide), "second", 0.9))
    parts.append(Part(ellipse(0.25, 0, 0.12, 0.85 * wide), "second"))
    parts.append(Part(ellipse(-0.1, 0, 0.4, wide), "body"))
    parts.append(Part(limb([(-0.48, 0), (0.2, 0)], 0.008, 0.008), "eye"))
    return Figure(tuple(parts), top_down=True)


def fish_from_above(rng: np.random.Generator) -> Figure:
    """A swimming fish (zebrafish-like) from above: a thin body in an S, fins and two eyes."""
    fat = rng.uniform(0.06, 0.13)
    back = spine(1.0, rng.normal(0, 0.8), 24, rng.normal(0, 0.4))
    side = normals(back)
    radii = profile(
        24, [(0, 0.012), (0.2, 0.3 * fat), (0.65, fat), (0.88, 0.85 * fat), (1, 0.4 * fat)]
    )
    parts = [
        Part(
            ellipse(*(back[1] - (0.03, 0)), 0.09, 0.03, np.arctan2(*(back[3] - back[0])[::-1])),
            "wing",
            opacity=0.6,
        )
    ]
    for way in (1, -1):
        at = back[15] + way * side[15] * 1.4 * fat
        parts.append(Part(ellipse(*at, 0.08, 0.03, way * 0.8 + np.pi), "wing", opacity=0.5))
    parts.append(Part(tube(back, radii), "body"))
    parts.append(Part(tube(back[3:20], 0.35 * radii[3:20]), "second", opacity=0.7))
    for way in (1, -1):
        eye = back[-4] + way * side[-4] * 0.7 * fat
        parts.append(Part(ellipse(*eye, 0.022, 0.022), "eye"))
    return Figure(tuple(parts), top_down=True)


def fish_from_the_side(rng: np.random.Generator) -> Figure:
    """A fish in a tank: a lens-shaped body, tail, dorsal and belly fins, one eye."""
    high = rng.uniform(0.13, 0.27)
    back = spine(1.0, rng.normal(0, 0.15), 24)
    radii = profile(
        24, [(0, 0.04), (0.15, 0.35 * high), (0.55, high), (0.85, 0.7 * high), (1, 0.05)]
    )
    up, down = rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.25)
    tail = np.array([(-0.42, 0), (-0.66, -up), (-0.58, 0), (-0.66, down)])
    fin = np.array(
        [(-0.15, -0.7 * high), (0.0, -high - rng.uniform(0.06, 0.16)), (0.2, -0.8 * high)]
    )
    belly = np.array([(-0.1, 0.8 * high), (-0.12, high + 0.1), (0.1, 0.8 * high)])
    parts = [Part(tail, "second"), Part(fin, "second", 0.9), Part(belly, "second", 0.9)]
    parts.append(Part(tube(back, radii), "body"))
    parts += [
        Part(limb([(x, -0.8 * high), (x, 0.8 * high)], 0.03, 0.02), "second", opacity=0.7)
        for x in np.linspace(-0.25, 0.25, int(rng.integers(0, 5)))
    ]
    parts.append(Part(ellipse(0.08, 0.03, 0.09, 0.04, 0.4), "second", 1.1))
    parts.append(Part(ellipse(0.36, -0.02, 0.035, 0.035), "second", 1.4))
    parts.append(Part(ellipse(0.36, -0.02, 0.02, 0.02), "eye"))
    return Figure(tuple(parts), top_down=False)


def bird(rng: np.random.Generator) -> Figure:
    """A standing or walking bird from the side: body, neck, head, beak, wing, tail, two legs."""
    plump, neck, tall = rng.uniform(0.15, 0.27), rng.uniform(0.15, 0.6), rng.uniform(0.1, 0.5)
    head = (0.3 + 0.15 * neck, -0.12 - neck)
    parts = [
        Part(
            np.array([(-0.3, -0.08), (-0.72, rng.uniform(-0.2, 0.2)), (-0.66, 0.12), (-0.25, 0.1)]),
            "second",
        )
    ]
    for x in (-0.02, 0.1):
        foot = plump + tall
        step = x + rng.normal(0, 0.1)
        parts.append(
            Part(limb([(x, 0.5 * plump), (step, foot), (step + 0.08, foot)], 0.025, 0.012), "skin")
        )
    parts.append(Part(ellipse(0, 0, 0.42, plump, rng.uniform(-0.35, 0.1)), "body"))
    parts.append(
        Part(limb([(0.25, -0.02), (0.32, -0.1 - 0.5 * neck), head], 0.5 * plump, 0.08), "body")
    )
    beak = np.array([(0.05, -0.035), (rng.uniform(0.14, 0.32), 0.01), (0.05, 0.04)]) + head
    parts += [Part(beak, "skin"), Part(ellipse(*head, 0.1, 0.085), "body", 0.95)]
    parts.append(Part(ellipse(-0.1, -0.01, 0.28, 0.6 * plump, 0.2), "second", 0.9))
    parts.append(Part(ellipse(head[0] + 0.04, head[1] - 0.02, 0.018, 0.018), "eye"))
    return Figure(tuple(parts), top_down=False)


def bird_in_flight(rng: np.random.Generator) -> Figure:
    """A bird, bat or moth from above or below, both wings spread."""
    long, sweep = rng.uniform(0.4, 0.85), rng.uniform(-0.3, 0.25)
    parts = []
    for way in (1, -1):
        wing = np.array(
            [
                (0.2, 0),
                (0.25 + 0.3 * sweep, 0.5 * long),
                (sweep, long),
                (-0.12, 0.5 * long),
                (-0.18, 0),
            ]
        )
        parts.append(Part(wing * (1, way), "second", rng.uniform(0.85, 1.1)))
    parts.append(Part(np.array([(-0.2, 0), (-0.5, -0.14), (-0.5, 0.14)]), "second", 0.85))
    parts.append(Part(ellipse(0, 0, 0.38, 0.1), "body"))
    parts.append(Part(ellipse(0.36, 0, 0.09, 0.07), "body", 0.9))
    parts.append(Part(np.array([(0.42, -0.025), (0.52, 0), (0.42, 0.025)]), "skin"))
    return Figure(tuple(parts), top_down=True)


def quadruped(rng: np.random.Generator) -> Figure:
    """A cat, dog, sheep, horse or elephant from the side, standing or walking."""
    deep, leg = rng.uniform(0.14, 0.27), rng.uniform(0.15, 0.5)
    thick, neck, rise = rng.uniform(0.03, 0.08), rng.uniform(0.1, 0.45), rng.uniform(-0.3, 1.2)
    back = spine(0.85, rng.normal(0, 0.2), 20)
    head = (0.42 + neck * np.cos(rise), -0.08 - neck * np.sin(rise))
    muzzle = (head[0] + rng.uniform(0.1, 0.22), head[1] + rng.uniform(0.02, 0.14))
    tail = [
        (-0.4, -0.05),
        (-0.52, rng.uniform(-0.3, 0.15)),
        (-0.55 - rng.uniform(0, 0.15), rng.uniform(-0.4, 0.35)),
    ]
    parts = [Part(limb(tail, 0.035, 0.02), "body", 0.85)]
    for x, shade in ((-0.3, 0.7), (0.3, 0.7), (-0.34, 1.0), (0.26, 1.0)):
        swing = rng.normal(0, 0.08)
        joints = [(x, 0.3 * deep), (x + swing, deep + 0.45 * leg), (x + 1.6 * swing, deep + leg)]
        parts.append(Part(limb(joints, 1.5 * thick, 0.8 * thick), "body", shade))
    parts.append(
        Part(
            tube(back, profile(20, [(0, 0.6 * deep), (0.3, deep), (0.8, deep), (1, 0.6 * deep)])),
            "body",
        )
    )
    parts.append(Part(limb([(0.3, -0.02), head], 0.7 * deep, 0.09), "body"))
    wide = rng.uniform(0.08, 0.13)
    ear = rng.uniform(0.06, 0.2)
    for back_off in (0.02, 0.09):
        tip = (
            np.array([(-0.06, 0.02), (-back_off, -ear), (0.04, -0.02)]) + head - (0.02, 0.6 * wide)
        )
        parts.append(Part(tip, "second", 0.9))
    parts += [
        Part(ellipse(*head, wide, 0.9 * wide), "body"),
        Part(limb([head, muzzle], 0.8 * wide, 0.4 * wide), "body", 0.95),
    ]
    parts.append(Part(ellipse(muzzle[0] + 0.02, muzzle[1], 0.022, 0.02), "eye"))
    parts.append(Part(ellipse(head[0] + 0.03, head[1] - 0.02, 0.018, 0.018), "eye"))
    return Figure(tuple(parts), top_down=False)


def face(rng: np.random.Generator) -> Figure:
    """An animal that looks at the camera: a head with ears and eyes above a body."""
    wide, ear = rng.uniform(0.22, 0.32), rng.uniform(0.1, 0.3)
    parts = [Part(ellipse(0, 0.35, rng.uniform(0.28, 0.42), 0.38), "body", 0.9)]
    for way in (1, -1):
        pointed = np.array([(0.05, -0.1), (0.16 + 0.3 * wide, -0.18 - ear), (0.3, 0.02)]) * (way, 1)
        rounded = ellipse(way * wide, -0.22, ear * 0.6, ear * 0.6)
        parts.append(Part(pointed if ear > 0.17 else rounded, "second", 0.95))
    parts.append(Part(ellipse(0, -0.05, wide, rng.uniform(0.2, 0.28)), "body"))
    parts.append(Part(ellipse(0, 0.07, 0.12, 0.09), "second", 1.1))
    parts.append(Part(ellipse(0, 0.03, 0.04, 0.03), "skin"))
    parts += [Part(ellipse(way * 0.12, -0.08, 0.04, 0.035), "eye") for way in (1, -1)]
    return Figure(tuple(parts), top_down=False)


def crawler(rng: np.random.Generator) -> Figure:
    """A larva, worm or newt: a blob drawn out in length, with short limbs on both sides."""
    fat = rng.uniform(0.07, 0.2)
    back = spine(1.0, rng.normal(0, 1.1), 24, rng.normal(0, 0.6))
    side = normals(back)
    radii = profile(24, [(0, 0.25 * fat), (0.3, 0.85 * fat), (0.7, fat), (1, 0.6 * fat)])
    parts = []
    for i in np.linspace(4, 20, int(rng.integers(0, 6))).astype(int):
        for way in (1, -1):
            foot = back[i] + way * side[i] * (fat + rng.uniform(0.04, 0.16))
            parts.append(Part(limb([tuple(back[i]), tuple(foot)], 0.04, 0.02), "body", 0.85))
    parts.append(Part(tube(back, radii), "body"))
    parts += [
        Part(tube(back[i : i + 2], 0.9 * radii[i : i + 2]), "second", opacity=0.35)
        for i in range(3, 21, 3)
    ]
    for way in (1, -1):
        eye = back[-2] + way * side[-2] * 0.4 * fat
        parts.append(Part(ellipse(*eye, 0.02, 0.02), "eye"))
    return Figure(tuple(parts), top_down=True)


def lizard(rng: np.random.Generator) -> Figure:
    """A lizard from above: four sprawling legs and a thick tapering tail (held out of training)."""
    fat = rng.uniform(0.07, 0.12)
    back = spine(1.3, rng.normal(0, 0.7), 30, rng.normal(0, 0.5))
    side = normals(back)
    radii = profile(
        30,
        [(0, 0.008), (0.4, 0.5 * fat), (0.6, fat), (0.82, 0.6 * fat), (0.9, 0.8 * fat), (1, 0.03)],
    )
    parts = []
    for i, lean in ((14, -1.0), (22, 1.0)):
        for way in (1, -1):
            knee = back[i] + way * side[i] * 0.2 + (0.06 * lean, 0)
            foot = knee + way * side[i] * 0.1 + (rng.uniform(-0.1, 0.1), 0)
            parts.append(
                Part(limb([tuple(back[i]), tuple(knee), tuple(foot)], 0.035, 0.02), "body", 0.9)
            )
    parts += [Part(tube(back, radii), "body"), Part(tube(back[8:24], 0.4 * radii[8:24]), "second")]
    return Figure(tuple(parts), top_down=True)


def spider(rng: np.random.Generator) -> Figure:
    """A spider or crab from above: eight bent legs about two round masses (held out of training)."""
    parts = _six_legs(rng, rng.uniform(0.3, 0.55), rng.uniform(0.012, 0.03), pairs=4)
    parts.append(Part(ellipse(-0.18, 0, rng.uniform(0.18, 0.28), rng.uniform(0.15, 0.25)), "body"))
    parts.append(Part(ellipse(0.14, 0, 0.15, 0.13), "second"))
    for way in (1, -1):
        parts.append(Part(ellipse(0.25, way * 0.04, 0.02, 0.02), "eye"))
    return Figure(tuple(parts), top_down=True)
