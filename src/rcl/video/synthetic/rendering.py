"""Synthetic videos with exact ground truth: a drawn figure claps, jumps, waves, walks and dances."""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import cv2
import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.system.device import usable_cores
from rcl.system.paths import PathLike
from rcl.system.text_files import write_file, write_text
from rcl.video.synthetic.figure import ACTIONS, FIDGETS, MOVEMENTS, POINTS, Performance, animate, wander
from rcl.video.synthetic.scenery import (
    GROUND,
    HEIGHT,
    MARGIN,
    WIDTH,
    Brush,
    choose_clothes,
    draw_figure,
    draw_things,
    paint_background,
)

FRAMES_PER_SECOND = 30
_NOISES = 8  # images of sensor noise; each frame gets one of them


def render_videos(
    folder: Path,
    *,
    count: int = 32,
    seed: int = 0,
    instances: tuple[int, int] = (6, 9),
    processes: int | None = None,
    progress: Callable[[], None] | None = None,
) -> Annotations:
    """Write the videos ``figure-000.mp4`` and so on, each about half a minute long with several actions of a figure.

    Actions last from half a second (clap) to 14 seconds (dance). Other changes are not labelled: those of the camera,
    the light and the background, and small movements of the figure that begin like an action.

    Args:
        folder: for the videos; created if it does not exist.
        count: number of videos.
        seed: the same seed makes the same files with any number of processes.
        instances: smallest and largest number of actions in a video.
        processes: number of processes; 1 for this one, ``None`` for one per core.
        progress: called after every video.

    Returns:
        The ground truth, all in the subset ``training``; split it for validation.

    Raises:
        InputError: the folder cannot be written.
    """
    render = partial(_render_numbered, folder, seed, instances)
    videos = {}
    for video in _in_processes(processes or usable_cores(), render, range(count)):
        videos[video.name] = video
        if progress is not None:
            progress()
    return Annotations(videos, source="rendered videos")


def _in_processes(
    processes: int, render: Callable[[int], VideoAnnotation], numbers: Iterable[int]
) -> Iterator[VideoAnnotation]:
    if processes == 1:
        yield from map(render, numbers)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    with ProcessPoolExecutor(processes, context, initializer=_use_one_thread) as executor:
        yield from executor.map(render, numbers)


def write_labels(annotations: Annotations, path: PathLike) -> None:
    """Write the table ``video,start,end,label,subset,duration``, which ``load_annotations`` reads.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("video", "start", "end", "label", "subset", "duration"))
    for video in annotations.videos.values():
        for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True):
            writer.writerow((video.name, start, end, label, video.subset, video.duration_seconds))
    write_text(path, text.getvalue())


def _use_one_thread() -> None:
    cv2.setNumThreads(1)


def _render_numbered(folder: Path, seed: int, instances: tuple[int, int], number: int) -> VideoAnnotation:
    name, random = f"figure-{number:03d}", np.random.default_rng((seed, number))
    script, frames = write_script(random, instances=instances)
    render_video(folder / f"{name}.mp4", script, frames, random)
    actions = [performance for performance in script if performance.name in ACTIONS]
    segments = np.array([(action.start_seconds, action.end_seconds) for action in actions])  # (N, 2)
    duration = frames / FRAMES_PER_SECOND
    return VideoAnnotation(name, "training", duration, None, segments, tuple(action.name for action in actions))


# -- the script --------------------------------------------------------------------------------------------------


def write_script(random: np.random.Generator, *, instances: tuple[int, int]) -> tuple[list[Performance], int]:
    """Draw the movements of a video, in whole hundredths of a second, and its number of frames."""
    names = [*random.permutation(list(ACTIONS)).tolist()]
    number = int(random.integers(instances[0], instances[1] + 1))
    brief = [name for name, action in ACTIONS.items() if action.longest_seconds <= 3]
    names = names[:number] + random.choice(brief, max(0, number - len(names))).tolist()
    script, time = list[Performance](), float(random.uniform(0.5, 2))
    for name in random.permutation(names).tolist():
        fidget = str(random.choice(list(FIDGETS)))
        if random.random() < 0.4:
            time = _perform(fidget, time, script, random) + float(random.uniform(0.3, 1))
        time = _perform(name, time, script, random)
        at_once = random.random() < 0.2
        time += float(random.uniform(0, 0.1) if at_once else min(4, 0.5 + random.exponential(0.7)))
    return script, int(np.ceil((time + 0.5) * FRAMES_PER_SECOND))


def _perform(name: str, time: float, script: list[Performance], random: np.random.Generator) -> float:
    movement = MOVEMENTS[name]
    seconds = np.exp(random.uniform(np.log(movement.shortest_seconds), np.log(movement.longest_seconds)))
    performance = Performance(name, round(time, 2), round(time + float(seconds), 2))
    script.append(performance)
    return performance.end_seconds


# -- frames ------------------------------------------------------------------------------------------------------


class _Shot(NamedTuple):
    """Camera and sensor over time: ``camera (T, 2, 3)``, ``gain (T,)`` and ``noise (N, H, W)`` uint8 around 128."""

    camera: np.ndarray
    gain: np.ndarray
    noise: np.ndarray


def _shoot(time: np.ndarray, random: np.random.Generator) -> _Shot:
    shake, pan = random.uniform(0, 2), random.uniform(0, 10)
    angle = 0.006 * shake * wander(time, random, slowest_seconds=5, fastest_seconds=1)
    zoom = 1.04 + 0.04 * wander(time, random, slowest_seconds=40, fastest_seconds=10)
    shift = [
        shake * wander(time, random, slowest_seconds=3, fastest_seconds=0.6)
        + size * wander(time, random, slowest_seconds=40, fastest_seconds=12)
        for size in (pan, 0.3 * pan)
    ]
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    camera = np.stack([cosine, -sine, shift[0], sine, cosine, shift[1]], axis=1).reshape(-1, 2, 3)
    camera[:, :, 2] += middle - camera[:, :, :2] @ middle
    gain = random.uniform(0.85, 1.1) * (1 + 0.1 * wander(time, random, slowest_seconds=20, fastest_seconds=4))
    if random.random() < 0.3:  # flicker
        for start in random.uniform(0, time[-1], 4):
            gain[(time >= start) & (time < start + 0.12)] *= random.uniform(0.75, 0.9)
    if random.random() < 0.25:  # the light fades and returns
        gain *= 1 - 0.35 * np.exp(-(((time - random.uniform(0, time[-1])) / 1.5) ** 2))
    noise = 128 + random.uniform(1.5, 4) * random.standard_normal((_NOISES, HEIGHT, WIDTH), dtype=np.float32)
    return _Shot(camera, gain, np.rint(noise).astype(np.uint8))


def render_video(path: Path, script: Sequence[Performance], frames: int, random: np.random.Generator) -> None:
    """Write one video, completely or not at all.

    Args:
        path: the MP4 file.
        script: the movements of the figure.
        frames: number of frames.
        random: draws the scene, the camera and the style.

    Raises:
        InputError: the file cannot be written.
    """
    time = np.arange(frames) / FRAMES_PER_SECOND  # (T,)
    indoors, size = bool(random.random() < 0.5), float(random.uniform(108, 132))
    background = paint_background(random, indoors=indoors)
    behind, before = draw_things(random, indoors=indoors)
    clothes, shot = choose_clothes(random), _shoot(time, random)
    joints = animate(script, time, random, reach=88 / size)  # (T, P, 2)
    joints = size * joints + (WIDTH / 2, GROUND + random.uniform(-2, 10))
    noises = random.integers(_NOISES, size=frames)

    def draw(index: int) -> np.ndarray:
        camera = shot.camera[index]
        from_canvas = camera.copy()
        from_canvas[:, 2] -= camera[:, :2] @ (MARGIN, MARGIN)
        brush = Brush(cv2.warpAffine(background, from_canvas, (WIDTH, HEIGHT)), camera)
        for thing in behind:
            thing(brush, time[index])
        draw_figure(brush, dict(zip(POINTS, joints[index], strict=True)), size, clothes)
        for thing in before:
            thing(brush, time[index])
        yuv = cv2.cvtColor(brush.frame, cv2.COLOR_BGR2YUV_I420)  # (3/2 H, W)
        yuv[:HEIGHT] = cv2.addWeighted(yuv[:HEIGHT], shot.gain[index], shot.noise[noises[index]], 1, -128)
        return yuv

    write_file(path, lambda file: _encode(file, map(draw, range(frames))))


def _encode(file: BinaryIO, frames: Iterable[np.ndarray]) -> None:
    with av.open(file, "w", format="mp4") as container:
        # The output of x264 depends on the number of threads; with its macroblock tree, even two runs may differ.
        options = {"preset": "veryfast", "crf": "27", "threads": "1", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
