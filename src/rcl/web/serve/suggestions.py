"""Which stretch to look at next: the ranking of the detector's doubts, handed out one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.features import ReadableFeatures
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, is_pack
from rcl.data.reviewed import joined, unreviewed_share
from rcl.data.stores import open_store
from rcl.detector.corrections import corrected_shares
from rcl.detector.stretches import Candidate, Stretch, rank_stretches
from rcl.system.errors import InputError, shown
from rcl.web.serve.decisions import Decided, Decisions
from rcl.web.serve.detecting import Detecting
from rcl.web.serve.learning import Learning
from rcl.web.serve.media import read_header
from rcl.web.serve.videos import Video

COUNT = 20  # stretches of one ranking; later ones would not know what was labelled in the meantime
TOUCHED = 0.05  # a stretch of which a larger share was looked at is no longer offered


class Suggestions:
    """Hands out stretches of videos.

    Args:
        root: the folder of videos, or the pack.
        videos: by key.
        decisions: what was labelled, and what was looked at.
        detecting: what the detector found.
        learning: the features.
    """

    def __init__(
        self, root: Path, videos: Mapping[str, Video], decisions: Decisions, detecting: Detecting, learning: Learning
    ) -> None:
        self.root, self.videos, self.decisions = root, videos, decisions
        self.detecting, self.learning = detecting, learning
        self._keys = {video.name: key for key, video in videos.items()}
        self._ranking, self._version = list[Stretch](), -1
        self._skipped = list[tuple[str, float, float]]()
        self._lock = threading.Lock()

    def next(self, skipped: Any = None) -> dict[str, Any]:
        """The best stretch that is left, with its reason; ``{"stretch": None}`` if all was looked at.

        Args:
            skipped: the stretch that the user does not want, ``{"video", "start", "end"}``; it comes again when no
                other is left.

        Raises:
            InputError: the labels or the features are damaged, or ``skipped`` is something else.
        """
        with self._lock:
            if skipped is not None:
                self._skipped.append(_part(skipped))
            stretch = self._first() or self._first(again=True)
            if stretch is None and self._skipped:
                self._skipped.clear()
                stretch = self._first(again=True)
            return {"stretch": stretch and self._to_json(stretch)}

    def _first(self, *, again: bool = False) -> Stretch | None:
        """The first stretch of the ranking of which nothing was looked at since; ``again``: of a new one."""
        looked_at = looked_at_in(self.decisions.read())
        if again or self._version != self.detecting.version:
            self._ranking, self._version = self._rank(looked_at), self.detecting.version
        gone = with_parts(looked_at, self._skipped)
        while self._ranking and not is_open(self._ranking[0], gone):
            self._ranking.pop(0)
        return self._ranking[0] if self._ranking else None

    def _rank(self, looked_at: Annotations) -> list[Stretch]:
        found = self._found()
        corrected = self._corrected(found, looked_at)
        known = with_parts(looked_at, self._skipped)
        intervals = sum(
            1 if one.reviewed_seconds is None else len(one.reviewed_seconds) for one in known.videos.values()
        )
        return rank_stretches(self._candidates(found), known, count=COUNT, corrected=corrected, seed=intervals)

    def _found(self) -> dict[str, Detections]:
        results = {video.name: self.detecting.result(key) for key, video in self.videos.items()}
        return {name: result.found for name, result in results.items() if result}

    def _corrected(self, found: Mapping[str, Detections], looked_at: Annotations) -> dict[str, float] | None:
        """How often the proposals were corrected, in videos that the detector was not trained on."""
        run = self.learning.run
        if run is None or run.labels is None:
            return None
        known = load_annotations(run.labels).videos
        new = {name: video for name, video in looked_at.videos.items() if name in found and name not in known}
        proposed = [found[name] for name in new]
        return corrected_shares(Detections.concatenate(proposed), Annotations(new)) if new else None

    def _candidates(self, found: Mapping[str, Detections]) -> Iterator[Candidate]:
        features = stored_features(self.root) if is_pack(self.root) else {}
        if self.learning.features:
            features = self.learning.features.stored()
        for key, video in self.videos.items():
            result = self.detecting.result(key)
            seconds, stored = features.get(video.name, (None, None))
            seconds = seconds or (result.duration_seconds if result else None)
            if seconds is None and video.path:
                seconds = read_header(video.path).duration_seconds
            if seconds:
                yield Candidate(video.name, seconds, stored, (found[video.name],) if video.name in found else ())

    def _to_json(self, stretch: Stretch) -> dict[str, Any]:
        start, end = round(stretch.start_seconds, 2), round(stretch.end_seconds, 2)
        key = self._keys[stretch.video]
        return {"key": key, "video": stretch.video, "start": start, "end": end, "reason": stretch.reason}


def _part(sent: Any) -> tuple[str, float, float]:
    try:
        return str(sent["video"]), float(sent["start"]), float(sent["end"])
    except (KeyError, TypeError, ValueError):
        expected, fix = "a video, a start and an end", "load the page again"
        raise InputError("skipped", expected=expected, found=shown(sent), fix=fix) from None


def looked_at_in(decided: Mapping[str, Decided]) -> Annotations:
    """What is labelled and what was looked at, also in videos that are not in the labels yet."""
    videos = dict[str, VideoAnnotation]()
    for name, one in decided.items():
        if one.labelled is not None:
            videos[name] = one.labelled
        elif one.review.reviewed or one.segments:
            segments = [segment for segment in one.segments if segment.label]
            pairs = np.array([(segment.start, segment.end) for segment in segments], dtype=np.float64).reshape(-1, 2)
            parts = np.array(one.review.reviewed, dtype=np.float64).reshape(-1, 2)
            labels = tuple(segment.label for segment in segments)
            videos[name] = VideoAnnotation(name, "training", None, None, pairs, labels, None, parts)
    return Annotations(videos)


def with_parts(annotations: Annotations, parts: list[tuple[str, float, float]]) -> Annotations:
    """The annotations as if some parts of videos had been looked at, too."""
    videos = dict(annotations.videos)
    for name, start, end in parts:
        part, video = np.array([[start, end]]), videos.get(name)
        if video is None:
            videos[name] = VideoAnnotation(name, "training", None, None, np.zeros((0, 2)), (), None, part)
        elif video.reviewed_seconds is not None:
            videos[name] = replace(video, reviewed_seconds=joined(video.reviewed_seconds, part))
    return Annotations(videos)


def is_open(stretch: Stretch, looked_at: Annotations) -> bool:
    """Whether hardly anything of a stretch was looked at."""
    video = looked_at.videos.get(stretch.video)
    if video is None:
        return True
    if video.reviewed_seconds is None:
        return False
    segment = np.array([[stretch.start_seconds, stretch.end_seconds]])
    return bool(unreviewed_share(segment, video.reviewed_seconds, stretch.end_seconds)[0] >= 1 - TOUCHED)


def stored_features(pack: Path) -> dict[str, tuple[float, ReadableFeatures]]:
    """Name to length in seconds and features of the videos of a pack, as far as both are known."""
    annotations = load_annotations(find_annotations(pack), clip=False)
    store, found = open_store(pack, annotations).timed(annotations), dict[str, tuple[float, ReadableFeatures]]()
    for name, video in annotations.videos.items():
        try:
            features = store.open(name)
        except InputError:  # a video without features
            continue
        rate = store.rate(name) or video.snippets_per_second
        seconds = video.duration_seconds or (features.shape[0] / rate if rate else None)
        if seconds:
            found[name] = seconds, features
    return found
