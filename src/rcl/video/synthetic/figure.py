"""A figure of jointed limbs: joint angles over the phase of each movement, and the positions of the joints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

SIDES = ("near", "far")
JOINTS = ("shoulder", "elbow", "hip", "knee")
# A pose is a row of these: displacements in body heights, angles in radians. Limbs hang down at 0 and swing forward as
# angles grow; elbows bend forward and knees backward. `spin` is 0 normally and -2 when the figure faces the other way.
CHANNELS = ("across", "lift", "spin", "lean", "nod", *(f"{side}_{joint}" for side in SIDES for joint in JOINTS))
IDLE = {"near_shoulder": -0.12, "far_shoulder": 0.16, "near_elbow": 0.15, "far_elbow": 0.15} | {
    "near_hip": -0.06,
    "far_hip": 0.1,
    "near_knee": 0.02,
    "far_knee": 0.06,
}
ENDS = ("shoulder", "elbow", "hand", "hip", "knee", "ankle", "toe")
POINTS = ("hip", "neck", "head", *(f"{side}_{end}" for side in SIDES for end in ENDS))
Change = Mapping[str, np.ndarray]  # channel → the difference to the idle pose


class Movement(NamedTuple):
    """A movement of the figure, which starts from the idle pose and returns to it.

    ``motion(phase, cycles)`` is the change of pose at phases in [0, 1], during which the movement repeats ``cycles``
    times, ``rate`` times per second. ``speed`` is the walking speed in body heights per second.
    """

    shortest_seconds: float
    longest_seconds: float
    rate: float
    motion: Callable[[np.ndarray, float], Change]
    speed: float = 0.0


class Performance(NamedTuple):
    """One movement in a video: its name in ``ACTIONS`` or ``FIDGETS``, and its time."""

    name: str
    start_seconds: float
    end_seconds: float


# -- movements ---------------------------------------------------------------------------------------------------


def _smooth(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _held(phase: np.ndarray, ramp: float) -> np.ndarray:
    """From 0 up to 1 within ``ramp``, and back to 0 at the end."""
    return _smooth(np.minimum(phase, 1 - phase) / ramp)


def _bump(phase: np.ndarray, start: float, end: float) -> np.ndarray:
    """From 0 up to 1 and back, between two phases."""
    return _held((phase - start) / (end - start), 0.5)


def _both(joint: str, change: np.ndarray) -> Change:
    return {f"near_{joint}": change, f"far_{joint}": change}


def _crouch(depth: np.ndarray) -> Change:
    return {"lean": 0.35 * depth, **_both("hip", 0.9 * depth), **_both("knee", 1.7 * depth)}


def _clap(phase: np.ndarray, cycles: float) -> Change:
    together = _held(phase, 0.5)  # above the head, one arm by the front and one by the back
    return {"near_shoulder": 3.0 * together, "far_shoulder": -3.0 * together, "nod": -0.15 * together}


def _jump(phase: np.ndarray, cycles: float) -> Change:
    crouched = _bump(phase, 0, 0.34) + 0.8 * _bump(phase, 0.72, 1)
    flight = np.clip((phase - 0.28) / 0.48, 0, 1)
    flight = 4 * flight * (1 - flight)
    return {
        **_crouch(0.8 * crouched),
        "lift": 0.26 * flight,
        "near_shoulder": 2.7 * flight - 0.7 * crouched,
        "far_shoulder": 2.4 * flight - 0.7 * crouched,
    }


def _kick(phase: np.ndarray, cycles: float) -> Change:
    back, forth = _bump(phase, 0, 0.4), _bump(phase, 0.25, 0.95)
    return {
        "near_hip": 1.6 * forth - 0.7 * back,
        "near_knee": 1.1 * back + 0.15 * forth,
        "lean": 0.1 * back - 0.3 * forth,
        "far_shoulder": 0.9 * forth,
        "near_shoulder": 0.5 * back - 0.7 * forth,
    }


def _wave(phase: np.ndarray, cycles: float) -> Change:
    raised, swing = _held(phase, 0.2), np.sin(2 * np.pi * cycles * phase)
    return {"near_shoulder": raised * (2.3 + 0.4 * swing), "near_elbow": raised * (0.2 + 0.6 * swing)}


def _squats(phase: np.ndarray, cycles: float) -> Change:
    down = np.sin(np.pi * cycles * phase) ** 2
    return {**_crouch(1.15 * down), **_both("shoulder", 1.5 * _held(phase, 0.1) * (0.35 + 0.65 * down))}


def _walk(phase: np.ndarray, cycles: float) -> Change:
    step, held = 2 * np.pi * cycles * phase, _held(phase, 0.1)
    return {
        "near_hip": 0.42 * held * np.sin(step),
        "far_hip": -0.42 * held * np.sin(step),
        "near_knee": held * (0.1 + 0.75 * np.maximum(np.cos(step), 0) ** 2),
        "far_knee": held * (0.1 + 0.75 * np.maximum(-np.cos(step), 0) ** 2),
        "near_shoulder": -0.45 * held * np.sin(step),
        "far_shoulder": 0.45 * held * np.sin(step),
        "lean": 0.06 * held,
    }


def _dance(phase: np.ndarray, cycles: float) -> Change:
    beat, held = 2 * np.pi * cycles * phase, _held(phase, 0.07)
    later = _smooth((phase - 0.5) / 0.06)  # after a spin, with the arms above the head
    arms = held * (1.2 + 0.9 * later)
    return {
        "across": 0.1 * held * np.sin(beat),
        "spin": np.cos(2 * np.pi * _smooth((phase - 0.44) / 0.12)) - 1,
        "lean": 0.22 * held * np.sin(beat),
        "nod": -0.2 * held * np.sin(beat),
        "near_shoulder": arms + held * 0.8 * np.sin(beat),
        "far_shoulder": arms - held * 0.8 * np.sin(beat),
        "near_elbow": held * 0.7 * np.cos(beat),
        "far_elbow": -held * 0.7 * np.cos(beat),
        "near_hip": held * (0.3 + 0.3 * np.sin(beat)),
        "far_hip": held * (0.3 - 0.3 * np.sin(beat)),
        **_both("knee", held * (0.55 + 0.3 * np.cos(2 * beat))),
    }


def _half_raise(phase: np.ndarray, cycles: float) -> Change:
    return {"near_shoulder": 1.3 * _held(phase, 0.45), "near_elbow": 0.4 * _held(phase, 0.5)}


def _scratch(phase: np.ndarray, cycles: float) -> Change:
    raised = _held(phase, 0.4)
    shaking = 0.15 * np.sin(2 * np.pi * cycles * phase)
    return {"near_shoulder": 0.9 * raised, "near_elbow": raised * (2.3 + shaking), "nod": 0.2 * raised}


def _look_round(phase: np.ndarray, cycles: float) -> Change:
    return {"nod": 0.4 * np.sin(2 * np.pi * phase) * _held(phase, 0.3), "lean": 0.1 * _held(phase, 0.5)}


def _dip(phase: np.ndarray, cycles: float) -> Change:
    return _crouch(0.3 * _held(phase, 0.5))


def _lift_knee(phase: np.ndarray, cycles: float) -> Change:
    return {"near_hip": 0.5 * _held(phase, 0.5), "near_knee": 0.8 * _held(phase, 0.5)}


ACTIONS = {
    "clap": Movement(0.4, 0.7, 2.0, _clap),
    "kick": Movement(0.6, 1.0, 1.0, _kick),
    "jump": Movement(0.8, 1.2, 1.0, _jump),
    "wave": Movement(1.5, 3.0, 1.9, _wave),
    "squats": Movement(3.0, 5.0, 0.75, _squats),
    "walk": Movement(4.0, 8.0, 0.75, _walk, speed=0.55),
    "dance": Movement(7.0, 14.0, 0.8, _dance),
}
# Small movements that look like the beginning of an action but are not labelled.
FIDGETS = {
    "half raise": Movement(0.5, 1.2, 1.0, _half_raise),
    "scratch": Movement(0.8, 1.6, 3.0, _scratch),
    "look round": Movement(0.8, 2.0, 1.0, _look_round),
    "dip": Movement(0.5, 1.0, 1.0, _dip),
    "lift knee": Movement(0.5, 0.9, 1.0, _lift_knee),
}
MOVEMENTS = ACTIONS | FIDGETS


# -- from a script to joints --------------------------------------------------------------------------------------


def wander(
    time: np.ndarray, random: np.random.Generator, *, slowest_seconds: float, fastest_seconds: float
) -> np.ndarray:
    """``(T,)``: a smooth random function of time with values in [-1, 1], a sum of sines with periods in this range."""
    periods = np.exp(random.uniform(np.log(fastest_seconds), np.log(slowest_seconds), 4))  # (4,)
    return np.sin(2 * np.pi * time[:, None] / periods + random.uniform(0, 2 * np.pi, 4)).mean(1)


def animate(
    script: Sequence[Performance], time: np.ndarray, random: np.random.Generator, *, reach: float
) -> np.ndarray:
    """Compute the positions of the joints.

    Args:
        script: the movements of the figure in order; between them it idles.
        time: ``(T,)``, seconds, evenly spaced.
        random: draws the style of each performance.
        reach: largest distance from the middle that the figure may walk to, in body heights.

    Returns:
        ``(T, len(POINTS), 2)``, x to the right and y down in body heights, from the middle of the place on the ground.
    """
    pose = {channel: np.full(len(time), IDLE.get(channel, 0.0)) for channel in CHANNELS}
    for channel, size in {
        "lean": 0.04,
        "nod": 0.1,
        "near_shoulder": 0.07,
        "far_shoulder": 0.07,
        "across": 0.02,
    }.items():
        pose[channel] += size * wander(time, random, slowest_seconds=6, fastest_seconds=1.5)
    travelled = np.zeros(len(time))
    for name, start, end in script:
        movement = MOVEMENTS[name]
        phase = np.clip((time - start) / (end - start), 0, 1)  # (T,)
        phase = phase + random.uniform(-0.08, 0.08) * np.sin(2 * np.pi * phase)  # faster at the beginning or at the end
        tempo, strength = random.uniform(0.85, 1.15), random.uniform(0.85, 1.1)
        cycles = max(1, round(tempo * movement.rate * (end - start)))
        swap = {"near": "far", "far": "near"} if random.random() < 0.5 else {}
        for channel, change in movement.motion(phase, cycles).items():
            side, _, joint = channel.partition("_")
            other = "_".join(filter(None, (swap.get(side, side), joint)))
            pose[other] += change if channel in ("spin", "lift") else strength * change
        travelled += movement.speed * cycles / movement.rate * phase
    place = random.uniform(-reach, reach) + random.choice((-1, 1)) * travelled
    # Turn around at both ends of the reach: a triangle wave.
    place = np.abs((place + reach) % (4 * reach) - 2 * reach) - reach  # (T,)
    pose["across"] += place
    return _joints(pose, _facing(place, time))


def _facing(place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """``(T,)``: 1 to the right, -1 to the left, in between while turning."""
    steps = np.sign(np.diff(place, prepend=place[0]))
    moving = np.maximum.accumulate(np.where(steps != 0, np.arange(len(steps)), 0))  # the last frame with a step
    first = steps[np.flatnonzero(steps)[0]] if steps.any() else 1.0
    facing = np.where(steps[moving] != 0, steps[moving], first)
    turn = max(1, round(0.25 / (time[1] - time[0])))  # frames
    return np.convolve(np.pad(facing, (turn - 1, 0), mode="edge"), np.full(turn, 1 / turn), mode="valid")


def _joints(pose: Mapping[str, np.ndarray], facing: np.ndarray) -> np.ndarray:
    """``(T, len(POINTS), 2)`` from channels of ``(T,)``: forward kinematics, with the lower foot on the ground."""

    def limb(start: np.ndarray, length: float, angle: np.ndarray) -> np.ndarray:
        return start + length * np.stack([np.sin(angle), np.cos(angle)], axis=-1)  # (T, 2)

    hip = np.zeros((len(facing), 2))
    neck = limb(hip, -0.31, -pose["lean"])
    points = {"hip": hip, "neck": neck, "head": limb(neck, -0.12, -pose["lean"] - pose["nod"])}
    for side, offset in (("near", -0.02), ("far", 0.03)):
        upper, thigh = pose[f"{side}_shoulder"], pose[f"{side}_hip"]
        shin = thigh - pose[f"{side}_knee"]
        shoulder = points[f"{side}_shoulder"] = neck + np.array([offset, 0.03])
        elbow = points[f"{side}_elbow"] = limb(shoulder, 0.19, upper)
        points[f"{side}_hand"] = limb(elbow, 0.2, upper + pose[f"{side}_elbow"])
        knee = points[f"{side}_knee"] = limb(hip + np.array([offset, 0]), 0.245, thigh)
        ankle = points[f"{side}_ankle"] = limb(knee, 0.24, shin)
        points[f"{side}_hip"] = hip + np.array([offset, 0])
        points[f"{side}_toe"] = limb(ankle, 0.07, 0.6 * shin + 1.4)
    joints = np.stack([points[name] for name in POINTS], axis=1)  # (T, P, 2)
    lowest = np.maximum(points["near_ankle"][:, 1], points["far_ankle"][:, 1]) + 0.02
    joints[..., 1] -= (lowest + pose["lift"])[:, None]
    joints[..., 0] = joints[..., 0] * (facing * (1 + pose["spin"]))[:, None] + pose["across"][:, None]
    return joints
