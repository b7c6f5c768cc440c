"""Training batches: random changes, anchors, order of an epoch, padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset, Sampler

from rcl.data.datasets import Sample, VideoDataset, WindowDataset
from rcl.data.resizing import resize
from rcl.data.reviewed import clipped, covered
from rcl.data.segments import length


class Batch(NamedTuple):
    """Training samples, padded.

    ``features (B, C, T)``, ``mask (B, T)`` true where a snippet exists, ``segments (B, N, 2)``, ``labels (B, N)``
    with −1 where padded, ``anchors (B, K, 2)`` and ``anchor_mask (B, K)``. ``reviewed (B, T)`` is false where somebody
    has yet to look.
    """

    features: Tensor
    mask: Tensor
    segments: Tensor
    labels: Tensor
    anchors: Tensor
    anchor_mask: Tensor
    reviewed: Tensor


@dataclass(frozen=True)
class Augmentation:
    """Random changes to a training sample.

    Args:
        noise: standard deviation of Gaussian noise on every feature.
        speed: the video is resized by a factor that is uniform in ``1 ± speed``.
        crop: of a longer video, so many snippets in a row are taken at random; ``None`` takes whole videos.
    """

    noise: float = 0.0
    speed: float = 0.0
    crop: int | None = None

    def __call__(self, sample: Sample, generator: Generator) -> Sample:
        """A changed copy of ``sample``."""
        sample = cropped(sample, self.crop, generator) if self.crop else sample
        features, segments, reviewed = sample.features, sample.segments, sample.reviewed
        if self.speed:
            factor = 1 + self.speed * (2 * torch.rand((), generator=generator).item() - 1)
            snippets = max(1, round(features.shape[1] * factor))
            segments = segments * (snippets / features.shape[1])
            reviewed = None if reviewed is None else reviewed * (snippets / features.shape[1])
            features = resize(features, snippets)
        if self.noise:
            features = features + self.noise * torch.randn(features.shape, generator=generator)
        return sample._replace(features=features, segments=segments, reviewed=reviewed)


def cropped(sample: Sample, snippets: int, generator: Generator) -> Sample:
    """A random part of ``snippets`` of a longer sample, with the instances that lie in it by more than half.

    Where only some of the sample was reviewed, the part has some of that.
    """
    room = sample.features.shape[1] - snippets
    if room <= 0:
        return sample
    reviewed = sample.reviewed
    first, last = (0, room) if reviewed is None else _starts_around(_moment_in(reviewed, generator), snippets, room)
    start = first + int(torch.randint(last - first + 1, (), generator=generator))
    inside = (sample.segments - start).clamp(0, snippets)
    kept = length(inside) > length(sample.segments) / 2
    features = sample.features[:, start : start + snippets]
    seconds = sample.timeline.start_seconds + start / sample.timeline.snippets_per_second
    timeline = sample.timeline._replace(start_seconds=seconds)
    if reviewed is not None:
        reviewed = torch.from_numpy(clipped(reviewed.numpy(), start, start + snippets) - start)
    return Sample(sample.video, features, inside[kept], sample.labels[kept], timeline, reviewed)


def _moment_in(intervals: Tensor, generator: Generator) -> float:
    """A random time in intervals ``(R, 2)``."""
    lengths = length(intervals)
    passed = float(torch.rand((), generator=generator) * lengths.sum())
    index = int((lengths.cumsum(0) <= passed).sum().clamp(max=len(intervals) - 1))
    return float(intervals[index, 0]) + passed - float(lengths[:index].sum())


def _starts_around(moment: float, snippets: int, room: int) -> tuple[int, int]:
    """The first and the last start, up to ``room``, of a part of so many snippets that holds the one of a moment."""
    own = int(moment)
    return min(max(own - snippets + 1, 0), room), min(own, room)


class TrainingDataset(Dataset[tuple[Sample, Tensor]]):
    """Samples with the anchors that they are trained on.

    The index is ``pass · len + index`` (see :class:`EpochBatches`), so that every pass draws anew.

    Args:
        videos: the samples.
        augmentation: changes a sample.
        sample_anchors: ``(T, ground truth (N, 2), generator, reviewed (R, 2) or None) → (K, 2)``.
        seed: of all random draws.
    """

    def __init__(
        self,
        videos: VideoDataset | WindowDataset,
        augmentation: Augmentation,
        sample_anchors: Callable[[int, Tensor, Generator, Tensor | None], Tensor],
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
        return sample, self.sample_anchors(sample.features.shape[1], sample.segments, generator, sample.reviewed)


class EpochBatches(Sampler[list[int]]):
    """Batches in a new order for every pass over the samples, shared equally among ``replicas`` processes.

    Together, the processes see the batches of one process with ``batch_size · replicas``. Where the number of samples
    does not divide by ``replicas``, the first ones come again at the end of the pass.

    Yields lists of ``pass · size + index``. The training loop calls :meth:`set_epoch`.

    Args:
        lengths: T of every sample.
        batch_size: samples in a batch of one process.
        buckets: put samples of similar lengths into a batch; see :func:`bucketed`.
        epoch_batches: batches of one process in an epoch; ``None``: an epoch is a pass over the samples.
        seed: of the order.
        rank: number of this process.
        replicas: number of processes.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        *,
        buckets: bool = True,
        epoch_batches: int | None = None,
        seed: int,
        rank: int = 0,
        replicas: int = 1,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.buckets, self.epoch_batches = batch_size, buckets, epoch_batches
        self.seed, self.rank, self.replicas = seed, rank, replicas
        self.epoch = 0

    @property
    def sampler(self) -> EpochBatches:
        """This sampler itself: Lightning calls ``set_epoch`` on what it finds here."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.epoch_batches or self._pass_batches

    def __iter__(self) -> Iterator[list[int]]:
        first, last = self.epoch * len(self), (self.epoch + 1) * len(self)
        for number in range(first // self._pass_batches, -(-last // self._pass_batches)):
            before = number * self._pass_batches
            yield from self._pass(number)[max(first - before, 0) : last - before]

    def _pass(self, number: int) -> list[list[int]]:
        """The batches of one pass over the samples."""
        # Not among the tickets of samples, whose draws would repeat those of the order.
        order = torch.randperm(len(self.lengths), generator=seeded(self.seed, -1 - number)).numpy()
        if self.buckets:
            order = bucketed(order, self.lengths, self.batch_size * self.replicas)
        # The first ones again, where their number does not divide.
        own = np.resize(order, self._share * self.replicas)[self.rank :: self.replicas]
        tickets = (number * len(order) + own).tolist()
        return [tickets[first : first + self.batch_size] for first in range(0, self._share, self.batch_size)]

    @property
    def _pass_batches(self) -> int:
        """Batches of one process in a pass."""
        return -(-self._share // self.batch_size)

    @property
    def _share(self) -> int:
        """Samples of one process in a pass."""
        return -(-len(self.lengths) // self.replicas)


POOL_BATCHES = 32  # larger pools hardly save padding, and mix samples less
POOLS = 4  # at least, in an epoch, so that batches change from epoch to epoch


def bucketed(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """The order of an epoch, rearranged so that samples of similar lengths share a batch.

    Within pools of batches, samples are sorted by length and cut into batches. Batches stay in the order of their first
    samples, as do samples within a batch: if all lengths are equal, the order does not change. The last samples, fewer
    than a batch, stay in place.

    Args:
        order: indices ``(N,)``.
        lengths: of every index ``(N,)``.
        batch_size: samples in a batch of all processes together.

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
    """A random generator for draw ``number`` of ``seed``, independent of those for other numbers."""
    return Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 1) % 2**63)


def collate(items: Sequence[tuple[Sample, Tensor]]) -> Batch:
    """Pad samples and their anchors to a :class:`Batch`."""
    samples, anchors = zip(*items, strict=True)
    features, mask = pad_features([sample.features for sample in samples])
    return Batch(
        features,
        mask,
        pad([sample.segments for sample in samples], 0.0),
        pad([sample.labels for sample in samples], -1),
        # Padded anchors are masked, but need a length: they are the first snippet.
        pad(list(anchors), 0.0) + padding(list(anchors))[..., None] * torch.tensor([0.0, 1.0]),
        ~padding(list(anchors)),
        pad([reviewed_snippets(sample) for sample in samples], True),
    )


def reviewed_snippets(sample: Sample) -> Tensor:
    """The snippets of a sample of which at least half was reviewed: ``(T,)`` bool."""
    count = sample.features.shape[1]
    if sample.reviewed is None:
        return torch.ones(count, dtype=torch.bool)
    edges = np.arange(count + 1, dtype=np.float64)
    cells = np.stack((edges[:-1], edges[1:]), axis=1)  # (T, 2)
    return torch.from_numpy(covered(cells, sample.reviewed.numpy()) >= 0.5)


def pad_features(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """``B`` tensors ``(C, T_b)`` → features ``(B, C, T)``, zero where padded, and mask ``(B, T)``."""
    rows = [video.T for video in features]
    return pad(rows, 0.0).transpose(1, 2).contiguous(), ~padding(rows)


def pad(tensors: list[Tensor], value: float) -> Tensor:
    """``B`` tensors ``(N_b, ...)`` → ``(B, N, ...)``, ``value`` where padded."""
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def padding(tensors: list[Tensor]) -> Tensor:
    """Where :func:`pad` pads: ``(B, N)`` bool."""
    counts = torch.tensor([len(tensor) for tensor in tensors])
    return torch.arange(int(counts.max()))[None] >= counts[:, None]  # (B, longest)
