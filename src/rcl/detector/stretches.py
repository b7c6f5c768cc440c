"""Where labels are worth most: stretches of videos, ranked by what they probably bring to the next training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.detector.coverage import Coverage
from rcl.detector.moments import Candidate
from rcl.detector.reasons import AT_RANDOM, Reasons
from rcl.detector.survey import Survey, survey

__all__ = ["Candidate", "Stretch", "rank_stretches", "stretch_seconds"]

INSTANCES = 5  # of the usual length, in a stretch: the ends of a stretch cost more the shorter it is
SHORTEST_SECONDS, LONGEST_SECONDS = 5.0, 300.0
FIRST_SECONDS = 20.0  # as long as nothing is labelled
MOMENTS = 6  # in a stretch
LEAST_UNCERTAINTY = 2**-10  # a detector that finds nothing may be wrong: what differs is still worth more than the same
NAMED_FROM = 0.1  # expected instances: with fewer, a label is no reason
OPENING = 0.25  # of the length of a stretch: what looking anywhere costs, however short it is


class Stretch(NamedTuple):
    """A part of a video that somebody should look at.

    Args:
        video: its name.
        start_seconds: in the video.
        end_seconds: in the video.
        gain: for the time that labelling it probably takes, in [0, 1], relative to the best of the ranking.
        reason: for the user, one sentence.
    """

    video: str
    start_seconds: float
    end_seconds: float
    gain: float
    reason: str


def stretch_seconds(labelled: Annotations) -> float:
    """The usual length of a stretch: a few instances of the median length, within bounds.

    >>> stretch_seconds(Annotations({}))
    20.0
    """
    every = [np.diff(video.segments_seconds, axis=1).ravel() for video in labelled.videos.values()]
    lengths = np.concatenate([np.zeros(0), *every])
    if not len(lengths):
        return FIRST_SECONDS
    return float(np.clip(INSTANCES * np.median(lengths), SHORTEST_SECONDS, LONGEST_SECONDS))


def rank_stretches(
    videos: Iterable[Candidate],
    labelled: Annotations,
    *,
    count: int,
    length_seconds: float | None = None,
    random_share: float = 0.25,
    corrected: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[Stretch]:
    """Choose stretches one after the other, each with the largest gain for its time after those before it.

    The gain of a stretch is the mean of two: how many instances a detector expects there, each worth the less the more
    of its label are labelled (the logarithm of their number) and the fewer proposals of its label were corrected; and
    what it covers of the open moments (:mod:`rcl.detector.coverage`), weighted by how uncertain the detector is about
    them, where its "no action" is never certain. Its time includes what instances that cross its ends probably add.
    Some stretches are chosen at random, so that the ranking cannot fool itself.

    Args:
        videos: where to look; all of them are read.
        labelled: what is labelled so far. Nothing was reviewed of a video that is not in it.
        count: of stretches, at most.
        length_seconds: of a stretch, by default :func:`stretch_seconds`; the rest of a part may be shorter.
        random_share: of the stretches.
        corrected: label to share of its proposals that were corrected, in [0, 1]; see
            :func:`rcl.detector.corrections.corrected_shares`. Labels that are missing count as 0.5.
        seed: decides about the random stretches.

    Returns:
        Stretches that neither overlap each other nor what was reviewed; none if everything was.

    Raises:
        InputError: features cannot be read, or have different widths.
    """
    length = length_seconds or stretch_seconds(labelled)
    known = survey(videos, labelled, length / MOMENTS)
    stretches = _stretches(known, length)  # (S, 2)
    if not len(stretches) or count < 1:
        return []
    random = np.random.default_rng(seed)
    at_random = _places(count, random_share, random)
    ranking = _Ranking(known, stretches, length, _Values.of(known, labelled, corrected or {}), seed)
    found = list[tuple[int, float, str]]()
    while len(found) < count and ranking.is_free.any():
        found.append(ranking.next(random if at_random[len(found)] else None))
    most = max(max(gain for _, gain, _ in found), 1e-12)
    return [Stretch(*known.interval(*stretches[row]), gain / most, reason) for row, gain, reason in found]


def _places(count: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Which of ``count`` places are random ones: evenly spread, the first by chance; ``(count,)`` bool."""
    steps = np.floor(random.uniform() + share * np.arange(count + 1))
    return np.diff(steps) > 0


def _stretches(known: Survey, length_seconds: float) -> np.ndarray:
    """All stretches of about one length in what is open, ``(S, 2)`` moments; of a shorter part, the whole of it."""
    part, is_open = known.part, known.is_open
    size = max(round(length_seconds / known.moment_seconds), 1)
    first = np.arange(len(part))
    end_of_part = np.searchsorted(part, part, side="right")
    begin_of_part = np.searchsorted(part, part, side="left")
    last = np.minimum(first + size, end_of_part)
    whole = (last - first == size) | (first == begin_of_part)
    seconds = known.seconds[last - 1, 1] - known.seconds[first, 0]
    begins = np.unique(part, return_index=True)[1]
    is_whole_video = np.bincount(known.video[begins])[known.video] == 1 if len(part) else is_open  # (N,)
    # What users leave between stretches is no work; a short video of which nothing was reviewed is.
    rows = is_open & whole & ((seconds >= length_seconds / MOMENTS / 2) | is_whole_video)
    return np.stack((first[rows], last[rows]), axis=1)


class _Values(NamedTuple):
    """Of ``L`` labels: how many instances are labelled ``(L,)``, and the share of corrected proposals ``(L,)``."""

    counts: np.ndarray
    corrected: np.ndarray

    @classmethod
    def of(cls, known: Survey, labelled: Annotations, corrected: Mapping[str, float]) -> _Values:
        counts = Counter(label for video in labelled.videos.values() for label in video.labels)
        shares = [corrected.get(label, 0.5) for label in known.labels]
        return cls(np.array([float(counts[label]) for label in known.labels]), np.array(shares, dtype=float))


class _Ranking:
    """The stretches that are still free, and what has been chosen."""

    def __init__(self, known: Survey, stretches: np.ndarray, length: float, values: _Values, seed: int) -> None:
        self.known, self.stretches, self.values = known, stretches, values
        self.is_free = np.ones(len(stretches), dtype=bool)
        weights = np.maximum(known.weights, LEAST_UNCERTAINTY)  # (N,)
        self.coverage = Coverage(known.features, known.is_open, weights, stretches, seed)
        self.instances = known.sums(known.instances, stretches)  # (S, L)
        self.chosen = np.zeros(len(known.labels))  # instances, expected in what was chosen
        self.seconds = known.seconds_to_label(stretches, most=length) + OPENING * length  # (S,)
        parts = self._of_labels().sum(axis=1), self.coverage.gains()
        self.scales = [max(float((part / self.seconds).max()), 1e-12) for part in parts]
        self.reasons = Reasons(known, values.counts, values.corrected)

    def next(self, random: np.random.Generator | None) -> tuple[int, float, str]:
        """Choose the best stretch, or one at random, and return its row, its gain and the reason."""
        by_label, covering = self._of_labels(), self.coverage.gains()
        gains = [by_label.sum(axis=1) / self.scales[0], covering / self.scales[1]]
        gain = np.where(self.is_free, (gains[0] + gains[1]) / self.seconds, -1.0)  # (S,)
        row = int(gain.argmax() if random is None else random.choice(np.flatnonzero(self.is_free)))
        first, last = self.stretches[row]
        worth = np.where(self.instances[row] >= NAMED_FROM, by_label[row], 0.0)  # (L,)
        reason = self.reasons.of(slice(first, last), worth, for_labels=gains[0][row] >= 0.999 * gains[1][row])
        self.is_free &= (self.stretches[:, 1] <= first) | (self.stretches[:, 0] >= last)
        self.coverage.choose(row)
        self.chosen += self.instances[row]
        return row, float(gain[row]), reason if random is None else AT_RANDOM

    def _of_labels(self) -> np.ndarray:
        """What the expected instances of each label are worth: ``(S, L)``."""
        before = 1 + self.values.counts + self.chosen  # (L,)
        return np.asarray(self.values.corrected * np.log1p(self.instances / before))
