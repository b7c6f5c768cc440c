"""What each stream contributes to a detector of several: its mAP without the stream, and with the stream alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.datasets import VideoDataset
from rcl.data.detections import Detections
from rcl.data.stores import Store
from rcl.data.stream_store import StreamStore
from rcl.data.streams import AlignedFeatures
from rcl.detector.localizer import Localizer
from rcl.evaluation.ground_truths import Policy
from rcl.evaluation.metrics import evaluate
from rcl.system.errors import InputError


class Contributions(NamedTuple):
    """Average mAP of a detector, as a fraction.

    Args:
        tiou_thresholds: that it is averaged over.
        average_map: with all streams that there are.
        without: without each of them.
        alone: with each of them alone.
        detections: with all streams.
    """

    tiou_thresholds: np.ndarray
    average_map: float
    without: Mapping[str, float]
    alone: Mapping[str, float]
    detections: Detections

    def to_json(self) -> dict[str, Any]:
        """The numbers, in plain Python types."""
        streams = {name: {"without": self.without[name], "alone": self.alone[name]} for name in self.without}
        thresholds = self.tiou_thresholds.tolist()
        return {"streams": streams, "average_mAP": self.average_map, "tiou_thresholds": thresholds}


def combinations(streams: Collection[str]) -> list[frozenset[str]]:
    """What is compared: all streams, all but one, and one alone."""
    everything = frozenset(streams)
    found = {everything, *(everything - {name} for name in streams), *(frozenset([name]) for name in streams)}
    return sorted(found - {frozenset()}, key=sorted)


def measure_contributions(
    localizer: Localizer,
    store: Store,
    truth: Annotations,
    *,
    tiou_thresholds: np.ndarray,
    policy: Policy = "official",
    progress: Callable[[], None] = lambda: None,
) -> Contributions:
    """Detect with all streams, without each, and with each alone. The detector is not trained again: a stream that is
    left out is missing, as it may be in a new video.

    Args:
        localizer: a detector of several streams.
        store: the features of a pack; see :func:`rcl.detector.inputs.open_store_for`.
        truth: ground truth of its videos.
        tiou_thresholds: to average over.
        policy: which instances count.
        progress: called after each video with each of the :func:`combinations`.

    Raises:
        InputError: the detector or the pack has fewer than two streams, or features cannot be read.
    """
    if not isinstance(store, StreamStore) or len(store.stores) < 2:
        fix = "give a detector and a pack that have them"
        raise InputError(store.root, expected="several streams that the detector knows", found="fewer", fix=fix)
    names, videos = [*store.stores], VideoDataset(truth, store, (), localizer.preparation)
    found, scores = dict[frozenset[str], Detections](), dict[frozenset[str], float]()
    for kept in combinations(names):
        found[kept] = Detections.concatenate([*_detections(localizer, videos, kept, progress)])
        evaluation = evaluate(found[kept], truth, tiou_thresholds=tiou_thresholds, policy=policy)
        scores[kept] = evaluation.average_map
    everything = frozenset(names)
    without = {name: scores[everything - {name}] for name in names}
    alone = {name: scores[frozenset([name])] for name in names}
    return Contributions(tiou_thresholds, scores[everything], without, alone, found[everything])


def _detections(
    localizer: Localizer, videos: VideoDataset, streams: Collection[str], progress: Callable[[], None]
) -> Iterator[Detections]:
    for index, video in enumerate(videos.videos):
        features, timeline = videos.open(index)
        assert isinstance(features, AlignedFeatures)  # of a store of streams
        yield localizer.detect_prepared(*localizer.open(features.only(streams), timeline), video=video.name)
        progress()
