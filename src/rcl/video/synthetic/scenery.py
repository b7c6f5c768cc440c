"""Drawing of scenes: rooms and parks, moving objects, and the figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 240  # of a frame, pixels
MARGIN = 40  # pixels around the frame that a moving camera may see
GROUND = 202  # height of the ground, in pixels from the top

Colour = tuple[float, float, float]  # blue, green, red


class Brush(NamedTuple):
    """Draws into ``frame`` in scene coordinates, which ``camera (2, 3)`` maps to pixels."""

    frame: np.ndarray
    camera: np.ndarray

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        """Positions in sixteenths of a pixel, as OpenCV expects them."""
        points = np.asarray(points, dtype=np.float64) @ self.camera[:, :2].T + self.camera[:, 2]
        return np.rint(16 * points).astype(np.int32)

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        zoom = float(np.hypot(*self.camera[:, 0]))
        pixels = self._pixels(points)[:, None]
        cv2.polylines(self.frame, [pixels], False, colour, max(1, round(zoom * width)), cv2.LINE_AA, 4)

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.frame, [self._pixels(points)[:, None]], colour, cv2.LINE_AA, 4)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), colour)

    def disc(self, centre: tuple[float, float] | np.ndarray, radius: float, colour: Colour) -> None:
        zoom = float(np.hypot(*self.camera[:, 0]))
        x, y = self._pixels(np.array([centre]))[0].tolist()
        cv2.circle(self.frame, (x, y), round(16 * zoom * radius), colour, -1, cv2.LINE_AA, 4)


Thing = Callable[[Brush, float], None]  # draws an object at a time in seconds


def _colour(random: np.random.Generator, low: int = 50, high: int = 220, *, vivid: float = 1.0) -> Colour:
    blue, green, red = (vivid * random.uniform(low, high, 3) + (1 - vivid) * random.uniform(low, high)).tolist()
    return blue, green, red


def _shade(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255.0, factor * value) for value in colour)
    return blue, green, red


# -- places ------------------------------------------------------------------------------------------------------


def paint_background(random: np.random.Generator, *, indoors: bool) -> np.ndarray:
    """Paint a room or a park: ``(HEIGHT + 2 MARGIN, WIDTH + 2 MARGIN, 3)`` uint8."""
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    sky = _shade((235, 190, 140), random.uniform(0.7, 1.05))
    top = _colour(random, 110, 230, vivid=0.4) if indoors else sky
    bottom = _shade(top, random.uniform(0.75, 1.1)) if indoors else (225.0, 220.0, 215.0)
    wall = np.linspace(top, bottom, height)[:, None]  # (H, 1, 3)
    rough = 60 if indoors else 25
    texture = cv2.GaussianBlur(random.normal(0, rough, (height, width)), (0, 0), random.uniform(1.5, 4))[..., None]
    canvas = np.clip(wall + texture, 0, 255).astype(np.uint8)
    brush = Brush(canvas, np.array([[1.0, 0, MARGIN], [0, 1.0, MARGIN]]))
    horizon = GROUND - random.uniform(12, 40)
    (_paint_room if indoors else _paint_park)(brush, random, horizon)
    floor = canvas[int(horizon) + MARGIN :]
    floor[:] = np.clip(floor + texture[-len(floor) :], 0, 255).astype(np.uint8)
    return canvas


def _paint_room(brush: Brush, random: np.random.Generator, horizon: float) -> None:
    floor = _colour(random, 50, 140, vivid=0.4)
    brush.box(-MARGIN, horizon, WIDTH + MARGIN, HEIGHT + MARGIN, floor)
    for x in np.arange(-200, WIDTH + 200, random.uniform(25, 60)):  # boards, towards a vanishing point
        brush.line(np.array([(0.6 * x + 64, horizon), (x, HEIGHT + MARGIN)]), _shade(floor, 0.85), 1)
    brush.box(-MARGIN, horizon - 4, WIDTH + MARGIN, horizon, _shade(floor, 0.7))
    for _ in range(random.integers(1, 4)):  # pictures and windows
        (x, y), (w, h) = random.uniform((0, 20), (270, 60)), random.uniform((25, 25), (60, 55))
        brush.box(x, y, x + w, y + h, _colour(random, 30, 90))
        brush.box(x + 3, y + 3, x + w - 3, y + h - 3, _colour(random, 120, 240))
    for _ in range(random.integers(1, 4)):  # shelves and cupboards
        x, w, h = random.uniform(-20, 300), random.uniform(25, 60), random.uniform(25, 110)
        wood = _colour(random, 40, 140, vivid=0.6)
        brush.box(x, horizon + 4 - h, x + w, horizon + 4, wood)
        for y in np.arange(horizon - h + 8, horizon - 8, 18):
            brush.box(x + 3, y, x + w - 3, y + 14, _shade(wood, random.uniform(0.6, 1.3)))


def _paint_park(brush: Brush, random: np.random.Generator, horizon: float) -> None:
    for _ in range(random.integers(2, 5)):  # houses
        x, w, h = random.uniform(-30, 300), random.uniform(30, 70), random.uniform(40, 110)
        wall = _colour(random, 90, 200, vivid=0.6)
        brush.box(x, horizon - h, x + w, horizon, wall)
        brush.polygon(
            np.array([(x - 4, horizon - h), (x + w / 2, horizon - 1.3 * h), (x + w + 4, horizon - h)]), (60, 60, 130)
        )
        for left in np.arange(x + 6, x + w - 10, 16):
            brush.box(left, horizon - 0.8 * h, left + 8, horizon - 0.8 * h + 12, _shade(wall, 0.5))
    meadow = (random.uniform(50, 90), random.uniform(110, 170), random.uniform(70, 130))
    brush.box(-MARGIN, horizon, WIDTH + MARGIN, HEIGHT + MARGIN, meadow)
    for _ in range(random.integers(1, 5)):  # trees
        x, h = random.uniform(-20, 340), random.uniform(50, 110)
        brush.line(np.array([(x, horizon + 6), (x, horizon - h)]), (40, 60, 90), 6)
        for _ in range(6):
            centre = np.array([x, horizon - h]) + random.normal(0, 10, 2)
            brush.disc(centre, random.uniform(8, 18), _shade((50, 120, 60), random.uniform(0.7, 1.3)))


# -- things that move --------------------------------------------------------------------------------------------


def _ball(random: np.random.Generator) -> Thing:
    x, radius, height, seconds = random.uniform((20, 5, 20, 0.8), (300, 10, 60, 1.5))
    colour, drift = _colour(random), random.uniform(5, 25)

    def draw(brush: Brush, time: float) -> None:
        u = time / seconds % 1
        centre = (x + drift * np.sin(0.6 * time), GROUND - 14 - radius - height * 4 * u * (1 - u))
        brush.disc(centre, radius, colour)

    return draw


def _passing(random: np.random.Generator, y: float, draw_at: Callable[[Brush, float, float], None]) -> Thing:
    """An object that crosses the scene from time to time."""
    speed, first = random.choice((-1, 1)) * random.uniform(15, 60), random.uniform(0, 600)
    return lambda brush, time: draw_at(brush, (first + speed * time) % 600 - 140, y)


def _car(random: np.random.Generator) -> Thing:
    colour = _colour(random)

    def draw_at(brush: Brush, x: float, y: float) -> None:
        brush.box(x, y - 16, x + 52, y - 4, colour)
        brush.polygon(
            np.array([(x + 8, y - 16), (x + 16, y - 27), (x + 36, y - 27), (x + 44, y - 16)]), _shade(colour, 0.7)
        )
        for wheel in (x + 12, x + 40):
            brush.disc((wheel, y - 4), 6, (30, 30, 30))

    return _passing(random, GROUND - 12, draw_at)


def _cloud(random: np.random.Generator) -> Thing:
    puffs = random.uniform((-25, -6, 8), (25, 6, 16), (5, 3)).tolist()

    def draw_at(brush: Brush, x: float, y: float) -> None:
        for dx, dy, radius in puffs:
            brush.disc((x + dx, y + dy), radius, (235, 235, 235))

    return _passing(random, random.uniform(15, 45), draw_at)


def _lamp(random: np.random.Generator) -> Thing:
    x, length, swing, seconds = random.uniform((30, 30, 0.1, 1.5), (290, 60, 0.35, 2.5))
    colour = _colour(random)

    def draw(brush: Brush, time: float) -> None:
        angle = swing * np.sin(2 * np.pi * time / seconds)
        along, beside = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
        end = (x, -MARGIN) + (MARGIN + length) * along
        brush.line(np.array([(x, -MARGIN), end]), (40, 40, 40), 1.5)
        brush.disc(end + 10 * along, 6, (190, 240, 255))
        brush.polygon(np.array([end, end + 12 * along + 14 * beside, end + 12 * along - 14 * beside]), colour)

    return draw


def _curtain(random: np.random.Generator) -> Thing:
    left, colour, seconds = random.choice((-10.0, WIDTH - 40.0)), _colour(random, 80, 200), random.uniform(2, 4)

    def draw(brush: Brush, time: float) -> None:
        hem = 4 * np.sin(2 * np.pi * time / seconds - 0.7 * np.arange(7))
        for fold in range(6):
            x = left + 9 * fold
            corners = [(x, -MARGIN), (x + 9, -MARGIN), (x + 9 + hem[fold + 1], 150), (x + hem[fold], 150)]
            brush.polygon(np.array(corners), _shade(colour, 1 - 0.2 * (fold % 2)))

    return draw


def _post(random: np.random.Generator) -> Thing:
    x, width, colour = random.uniform(70, 250), random.uniform(5, 11), _colour(random, 40, 120)
    return lambda brush, time: brush.box(x, -MARGIN, x + width, HEIGHT + MARGIN, colour)


def draw_things(random: np.random.Generator, *, indoors: bool) -> tuple[list[Thing], list[Thing]]:
    """Choose moving objects at random: those behind the figure, and those in front of it."""
    kinds = [_ball, _lamp, _curtain] if indoors else [_ball, _car, _cloud]
    behind = [kinds[kind](random) for kind in random.permutation(3)[: random.integers(0, 3)]]
    return behind, [_post(random)] if random.random() < 0.3 else []


# -- the figure --------------------------------------------------------------------------------------------------


class Clothes(NamedTuple):
    """The colours of a figure's clothes."""

    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour


def choose_clothes(random: np.random.Generator) -> Clothes:
    """Choose the colours of a figure at random."""
    skin = _shade((150, 180, 225), random.uniform(0.45, 0.9))
    return Clothes(_colour(random, 0, 255), _colour(random, 0, 160), skin, _colour(random, 10, 90))


def draw_figure(brush: Brush, points: Mapping[str, np.ndarray], size: float, clothes: Clothes) -> None:
    """Draw the figure, its far limbs first.

    Args:
        brush: draws.
        points: name of a joint (``rcl.video.synthetic.figure.POINTS``) to ``(2,)``, in the scene.
        size: body height, pixels.
        clothes: its colours.
    """

    def limb(side: str, names: tuple[str, ...], colour: Colour, width: float) -> None:
        path = np.stack([points[f"{side}_{name}"] for name in names])
        brush.line(path, _shade(colour, 0.75 if side == "far" else 1), width * size)

    def arm(side: str) -> None:
        limb(side, ("elbow", "hand"), clothes.skin, 0.055)
        brush.disc(points[f"{side}_hand"], 0.04 * size, clothes.skin)
        limb(side, ("shoulder", "elbow"), _shade(clothes.shirt, 0.85), 0.075)

    def leg(side: str) -> None:
        limb(side, ("ankle", "toe"), (35, 35, 35), 0.05)
        limb(side, ("hip", "knee", "ankle"), clothes.trousers, 0.075)

    arm("far")
    leg("far")
    leg("near")
    brush.line(np.stack([points["hip"], points["neck"]]), clothes.shirt, 0.13 * size)
    back = np.sign(points["near_shoulder"][0] - points["far_shoulder"][0]) * 0.02 * size
    brush.disc(points["head"] + (back, -0.015 * size), 0.078 * size, clothes.hair)
    brush.disc(points["head"] - (back, 0), 0.068 * size, clothes.skin)
    arm("near")
