"""Extraction in several processes or on a cluster, any of which may die."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch

from rcl.system.device import best_device, usable_cores
from rcl.system.errors import InputError
from rcl.system.ray_cluster import Cluster, Work
from rcl.video.packs import Outcome, PackWriter


def extract_many(
    writer: PackWriter,
    videos: Mapping[str, Path],
    *,
    workers: int = 1,
    cluster: Cluster | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Iterator[Outcome]:
    """Extract the videos that are not done yet, and yield the outcome of every video in the order of completion.

    Args:
        writer: writes the pack.
        videos: name to file.
        workers: number of processes on this machine.
        cluster: runs the extraction instead of processes on this machine.
        progress: with a single worker, called with the name of a video and the share of it that is done, 0 to 1.
    """
    todo = {}
    for (name, path), outcome in zip(videos.items(), writer.known_outcomes(videos), strict=True):
        if outcome:
            yield outcome
        else:
            todo[name] = path
    if cluster and todo:
        yield from extract_on_cluster(writer, todo, cluster)
    elif workers > 1 and len(todo) > 1:
        yield from extract_in_processes(writer, todo, workers)
    else:
        for name, path in todo.items():
            yield writer.extract_one(name, path, progress=progress)


def extract_in_processes(writer: PackWriter, videos: Mapping[str, Path], workers: int) -> Iterator[Outcome]:
    """Extract videos in worker processes, and yield the outcomes in the order of completion.

    If a process dies, the pool ends all others. The videos that may have been in progress are then extracted again one
    by one, each in a process of its own, so that only the video that ends its process is lost.
    """
    remaining = dict(videos)
    while remaining:
        try:
            with _pool(writer, min(workers, len(remaining))) as pool:
                for outcome in _submit(pool, remaining):
                    del remaining[outcome.video]
                    yield outcome
        except BrokenProcessPool:
            # Videos are started in order, and a pool holds up to two tasks per worker.
            for name in list(remaining)[: 2 * workers + 1]:
                yield _extract_alone(writer, name, remaining.pop(name))


def _extract_alone(writer: PackWriter, name: str, path: Path) -> Outcome:
    if record := writer.done(name, path):
        return Outcome(name, record)
    try:
        with _pool(writer, 1) as pool:
            return pool.submit(_work, name, path).result()
    except BrokenProcessPool:
        return _lost_video(name, path)


def _lost_video(name: str, path: Path) -> Outcome:
    found, fix = "a process that died reading it", "convert the video, or give the machine more memory"
    return Outcome(name, error=InputError(path, expected="a video that can be read", found=found, fix=fix))


def _submit(pool: Executor, videos: Mapping[str, Path]) -> Iterator[Outcome]:
    futures: list[Future[Outcome]] = [pool.submit(_work, name, path) for name, path in videos.items()]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise
    except BaseException:  # an interruption: files are written completely or not at all, so workers can be killed
        for process in multiprocessing.active_children():
            process.kill()
        raise


@contextlib.contextmanager
def _pool(writer: PackWriter, workers: int) -> Iterator[ProcessPoolExecutor]:
    threads = max(1, usable_cores() // workers)
    # Spawned, because a fork of a process with torch's threads can hang.
    context = multiprocessing.get_context("spawn")
    # For copies from an object store, which a killed process cannot remove itself.
    copies = os.path.join(tempfile.gettempdir(), f"rcl-{uuid.uuid4().hex}")
    try:
        with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(writer, threads, copies)) as pool:
            yield pool
    finally:
        shutil.rmtree(copies, ignore_errors=True)


_worker: dict[str, Any] = {}


def _start(writer: PackWriter, threads: int, copies: str) -> None:
    import cv2

    os.makedirs(copies, mode=0o700, exist_ok=True)
    tempfile.tempdir = copies
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process handles it
    threading.Thread(target=_end_with_parent, args=(copies,), daemon=True).start()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _worker.update(writer=writer, threads=threads)


def _end_with_parent(copies: str) -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        shutil.rmtree(copies, ignore_errors=True)
        os._exit(1)


class _ClusterWork:
    """Picklable start of the extraction in a worker of a :class:`Cluster`; each worker builds the backbone."""

    def __init__(self, writer: PackWriter, videos: Sequence[tuple[str, Path]]) -> None:
        self.writer, self.videos = writer, videos

    def __call__(self, threads: int) -> Work:
        self.writer.device = best_device()  # of the worker's machine
        return lambda position: self.writer.extract_one(*self.videos[position], threads=threads)


def extract_on_cluster(writer: PackWriter, videos: Mapping[str, Path], cluster: Cluster) -> Iterator[Outcome]:
    """Extract videos on a cluster, and yield the outcomes in the order of completion.

    All machines need the pack and the videos under the same paths.
    """
    items = [(name, path.absolute()) for name, path in videos.items()]
    for position, outcome in cluster.map(_ClusterWork(writer, items), len(items)):
        yield outcome or _lost_video(*items[position])


def _work(name: str, path: Path) -> Outcome:
    return _worker["writer"].extract_one(name, path, threads=_worker["threads"])
