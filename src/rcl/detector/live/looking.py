"""Looks: what a detector says about the features of a part so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rcl.data.detections import Detections
from rcl.detector.live.features.part_features import PartFeatures
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, without_duplicates
from rcl.detector.prepare import GivenFeatures, check_features
from rcl.models.sampling import Lattice
from rcl.system.errors import InputError, listed, located

Decide = Callable[[Detections], Detections]

LEAST_CONTEXT, MOST_CONTEXT = 10.0, 300.0  # seconds, of the default


class Look(NamedTuple):
    """What a detector says at some moment.

    ``detections``: what counts, in seconds of the part; of what ended before ``settled_before``, nothing.
    ``seconds``: how much of the part was there to look at.
    ``settled_before``: about actions that ended before this second of the part, nothing is asked any more, so nothing
    about them can change.
    """

    detections: Detections
    seconds: float
    settled_before: float


class Looking:
    """Asks a detector about the last minutes of a part, or about all of it.

    With a finite context the detector sees a window of the last ``context`` to 1.5 · ``context`` seconds. Its beginning
    stays where it is for half a context, so that answers change because more is seen, and not because the window
    moves. It then moves by half a context, and what ended in the first half context of the new window, where an action
    may be cut, is settled. So looks concern an action until its end is between half a context and one context ago.

    A detector whose training videos were all resized to one number of snippets would see a short window slowed down. It
    is shown a full context instead, in which the last snippet is repeated.

    With an infinite context the detector sees what it would see of a recording that ends now. Nothing is settled, and
    a look takes the longer the longer the part is. With ``fill=False`` a finite one gives the same up to its length.

    Args:
        localizer: the detector.
        decide: which of its detections count; see :func:`decider`.
        context_seconds: above 0, and at least twice as long as an action; by default :func:`default_context`.
        fill: whether a short window is filled up for a detector of resized videos; otherwise it is slowed down, as a
            short recording would be.

    Raises:
        InputError: the context is not above 0.
    """

    def __init__(
        self, localizer: Localizer, *, decide: Decide, context_seconds: float | None = None, fill: bool = True
    ) -> None:
        context = default_context(localizer) if context_seconds is None else context_seconds
        if not context > 0:
            raise InputError("context", expected="seconds above 0", found=f"{context:g}", fix="correct it")
        self.localizer, self.decide, self.context_seconds = localizer, decide, context
        self._fills = fill and localizer.preparation.resize is not None and math.isfinite(context)

    @property
    def keep_seconds(self) -> float:
        """How much of the latest features a look needs."""
        return 1.5 * self.context_seconds + 2.0

    def look(self, part: PartFeatures) -> Look:
        """What the detector says about a part so far. Without a snippet, it says nothing.

        Raises:
            InputError: features are not like those of training.
        """
        first = self._first(part)
        begin, seconds = first / part.snippets_per_second, part.seconds
        settled = begin + self.context_seconds / 2 if first and math.isfinite(self.context_seconds) else begin
        if part.snippets <= first:
            return Look(Detections.empty(), seconds, settled)
        found = self.decide(self._detect(part, first))
        segments = found.segments_seconds + begin
        return Look(replace(found, segments_seconds=segments)[segments[:, 1] >= settled], seconds, settled)

    def _first(self, part: PartFeatures) -> int:
        """The snippet that the window begins with."""
        half = self.context_seconds / 2
        if math.isinf(half):
            return part.first_kept
        begin = max(math.floor(part.seconds / half) - 2, 0) * half
        return max(math.ceil(begin * part.snippets_per_second), part.first_kept)

    def _detect(self, part: PartFeatures, first: int) -> Detections:
        localizer, video = self.localizer, str(part.where)
        given = self._filled(part.given(first))
        with located(video):
            check_features(given.features, localizer.in_channels, localizer.streams)
        timeline = localizer.preparation.timeline(
            len(given.features), given.snippets_per_second, end_seconds=given.end_seconds
        )
        features, timeline = localizer.open(given.features, timeline)
        return localizer.detect_prepared(features, timeline, video=video)

    def _filled(self, given: GivenFeatures) -> GivenFeatures:
        if not self._fills:
            return given
        missing = round(self.context_seconds * given.snippets_per_second) - len(given.features)
        if missing <= 0:
            return given
        features = given.features if isinstance(given.features, Tensor) else torch.from_numpy(given.features.read())
        return given._replace(features=torch.cat((features, features[-1:].expand(missing, -1))))


def default_context(localizer: Localizer) -> float:
    """Seconds of context of a window that shows a detector what it needs, and resembles the videos of its training.

    The longest training video, but no more than changes the answers: twice what the answer about the longest action
    depends on; and no less than twice the longest action, so that none is cut while it is asked about. Where nothing
    else is known, between 10 s and five minutes.
    """
    least, most = LEAST_CONTEXT, MOST_CONTEXT
    sight, anchors = localizer.model.sight, localizer.search.anchors
    if isinstance(anchors, Lattice) and localizer.snippets_per_second and not localizer.preparation.resize:
        rate = localizer.snippets_per_second / localizer.preparation.downsample
        least = max(least, 2 * anchors.longest / rate)
        if sight is not None:
            most = min(most, 2 * ((1 + sight.context) * anchors.longest + sight.radius) / rate)
    return max(min(localizer.longest_seconds or most, most), least)


def decider(
    points: OperatingPoints | None,
    *,
    labels: Collection[str],
    only: Collection[str] = (),
    min_score: float | None = None,
    checkpoint: object = "the checkpoint",
) -> Decide:
    """What decides which detections count.

    Args:
        points: the operating points of the checkpoint, which decide unless there is a ``min_score``.
        labels: of the detector; empty for one of proposals.
        only: the labels that are wanted; empty for all.
        min_score: detections from this score on count, without duplicates.
        checkpoint: for messages.

    Raises:
        InputError: there is neither, the score is not between 0 and 1, or a label is unknown.
    """
    if unknown := [label for label in only if label not in labels]:
        expected = f"labels of the detector ({listed([*labels], 20) or 'it has none'})"
        raise InputError("--only", expected=expected, found=listed(unknown), fix="correct the label")
    if min_score is not None and not 0 <= min_score <= 1:
        raise InputError("--min-score", expected="a score from 0 to 1", found=f"{min_score:g}", fix="correct it")
    if points is None and min_score is None:
        fix = "choose them with rcl calibrate CHECKPOINT PACK, or give a score with --min-score"
        raise InputError(checkpoint, expected="operating points to decide by", found="none", fix=fix)

    choose = points.decide if points and min_score is None else partial(_above, min_score or 0.0)
    return lambda detections: _of_labels(choose(detections), only)


def _above(min_score: float, detections: Detections) -> Detections:
    return without_duplicates(detections[detections.scores >= min_score])


def _of_labels(detections: Detections, only: Collection[str]) -> Detections:
    wanted = np.array([not only or label in only for label in detections.labels], dtype=bool)  # (L,)
    return detections[wanted[detections.label_index]]
