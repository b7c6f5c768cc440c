"""Annotations and features become samples, samples become batches.

Everything random about a training sample is drawn from a generator that is seeded by (seed, epoch, video), so that it
depends neither on the order of loading, nor on the number of workers, nor on where a run was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset, Sampler

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.features import FeatureStore, StoredFeatures, resize
from rcl.data.resizing import METHODS
from rcl.data.segments import Timeline
from rcl.data.windows import window_members, window_segments, window_starts, windows_with_instances
from rcl.system.errors import InputError
from rcl.system.paths import exists, is_file


def is_pack(path: Path) -> bool:
    """Whether a folder holds features, or annotations, by the names that they have in a pack.

    Not by ``annotations.csv`` alone, which may lie beside videos.
    """
    names = ("annotations.json", "features", "features.h5", "features.hdf5", "features.npz")
    return any(exists(path / name) for name in names)


def find_annotations(pack: Path) -> Path:
    """``annotations.json`` of a pack, or its ``annotations.csv`` where there is only that."""
    table = pack / "annotations.csv"
    return table if is_file(table) and not exists(pack / "annotations.json") else pack / "annotations.json"


def find_features(pack: Path) -> Path:
    """``features/`` of a pack, or one file for all videos where there is only that."""
    archives = [pack / f"features{extension}" for extension in (".h5", ".hdf5", ".npz")]
    found = [archive for archive in archives if is_file(archive)]
    return found[0] if found and not exists(pack / "features") else pack / "features"


class Sample(NamedTuple):
    """One video or a window of one.

    ``features (C, T)``, ground truth ``segments (N, 2)`` in snippet time and ``labels (N,)`` int64.
    """

    video: str
    features: Tensor
    segments: Tensor
    labels: Tensor
    timeline: Timeline


class Batch(NamedTuple):
    """Training samples, padded.

    ``features (B, C, T)``, ``mask (B, T)`` true where a snippet exists, ``segments (B, N, 2)``, ``labels (B, N)``
    with −1 where padded, ``anchors (B, K, 2)`` and ``anchor_mask (B, K)``.
    """

    features: Tensor
    mask: Tensor
    segments: Tensor
    labels: Tensor
    anchors: Tensor
    anchor_mask: Tensor


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


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training sample.

    Args:
        noise: standard deviation of Gaussian noise on every feature.
        speed: the video is resized by a factor that is uniform in ``1 ± speed``.
    """

    noise: float = 0.0
    speed: float = 0.0

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """A changed copy of ``sample``."""
        features, segments = sample.features, sample.segments
        if self.speed:
            factor = 1 + self.speed * (2 * torch.rand((), generator=generator).item() - 1)
            snippets = max(1, round(features.shape[1] * factor))
            segments = segments * (snippets / features.shape[1])
            features = resize(features, snippets)
        if self.noise:
            features = features + self.noise * torch.randn(features.shape, generator=generator)
        return sample._replace(features=features, segments=segments)


class TrainingDataset(Dataset[tuple[Sample, Tensor]]):
    """Samples with the segments that they are trained on.

    It is indexed by ``epoch · len + index`` (see :class:`EpochBatches`), so that every epoch draws anew.

    Args:
        videos: the samples.
        augmentation: changes a sample.
        sample_anchors: ``(T, ground truth (N, 2), generator) → (K, 2)``.
        seed: of all randomness.
    """

    def __init__(
        self,
        videos: VideoDataset | WindowDataset,
        augmentation: Augmentation,
        sample_anchors: Callable[[int, Tensor, Generator], Tensor],
        *,
        seed: int,
    ) -> None:
        self.videos = videos
        self.augmentation = augmentation
        self.sample_anchors = sample_anchors
        self.seed = seed

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, ticket: int) -> tuple[Sample, Tensor]:
        """The sample and its ``(K, 2)`` anchors."""
        generator = seeded(self.seed, ticket)
        sample = self.augmentation(self.videos[ticket % len(self.videos)], generator)
        return sample, self.sample_anchors(sample.features.shape[1], sample.segments, generator)


class EpochBatches(Sampler[list[int]]):
    """Batches in a new order for every epoch, shared among ``replicas`` processes; every process gets as many samples.

    Together the processes see what one would with batches of ``batch_size · replicas``, of which each takes its share;
    only at the end of an epoch the first samples come again, where their number does not divide.

    Yields lists of ``epoch · size + index``. The training loop calls :meth:`set_epoch`.

    Args:
        lengths: T of every sample.
        batch_size: samples of a batch, of one process.
        buckets: put samples of similar lengths into a batch; see :func:`bucketed`.
        seed: of the order.
        rank: which of the processes this is.
        replicas: how many there are.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        *,
        buckets: bool = True,
        seed: int,
        rank: int = 0,
        replicas: int = 1,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.buckets = batch_size, buckets
        self.seed, self.rank, self.replicas = seed, rank, replicas
        self.epoch = 0

    @property
    def sampler(self) -> EpochBatches:
        """This one: what Lightning looks at to say which epoch it is."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self._share // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(len(self.lengths), generator=seeded(self.seed, self.epoch)).numpy()
        if self.buckets:
            order = bucketed(order, self.lengths, self.batch_size * self.replicas)
        # The first ones again, where it does not divide.
        own = np.resize(order, self._share * self.replicas)[self.rank :: self.replicas]
        for first in range(0, self._share, self.batch_size):
            yield (self.epoch * len(order) + own[first : first + self.batch_size]).tolist()

    @property
    def _share(self) -> int:
        """Samples of an epoch, of one process."""
        return -(-len(self.lengths) // self.replicas)


POOL_BATCHES = 32  # a larger pool pads hardly less, and leaves less to chance
POOLS = 4  # at least so many in an epoch: what meets in a batch has to change from epoch to epoch


def bucketed(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Rearrange the order of an epoch so that samples of similar lengths meet in a batch.

    Within pools of batches, samples are sorted by length and cut into batches. Batches keep the order of their first
    samples, and samples theirs within a batch: where all lengths are equal, the order stays as it is. So do the last
    samples, which are fewer than a batch.

    Args:
        order: indices ``(N,)``.
        lengths: of every index ``(N,)``.
        batch_size: of all processes together.

    Returns:
        ``(N,)``.
    """
    batches = len(order) // batch_size
    pool = max(1, min(POOL_BATCHES, batches // POOLS)) * batch_size
    rearranged = order.copy()
    for first in range(0, batches * batch_size, pool):
        places = np.arange(first, min(first + pool, batches * batch_size))
        places = places[np.argsort(lengths[order[places]], kind="stable")]
        rows = np.sort(places.reshape(-1, batch_size), axis=1)
        rearranged[first : first + rows.size] = order[rows[np.argsort(rows[:, 0])].ravel()]
    return rearranged


def seeded(seed: int, number: int) -> Generator:
    """A generator for the ``number``-th draw of ``seed``; neighbours are independent."""
    return Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 1) % 2**63)


def collate(items: Sequence[tuple[Sample, Tensor]]) -> Batch:
    """Pad samples and their anchors to a :class:`Batch`."""
    samples, anchors = zip(*items, strict=True)
    return Batch(
        *pad_features([sample.features for sample in samples]),
        _pad([sample.segments for sample in samples], 0.0),
        _pad([sample.labels for sample in samples], -1),
        # A padded anchor is the first snippet: any segment with a length will do.
        _pad(list(anchors), 0.0) + _padding(list(anchors))[..., None] * torch.tensor([0.0, 1.0]),
        ~_padding(list(anchors)),
    )


def pad_features(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """``B`` tensors ``(C, T_b)`` → features ``(B, C, T)``, zero where padded, and mask ``(B, T)``."""
    rows = [video.T for video in features]
    return _pad(rows, 0.0).transpose(1, 2).contiguous(), ~_padding(rows)


def _pad(tensors: list[Tensor], value: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def _padding(tensors: list[Tensor]) -> Tensor:
    counts = torch.tensor([len(tensor) for tensor in tensors])
    return torch.arange(int(counts.max()))[None] >= counts[:, None]  # (B, longest)
