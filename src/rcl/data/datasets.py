"""Annotations and features become samples, samples become batches.

Everything random about a training sample is drawn from a generator that is seeded by (seed, epoch, video), so that it
depends neither on the order of loading, nor on the number of workers, nor on where a run was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_store import FeatureStore
from rcl.data.features import StoredFeatures
from rcl.data.resizing import METHODS
from rcl.data.segments import Timeline
from rcl.data.windows import window_members, window_segments, window_starts, windows_with_instances
from rcl.system.errors import InputError


class Sample(NamedTuple):
    """One video or a window of one.

    ``features (C, T)``, ground truth ``segments (N, 2)`` in snippet time and ``labels (N,)`` int64.
    """

    video: str
    features: Tensor
    segments: Tensor
    labels: Tensor
    timeline: Timeline


class VideoDataset(Dataset[Sample]):
    """The annotated videos of a subset, one :class:`Sample` each.

    Args:
        annotations: the subset.
        store: its features.
        labels: label names; a sample holds positions in this list.
        snippets_per_second: of the features, in place of what the annotation file says.
        resize: number of snippets that every video is resized to; ``None`` keeps them.
        resize_method: see ``rcl.data.resizing``.
        scale: features are divided by this.
    """

    LENGTH_TOLERANCE = 0.1  # share by which a feature file may be longer or shorter than its video

    def __init__(
        self,
        annotations: Annotations,
        store: FeatureStore,
        labels: Sequence[str],
        *,
        snippets_per_second: float | None = None,
        resize: int | None = None,
        resize_method: str = "linear",
        scale: float = 1.0,
    ) -> None:
        self.videos = list(annotations.videos.values())
        self.store = store
        self.label_index = {label: index for index, label in enumerate(labels)}
        self.snippets_per_second = snippets_per_second
        self.resize = resize
        self.rescale = METHODS[resize_method]
        self.scale = scale

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Sample:
        """Features and ground truth of a video.

        Raises:
            InputError: see :meth:`read`.
        """
        features, timeline = self.read(index)
        return Sample(self.videos[index].name, features, *self.truth(index), timeline)

    def truth(self, index: int) -> tuple[Tensor, Tensor]:
        """Ground truth of a video, as in its sample: segments ``(N, 2)`` and labels ``(N,)``.

        Raises:
            InputError: see :meth:`timeline`.
        """
        video = self.videos[index]
        segments = self.timeline(index).to_snippets(torch.from_numpy(video.segments_seconds)).float()  # (N, 2)
        # Durations are rounded in annotation files: the last snippet, not the duration, is where the features end.
        segments = segments.clamp(0, self.snippets(index))
        labels = torch.tensor([self.label_index[label] for label in video.labels], dtype=torch.long)
        exists = segments[:, 1] > segments[:, 0]  # an instance without length cannot be sampled around
        return segments[exists], labels[exists]

    def open(self, index: int) -> tuple[StoredFeatures, Timeline]:
        """The stored features of a video, neither read nor resized nor scaled, and its timeline as in :meth:`read`.

        Raises:
            InputError: see :meth:`read`.
        """
        stored = self.store.open(self.videos[index].name)
        return stored, self._timeline(self.videos[index], stored.shape[0])

    def read(self, index: int, first: int = 0, last: int | None = None) -> tuple[Tensor, Timeline]:
        """Features ``(C, T)`` of a video, resized and scaled, and where they lie in time.

        Args:
            index: of the video.
            first: only the snippets from this one
            last: to before this one; nothing else is read where videos are not resized.

        Returns:
            The features, and the timeline of the whole video.

        Raises:
            InputError: the features cannot be used, or nobody says how many snippets make a second.
        """
        stored, timeline = self.open(index)
        if self.resize:
            features = torch.from_numpy(stored.read()).T / self.scale  # (C, T)
            return self.rescale(features, self.resize)[:, first:last].contiguous(), timeline
        return (torch.from_numpy(stored.read(first, last)).T / self.scale).contiguous(), timeline

    def timeline(self, index: int) -> Timeline:
        """Where the snippets of a video lie in time, from the header of its feature file.

        Raises:
            InputError: nobody says how many snippets make a second, or the features are of another length than that.
        """
        video = self.videos[index]
        return self._timeline(video, self.store.shape(video.name)[0])

    def snippets(self, index: int) -> int:
        """T of a video, from the header of its feature file."""
        return self.resize or self.store.shape(self.videos[index].name)[0]

    def lengths(self) -> np.ndarray:
        """T of every video ``(V,)``, from the headers of the feature files."""
        return np.array([self.snippets(index) for index in range(len(self))], dtype=np.int64)

    def uncovered(self) -> tuple[int, int, int]:
        """How many instances end more than a snippet after the features, how many are left out, how many there are."""
        index, segments = self._instances()
        snippets = self.lengths()[index]  # (I,)
        lost = np.maximum(segments[:, 0], 0) >= np.minimum(segments[:, 1], snippets)
        return int(((segments[:, 1] > snippets + 1) & ~lost).sum()), int(lost.sum()), len(segments)

    def longest(self) -> np.ndarray:
        """Length of the longest action of every video ``(V,)``, in snippets; 0 where there is none."""
        longest_seconds = [np.diff(video.segments_seconds, axis=1).max(initial=0.0) for video in self.videos]
        return np.array(longest_seconds) * self._rates()

    def instances(self) -> tuple[Tensor, Tensor]:
        """The ground truth of all videos, as :meth:`truth` has it: their videos ``(I,)`` and segments ``(I, 2)``."""
        index, segments = self._instances()
        clipped = segments.clip(0, self.lengths()[index, None]).astype(np.float32)
        exists = clipped[:, 1] > clipped[:, 0]
        return torch.from_numpy(index[exists]), torch.from_numpy(clipped[exists])

    def _instances(self) -> tuple[np.ndarray, np.ndarray]:
        """The instances of all videos as they are written: their videos ``(I,)``, and ``(I, 2)`` in snippet time."""
        counts = [len(video.segments_seconds) for video in self.videos]
        index = np.repeat(np.arange(len(self)), counts)
        seconds = np.concatenate([np.empty((0, 2)), *(video.segments_seconds for video in self.videos)])
        return index, seconds * self._rates()[index, None]

    def _rates(self) -> np.ndarray:
        return np.array([self.timeline(index).snippets_per_second for index in range(len(self))])

    def _timeline(self, video: VideoAnnotation, snippets: int) -> Timeline:
        duration = video.duration_seconds
        rate = self.snippets_per_second or video.snippets_per_second
        if self.resize:
            duration = duration or (snippets / rate if rate else None)
            rate = self.resize / duration if duration else None
        elif not rate and duration:
            rate = snippets / duration
        if not rate:
            raise InputError(
                f"video {video.name!r}",
                expected="its snippets per second or its duration",
                found="neither in the annotation file",
                fix="add 'fps' or 'duration' to the annotations, or set data.snippets_per_second",
            )
        if not math.isfinite(rate):
            fix = "correct the duration in the annotations"
            found = f"{duration:g} s for {snippets} snippets"
            raise InputError(f"video {video.name!r}", expected="the duration of its features", found=found, fix=fix)
        if duration and not self.resize:
            self._check_length(video.name, snippets, rate, duration)
        return Timeline(rate, end_seconds=duration or math.inf)

    def _check_length(self, name: str, snippets: int, rate: float, duration: float) -> None:
        # A file whose 'fps' is the rate of the video's frames would put every action at a wrong time, silently.
        if abs(snippets - rate * duration) > max(self.LENGTH_TOLERANCE * rate * duration, 2 * max(rate, 1.0)):
            raise InputError(
                f"video {name!r}",
                expected=f"about {rate * duration:.0f} snippets ({duration:g} s at {rate:g} snippets per second)",
                found=f"{snippets} in its feature file",
                fix="give the rate of the features: correct 'fps' in the annotations, or set data.snippets_per_second "
                "(in detect: --snippets-per-second)",
            )


class WindowDataset(Dataset[Sample]):
    """The windows of videos that hold an instance, one :class:`Sample` each; see ``rcl.data.windows``.

    A video that is shorter than a window is a sample as it is.

    Args:
        videos: where the windows are cut from.
        window: T.
        stride: from one window to the next, in snippets; half a window where it is ``None``.
        minimum_share: an instance belongs to a window if more than this share of it lies inside.

    Raises:
        InputError: see :meth:`VideoDataset.timeline`.
    """

    def __init__(
        self, videos: VideoDataset, window: int, *, stride: int | None = None, minimum_share: float = 0.75
    ) -> None:
        self.videos = videos
        self.window = window
        self.minimum_share = minimum_share
        lengths = videos.lengths()
        starts = {snippets: window_starts(snippets, window, stride) for snippets in set(lengths.tolist())}
        own = [starts[snippets] for snippets in lengths.tolist()]
        video, segments = videos.instances()
        holds, held = windows_with_instances(segments, video, own, window, minimum_share=minimum_share)
        number = torch.arange(len(own)).repeat_interleave(torch.tensor([len(part) for part in own]))
        # Of each window its video and its start.
        self.places = list(zip(number[holds].tolist(), torch.cat(own)[holds].tolist(), strict=True))
        self.instances = len(segments)
        self.left_out = int((~held).sum())  # instances that belong to no window

    def __len__(self) -> int:
        return len(self.places)

    def lengths(self) -> np.ndarray:
        """T of every window: ``window``, or less where the video is shorter."""
        videos = [video for video, _ in self.places]
        return np.minimum(self.videos.lengths()[videos], self.window)

    def __getitem__(self, index: int) -> Sample:
        """A window: its features, its instances, cut off at its ends, and where it lies in time.

        Raises:
            InputError: see :meth:`VideoDataset.read`.
        """
        video, start = self.places[index]
        features, timeline = self.videos.read(video, start, start + self.window)
        segments, labels = self.videos.truth(video)
        at = torch.tensor([start])
        (members,) = window_members(segments, at, self.window, minimum_share=self.minimum_share)  # (N,)
        return Sample(
            self.videos.videos[video].name,
            features,
            window_segments(segments, at, self.window)[0, members],
            labels[members],
            timeline._replace(start_seconds=start / timeline.snippets_per_second),
        )
