"""Pictures of a part of a source become features so far, which are those that ``rcl detect`` makes of its recording."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from rcl.data.streams import DIGITS, AlignedFeatures, Stream, TimedFeatures
from rcl.detector.live.features.growing_features import GrowingFeatures
from rcl.detector.live.features.part_file import PartFacts, StreamFacts, read_part
from rcl.detector.live.sources.parts import Picture
from rcl.detector.prepare import GivenFeatures
from rcl.system.errors import InputError
from rcl.video.composed import ComposedExtractor
from rcl.video.extraction import VideoExtractor
from rcl.video.extractor import Extractor

log = logging.getLogger("rcl")

PART = "part.json"
ONLY = "features"  # the name of a single stream
RETRY_SECONDS = 10.0  # of the part, after the folder could not be written


class PartFeatures:
    """The features of a part, stream by stream, while its pictures come.

    With a ``folder``, they are also in files there, ``STREAM.f32``, beside a ``part.json``. After a kill,
    :meth:`resume` goes on with them. If the folder cannot be written, this is said once, the work goes on in memory,
    and it is tried again later.

    Args:
        extractor: of the detector.
        streams: those of the detector; see ``Localizer.streams``.
        where: the source, for messages.
        number: of the part.
        started_at: the Unix time of its second 0.
        keep_seconds: so much of the latest features stays in memory and in the files; infinite for all.
        folder: for this part alone; what is there of an earlier part is replaced.

    Attributes:
        snippets_per_second: of the features of all streams together.
        end_seconds: the length of the part, once it has ended.

    Raises:
        InputError: the detector has no extractor or no stream that is made from video, or a backbone cannot be built.
    """

    def __init__(
        self,
        extractor: Extractor | None,
        streams: Sequence[Stream] = (),
        *,
        where: object = "the source",
        number: int = 0,
        started_at: float = 0.0,
        keep_seconds: float = math.inf,
        folder: Path | None = None,
    ) -> None:
        extractors = video_extractors(extractor, where)
        self.where, self.number, self.started_at, self.folder = where, number, started_at, folder
        self.end_seconds: float | None = None
        self._known_streams = tuple(streams)
        self._growing = {
            name: GrowingFeatures(own, where=where, keep_seconds=keep_seconds) for name, own in extractors.items()
        }
        usual = [stream.snippets_per_second for stream in streams if stream.name not in extractors]
        rates = [own.rate for own in self._growing.values()]
        self.snippets_per_second = max([*rates, *(rate for rate in usual if rate)])
        self._pushed_until: float | None = None  # since the beginning or resuming
        self._whole = dict[str, int]()  # snippets whose windows lie before the end of the part, if there are others
        self._written: PartFacts | None = None
        self._retry_at = -math.inf  # in seconds of the part
        if folder:
            for name, own in self._growing.items():
                own.keep_in(folder / f"{name}.f32")
            self._save()

    @classmethod
    def resume(
        cls,
        folder: Path,
        extractor: Extractor | None,
        streams: Sequence[Stream] = (),
        *,
        where: object = "the source",
        keep_seconds: float = math.inf,
    ) -> PartFeatures:
        """The features of a part that an earlier process has left in a folder.

        Then either :meth:`push` its pictures again, from the first one on, which computes what is not there yet; or
        :meth:`finish`, which ends it with what is there.

        Raises:
            InputError: the folder holds no such features, or those of another detector; or as of the class.
        """
        facts = read_part(folder / PART, video_extractors(extractor, where))
        part = cls(
            extractor,
            streams,
            where=where,
            number=facts.number,
            started_at=facts.started_at,
            keep_seconds=keep_seconds,
        )
        for name, own in part._growing.items():
            own.resume_from(folder / f"{name}.f32")
        part.folder, part._written, part.end_seconds = folder, facts, facts.end_seconds
        part._whole = {name: own.whole for name, own in facts.streams.items() if own.whole is not None}
        return part

    @property
    def seconds(self) -> float:
        """How much of the part the features of all its streams cover."""
        if self.end_seconds is not None:
            return self.end_seconds
        return min(own.seconds for own in self._growing.values())

    @property
    def snippets(self) -> int:
        """Number of snippets at the common rate so far: those whose centres all streams cover; at the end, any."""
        ends = [own.seconds for own in self._growing.values()]
        end = max(ends) if self._whole else min(ends)
        return max(math.ceil(round(end * self.snippets_per_second - 0.5, DIGITS)), int(end > 0))

    @property
    def first_kept(self) -> int:
        """The first snippet at the common rate whose features are still there."""
        begins = [own.rows.first / own.rate for own in self._growing.values() if own.rows.first]
        return math.ceil(max(begins) * self.snippets_per_second) + 1 if begins else 0

    @property
    def snippets_held(self) -> int:
        """Number of snippets of all streams that were not computed because their frames were dropped."""
        return sum(own.held for own in self._growing.values())

    @property
    def nbytes(self) -> int:
        """Bytes of features in memory."""
        return sum(own.rows.nbytes for own in self._growing.values())

    def push(self, picture: Picture) -> None:
        """Take the next picture of the part; after :meth:`resume`, the first one of all.

        Raises:
            InputError: features are not finite, or a backbone does not take the picture.
        """
        if self.end_seconds is not None:
            self._reopen()
        self._pushed_until = float(picture.until)
        for own in self._growing.values():
            own.push(picture)
        if self._pushed_until >= self._retry_at:
            self._save()

    def finish(self) -> None:
        """End the part: its last snippets, whose windows reach beyond its end, are added.

        If no picture was pushed since :meth:`resume`, it ends with what is there.

        Raises:
            InputError: see :meth:`push`.
        """
        if self.end_seconds is not None:
            return
        if self._pushed_until is None:
            self.end_seconds = self.seconds
        else:
            self._whole = {name: own.rows.count for name, own in self._growing.items()}
            self.end_seconds = self._pushed_until
            self._save()  # which snippets are whole is written before the others
            for own in self._growing.values():
                own.finish()
        self._save()

    def given(self, first: int = 0) -> GivenFeatures:
        """The features from a snippet at the common rate on, as the detector takes them; valid until the next push.

        Args:
            first: at least :attr:`first_kept`, and before :attr:`snippets`.
        """
        begin, rate = first / self.snippets_per_second, self.snippets_per_second
        end = self.seconds - begin
        if not self._known_streams:
            (own,) = self._growing.values()
            return GivenFeatures(torch.from_numpy(own.rows.rows(first)), rate, end)
        parts = {name: _timed(own, begin) for name, own in self._growing.items() if own.rows.count}
        aligned = AlignedFeatures(parts, self._known_streams, where=str(self.where))
        if self._whole:
            return GivenFeatures(aligned, rate, end)
        there = aligned.read(0, self.snippets - first)  # some streams reach further than others
        return GivenFeatures(torch.from_numpy(there), rate, end)

    def _reopen(self) -> None:
        """Go on after an end that was none, from the first picture on: forget the snippets that reach beyond it."""
        for name, own in self._growing.items():
            own.rows.cut(self._whole.get(name, own.rows.count))
            own.restart()
        self.end_seconds, self._whole = None, {}

    def _save(self) -> None:
        """Bring the files up to date, or say once that this is not possible."""
        if not self.folder:
            return
        try:
            if self.end_seconds is not None:
                self._write_facts(self.folder)
            for own in self._growing.values():
                own.save()
            self._write_facts(self.folder)
        except (OSError, InputError) as error:
            if self._retry_at == -math.inf:
                log.warning("%s; the features of %s are in memory alone until it can be written", error, self.where)
            self._retry_at = (self._pushed_until or 0.0) + RETRY_SECONDS
        else:
            self._retry_at = -math.inf

    def _write_facts(self, folder: Path) -> None:
        streams = {
            name: StreamFacts(
                channels=own.rows.channels,
                snippets_per_second=own.rate,
                settings=own.settings.model_dump(mode="json"),
                whole=self._whole.get(name),
            )
            for name, own in self._growing.items()
        }
        facts = PartFacts(number=self.number, started_at=self.started_at, streams=streams, end_seconds=self.end_seconds)
        if facts != self._written:
            facts.write(folder / PART)
            self._written = facts


def video_extractors(extractor: Extractor | None, where: object) -> dict[str, VideoExtractor]:
    """The extractors of a detector that turn video into features, by stream; a single one is called ``features``.

    Raises:
        InputError: there is none.
    """
    if extractor is None:
        raise InputError(
            where,
            expected="a detector that knows how the features of its training were made",
            found="a checkpoint without extraction settings",
            fix="extract the features of training with rcl extract, and train on them",
        )
    if isinstance(extractor, ComposedExtractor):
        return extractor.from_video(where)
    if not isinstance(extractor, VideoExtractor):
        expected, fix = f"a {extractor.settings.kind}, which the detector takes", "use a detector of videos"
        raise InputError(where, expected=expected, found="a video", fix=fix)
    return {ONLY: extractor}


def _timed(own: GrowingFeatures, begin_seconds: float) -> TimedFeatures:
    """The features of a stream from some second on, and one row before it, for the interpolation; at least its last."""
    first = max(min(math.floor(begin_seconds * own.rate), own.rows.count) - 1, own.rows.first)
    return TimedFeatures(own.rows.rows(first), own.rate, first / own.rate - begin_seconds)
