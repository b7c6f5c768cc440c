"""Videos and windows of videos as training samples."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.features import ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.reviewed import clipped
from rcl.data.stores import Store, stored_timeline
from rcl.data.timeline import Timeline
from rcl.data.windows import window_members, window_segments, window_starts, windows_with_instances


class Sample(NamedTuple):
    """A video or a window of one.

    ``features (C, T)``, ground truth ``segments (N, 2)`` in snippet time and ``labels (N,)`` int64. ``reviewed (R, 2)``
    float64 is what was looked at, in snippet time, sorted and disjoint; ``None`` for all of it.
    """

    video: str
    features: Tensor
    segments: Tensor
    labels: Tensor
    timeline: Timeline
    reviewed: Tensor | None = None


class VideoDataset(Dataset[Sample]):
    """The annotated videos of a subset, one :class:`Sample` each.

    Args:
        annotations: the subset.
        store: its features. The rates of several streams, where they are not stated, follow from these annotations.
        labels: label names; a sample holds positions in this list.
        preparation: what is done to the features.
    """

    def __init__(
        self,
        annotations: Annotations,
        store: Store,
        labels: Sequence[str],
        preparation: Preparation | None = None,
    ) -> None:
        self.videos = list(annotations.videos.values())
        self.store: Store = store.timed(annotations)
        self.label_index = {label: index for index, label in enumerate(labels)}
        self.preparation = preparation or Preparation()

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Sample:
        """Features and ground truth of a video.

        Raises:
            InputError: see :meth:`read`.
        """
        features, timeline = self.read(index)
        return Sample(self.videos[index].name, features, *self.truth(index), timeline, self.reviewed(index))

    def truth(self, index: int) -> tuple[Tensor, Tensor]:
        """Ground truth of a video: segments ``(N, 2)`` in snippet time and labels ``(N,)``.

        Raises:
            InputError: see :meth:`timeline`.
        """
        video = self.videos[index]
        segments = self.timeline(index).to_snippets(torch.from_numpy(video.segments_seconds)).float()  # (N, 2)
        # Annotation files round durations, so clip to the end of the features.
        segments = segments.clamp(0, self.snippets(index))
        labels = torch.tensor([self.label_index[label] for label in video.labels], dtype=torch.long)
        exists = segments[:, 1] > segments[:, 0]  # nothing can be sampled around an instance without length
        return segments[exists], labels[exists]

    def reviewed(self, index: int) -> Tensor | None:
        """What was looked at in a video, in snippet time ``(R, 2)``; ``None`` for all of it.

        Raises:
            InputError: see :meth:`timeline`.
        """
        intervals = self.videos[index].reviewed_seconds
        if intervals is None:
            return None
        inside = self.timeline(index).to_snippets(torch.from_numpy(intervals)).numpy()
        return torch.from_numpy(clipped(inside, 0.0, self.snippets(index)))

    def where_reviewed(self) -> VideoDataset:
        """The same videos without those of which nothing was looked at."""
        chosen = copy(self)
        chosen.videos = [
            video for index, video in enumerate(self.videos) if (own := self.reviewed(index)) is None or len(own)
        ]
        return chosen

    def open(self, index: int) -> tuple[ReadableFeatures, Timeline]:
        """The stored features of a video, not yet read, and its timeline as in :meth:`read`.

        Raises:
            InputError: see :meth:`read`.
        """
        stored = self.store.open(self.videos[index].name)
        return stored, self._timeline(self.videos[index], stored.shape)

    def read(self, index: int, first: int = 0, last: int | None = None) -> tuple[Tensor, Timeline]:
        """Prepared features ``(C, T)`` of a video, and its timeline.

        Args:
            index: of the video.
            first: first snippet to return.
            last: snippet to stop before. Without resizing, only the snippets between the two are read.

        Returns:
            The features, and the timeline of the whole video.

        Raises:
            InputError: the features cannot be used; or see :meth:`timeline`.
        """
        stored, timeline = self.open(index)
        return self.preparation.read(stored, first, last), timeline

    def timeline(self, index: int) -> Timeline:
        """Timeline of a video, from its annotations and the header of its feature file.

        Raises:
            InputError: the rate of the features is unknown, or contradicts their number.
        """
        video = self.videos[index]
        return self._timeline(video, self.store.shape(video.name))

    def snippets(self, index: int) -> int:
        """T of a video, from the header of its feature file."""
        return self.preparation.snippets(self.store.shape(self.videos[index].name)[0])

    def lengths(self) -> np.ndarray:
        """T of every video ``(V,)``, from the headers of the feature files."""
        return np.array([self.snippets(index) for index in range(len(self))], dtype=np.int64)

    def uncovered(self) -> tuple[int, int, int]:
        """Numbers of instances: those that end more than a snippet after the features, those left out, and all."""
        index, segments = self._instances()
        snippets = self.lengths()[index]  # (I,)
        lost = np.maximum(segments[:, 0], 0) >= np.minimum(segments[:, 1], snippets)
        return int(((segments[:, 1] > snippets + 1) & ~lost).sum()), int(lost.sum()), len(segments)

    def longest(self) -> np.ndarray:
        """Length of the longest action of every video ``(V,)``, in snippets; 0 for a video without actions."""
        longest_seconds = [np.diff(video.segments_seconds, axis=1).max(initial=0.0) for video in self.videos]
        return np.array(longest_seconds) * self._rates()

    def instances(self) -> tuple[Tensor, Tensor]:
        """The ground truth of all videos, as in :meth:`truth`: index of the video ``(I,)``, segments ``(I, 2)``."""
        index, segments = self._instances()
        clipped = segments.clip(0, self.lengths()[index, None]).astype(np.float32)
        exists = clipped[:, 1] > clipped[:, 0]
        return torch.from_numpy(index[exists]), torch.from_numpy(clipped[exists])

    def _instances(self) -> tuple[np.ndarray, np.ndarray]:
        """All instances, not clipped: index of the video ``(I,)``, segments ``(I, 2)`` in snippet time."""
        counts = [len(video.segments_seconds) for video in self.videos]
        index = np.repeat(np.arange(len(self)), counts)
        seconds = np.concatenate([np.empty((0, 2)), *(video.segments_seconds for video in self.videos)])
        return index, seconds * self._rates()[index, None]

    def _rates(self) -> np.ndarray:
        return np.array([self.timeline(index).snippets_per_second for index in range(len(self))])

    def _timeline(self, video: VideoAnnotation, shape: tuple[int, int]) -> Timeline:
        return stored_timeline(video, shape, self.store, self.preparation)


class WindowDataset(Dataset[Sample]):
    """Sliding windows that contain an instance, one :class:`Sample` each; see ``rcl.data.windows``.

    A video shorter than a window is one sample.

    Args:
        videos: the videos to cut.
        window: length of a window in snippets, T.
        stride: from one window to the next, in snippets; by default half a window.
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
        self.places = list(zip(number[holds].tolist(), torch.cat(own)[holds].tolist(), strict=True))  # (video, start)
        self.instances = len(segments)
        self.left_out = int((~held).sum())  # instances in no window

    def __len__(self) -> int:
        return len(self.places)

    def lengths(self) -> np.ndarray:
        """T of every window: ``window``, or the length of a shorter video."""
        videos = [video for video, _ in self.places]
        return np.minimum(self.videos.lengths()[videos], self.window)

    def __getitem__(self, index: int) -> Sample:
        """A window: its features, its instances clipped to it, and its timeline.

        Raises:
            InputError: see :meth:`VideoDataset.read`.
        """
        video, start = self.places[index]
        features, timeline = self.videos.read(video, start, start + self.window)
        segments, labels = self.videos.truth(video)
        at = torch.tensor([start])
        reviewed = self.videos.reviewed(video)
        if reviewed is not None:
            reviewed = torch.from_numpy(clipped(reviewed.numpy(), start, start + self.window) - start)
        (members,) = window_members(segments, at, self.window, minimum_share=self.minimum_share)  # (N,)
        return Sample(
            self.videos.videos[video].name,
            features,
            window_segments(segments, at, self.window)[0, members],
            labels[members],
            timeline._replace(start_seconds=start / timeline.snippets_per_second),
            reviewed,
        )
