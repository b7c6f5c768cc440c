"""Class scores of whole videos, and proposals that become labelled detections by them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rcl.data.detections import Detections
from rcl.data.feature_files import read_array
from rcl.data.formats.values import to_label
from rcl.data.names import match_names
from rcl.system.errors import Defect, InputError, Problems, counted, listed, located, shown
from rcl.system.paths import PathLike, check_is_file, to_path
from rcl.system.text_files import extension_of, read_json
from rcl.system.transfer import local

# The labels of THUMOS14 and their class ids in UCF101, which start at 1.
THUMOS14_CLASSES: Mapping[str, int] = {
    "BaseballPitch": 7,
    "BasketballDunk": 9,
    "Billiards": 12,
    "CleanAndJerk": 21,
    "CliffDiving": 22,
    "CricketBowling": 23,
    "CricketShot": 24,
    "Diving": 26,
    "FrisbeeCatch": 31,
    "GolfSwing": 33,
    "HammerThrow": 36,
    "HighJump": 40,
    "JavelinThrow": 45,
    "LongJump": 51,
    "PoleVault": 68,
    "Shotput": 79,
    "SoccerPenalty": 85,
    "TennisSwing": 92,
    "ThrowDiscus": 93,
    "VolleyballSpiking": 97,
}
UNTRIMMEDNET_SHAPE = (1574, 101)  # test videos of THUMOS14, classes of UCF101


@dataclass(frozen=True, eq=False)
class VideoScores:
    """How well each label describes each video as a whole.

    A video is found by the rules of :func:`rcl.data.names.match_names`, also with and without the prefix ``v_``,
    which only some of ActivityNet's files have.

    Args:
        videos: ``V`` video names.
        labels: ``L`` label names.
        scores: ``(V, L)`` float64.
        source: the file that this was read from, for messages.

    Raises:
        InputError: the scores have another shape or are not finite, or a name is listed twice.
    """

    videos: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    source: str = "video scores"

    def __post_init__(self) -> None:
        for names in (self.videos, self.labels):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise self._refused("every name once", f"{twice!r} twice", "remove or rename one")
        shape = (len(self.videos), len(self.labels))
        if self.scores.shape != shape:
            fix = "give one score per video and label"
            raise self._refused(f"scores of shape {shape}", f"{self.scores.shape}", fix)
        wrong = np.flatnonzero(~np.isfinite(self.scores).all(axis=1))
        if len(wrong):
            found = f"NaN or infinite values in {counted(len(wrong), 'video')}, the first {self.videos[wrong[0]]!r}"
            raise self._refused("finite numbers", found, "run the classifier again on them")

    def top(self, video: str, k: int) -> list[tuple[str, float]]:
        """The ``k`` best labels of a video, best first; of equal scores the first label.

        Raises:
            InputError: the video has no scores, or there are fewer labels than ``k``.
        """
        scores = self.scores[self.rows([video])[0]]  # (L,)
        best = self._ranks(scores, k)
        return [(self.labels[label], float(scores[label])) for label in best]

    def top_scores(self, videos: Sequence[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """The same for ``N`` videos: positions in ``labels`` ``(N, k)`` and their scores ``(N, k)``.

        Raises:
            InputError: a video has no scores, or there are fewer labels than ``k``.
        """
        scores = self.scores[self.rows(videos)]  # (N, L)
        best = self._ranks(scores, k)
        return best, np.take_along_axis(scores, best, axis=1)

    def rows(self, videos: Sequence[str]) -> np.ndarray:
        """The rows of videos in ``scores``: ``(N,)`` int64.

        Raises:
            InputError: videos have no scores, or two names mean the same; the message names them.
        """
        unknown = [video for video in videos if video not in self._positions]
        if unknown:  # a name that is found once is kept, because others may follow one by one
            match = match_names(dict.fromkeys(videos), self.videos)
            for other, names in match.doubled.items():
                found = " and ".join(map(repr, names))
                raise self._refused(f"one name for the video {other!r}", found, "write it the same everywhere")
            if match.missing:
                expected = f"scores of {counted(len(videos), 'video')}"
                fix = f"give the scores of these videos too (here: {listed(self.videos, 3) or 'no video'})"
                raise self._refused(expected, f"none of {match.describe_missing()}", fix)
            self._positions.update({name: self._positions[other] for name, other in match.pairs.items()})
        return np.array([self._positions[video] for video in videos], dtype=np.int64)

    def check_labels(self, labels: Iterable[str]) -> None:
        """Check that there are scores of these labels, such as those of the ground truth.

        Raises:
            InputError: some have no scores; the message names these and similar labels.
        """
        unknown = sorted(set(labels) - set(self.labels))
        if not unknown:
            return
        similar = {name: difflib.get_close_matches(name, self.labels, n=1) for name in unknown[:5]}  # as many as shown
        found = [repr(name) + (f" (like {match[0]!r} here)" if match else "") for name, match in similar.items()]
        found += unknown[5:]
        fix = "give both files the same names, or use scores of a classifier of these labels"
        raise self._refused("scores of every label of the annotations", f"none of {listed(found)}", fix)

    @cached_property
    def _positions(self) -> dict[str, int]:
        """The row of each name: of the videos, and of others that were found to mean one of them."""
        return {video: row for row, video in enumerate(self.videos)}

    def _ranks(self, scores: np.ndarray, k: int) -> np.ndarray:
        if not 1 <= k <= len(self.labels):
            raise self._refused(f"a number of labels per video from 1 to {len(self.labels)}", str(k), "change it")
        return np.argsort(-scores, axis=-1, kind="stable")[..., :k]

    def _refused(self, expected: str, found: str, fix: str) -> InputError:
        return InputError(self.source, expected=expected, found=found, fix=fix)


def label_detections(proposals: Detections, scores: VideoScores, *, k: int = 1) -> Detections:
    """Detections with the ``k`` best labels of the video for each proposal, scored proposal score times label score.

    This is how BMN and G-TAD become detectors (``k`` is 1 or 2 on ActivityNet, 2 on THUMOS14).

    Returns:
        ``k`` detections per proposal: by video, then higher score first, then the order of the proposals. All videos
        and all labels of ``scores`` are kept.

    Raises:
        InputError: a proposal has a label already, a video with proposals has no scores, or a score among the best is
            negative, so that a better proposal would become a worse detection.
    """
    labelled = sorted(set(proposals.labels) - {""})
    if labelled:
        found = f"the labels {listed(labelled)}"
        fix = "detect without labels (model.labels: none), or leave the video scores out"
        raise InputError("detections", expected="proposals without a label", found=found, fix=fix)
    used, position = np.unique(proposals.video_index, return_inverse=True)  # (U,), (K,)
    videos = [proposals.videos[index] for index in used]
    label, factor = scores.top_scores(videos, k)  # (U, k) both
    negative = np.flatnonzero((factor < 0).any(axis=1))
    if len(negative):
        found = f"{factor[negative[0]].min():g} among the best of video {videos[negative[0]]!r}"
        raise InputError(
            scores.source, expected="scores of at least 0", found=found, fix="apply a softmax to them first"
        )
    every = Detections(
        proposals.videos,
        np.repeat(proposals.video_index, k),
        np.repeat(proposals.segments_seconds, k, axis=0),
        scores.labels,
        label[position].ravel(),
        (proposals.scores[:, None] * factor[position]).ravel(),
    )
    return every.top(len(every))


# -- files -------------------------------------------------------------------------------------------------------


def load_video_scores(path: PathLike) -> VideoScores:
    """Read scores in one of the two public layouts, by extension.

    Raises:
        InputError: see :func:`read_cuhk_scores` (``.json``) and :func:`read_untrimmednet_scores` (``.npy``).
    """
    json = extension_of(to_path(path), (".json", ".npy")) == ".json"
    return read_cuhk_scores(path) if json else read_untrimmednet_scores(path)


def read_cuhk_scores(path: PathLike) -> VideoScores:
    """Read ``{"results": {video: [score of every class]}, "class": [names]}``.

    The layout of the CUHK scores on ActivityNet-1.3 (200 classes), whose videos are without the prefix ``v_``. Other
    classifiers write the names as ``"classes"``.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a video has fewer or more scores than there
            are classes, or scores that are not finite numbers.
    """
    path = to_path(path)
    data = read_json(path)
    results, names = data.get("results"), data.get("class", data.get("classes"))
    if not isinstance(results, dict) or not isinstance(names, list):
        expected = 'video scores {"results": {video: [scores]}, "class": [names]}'
        found = f"the keys {listed([*data]) or '(none)'}"
        raise InputError(path, expected=expected, found=found, fix="give the scores of a video classifier")
    with located(f'{path}, "class"'):
        labels = tuple(to_label(name) for name in names)
    rows, problems = list[np.ndarray](), Problems()
    for video, values in results.items():
        with problems.located(f"{path}, video {video!r}"):
            rows.append(_to_scores(values, len(labels)).astype(np.float64))
    problems.raise_first()
    scores = np.array(rows, dtype=np.float64).reshape(len(rows), len(labels))
    return VideoScores(tuple(results), labels, scores, source=str(path))


def read_untrimmednet_scores(path: PathLike) -> VideoScores:
    """Read the UntrimmedNet scores of THUMOS14 (Wang et al., CVPR 2017): ``.npy`` of 1574 × 101.

    Row ``n − 1`` is the test video with the number ``n``, column ``c − 1`` the class ``c`` of UCF101; the 20 classes of
    THUMOS14 are kept.

    Raises:
        InputError: the file is missing, damaged, of another shape, or has numbers that are not finite.
    """
    path = to_path(path)
    extension_of(path, (".npy",))
    check_is_file(path)
    with located(path):
        with local(path) as file:
            raw = read_array(file, None)
        if raw.shape != UNTRIMMEDNET_SHAPE or raw.dtype.kind not in "fiu":
            raise Defect(
                expected="numbers of shape (1574, 101): all test videos of THUMOS14 × the classes of UCF101",
                found=f"{raw.dtype} of shape {raw.shape}",
                fix="give the whole file, since a video is found by its number",
            )
    columns = np.array([*THUMOS14_CLASSES.values()]) - 1
    videos = tuple(f"video_test_{number:07d}" for number in range(1, len(raw) + 1))
    return VideoScores(videos, tuple(THUMOS14_CLASSES), raw[:, columns].astype(np.float64), source=str(path))


def _to_scores(values: Any, count: int) -> np.ndarray:
    try:
        row = np.asarray(values)
    except ValueError:  # rows of different lengths
        row = np.empty(0, dtype=object)
    if not isinstance(values, list) or row.ndim != 1 or row.dtype.kind not in "fiu":
        fix = "write one number per class"
        raise Defect(expected="a list of numbers", found=shown(values), fix=fix)
    if len(row) != count:
        fix = "write one score per class, in the order of the names"
        raise Defect(expected=f"{count} scores as there are classes", found=str(len(row)), fix=fix)
    if not np.isfinite(row).all():
        found = f"{row[~np.isfinite(row)][0]} as score {np.flatnonzero(~np.isfinite(row))[0] + 1}"
        raise Defect(expected="finite numbers", found=found, fix="run the classifier on this video again")
    return row
