"""Pictures of a part of a source become features so far, which are those that ``rcl detect`` makes of its recording."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rcl.data.streams import DIGITS, AlignedFeatures, Stream, TimedFeatures
from rcl.detector.live.growing import GrowingFeatures
from rcl.detector.live.parts import Picture
from rcl.detector.prepare import GivenFeatures
from rcl.system.errors import InputError, listed
from rcl.system.text_files import read_json, write_json
from rcl.video.composed import ComposedExtractor
from rcl.video.extraction import VideoExtractor
from rcl.video.extractor import Extractor
from rcl.video.settings import difference, parse_settings

log = logging.getLogger("rcl")

PART = "part.json"
FORMAT = 1
ONLY = "features"  # the name of a single stream
RETRY_SECONDS = 10.0  # of the part, after the folder could not be written


class PartFeatures:
    """The features of a part, stream by stream, while its pictures come.

    With a ``folder``, they are also in files, one per stream, from which :meth:`resume` goes on after a kill. If the
    folder cannot be written, this is said once, the work goes on in memory, and it is tried again later.

    Args:
        extractor: of the detector; ``None`` raises.
        streams: those of the detector; see ``Localizer.streams``.
        where: the source, for messages.
        number: of the part.
        started_at: the Unix time of second 0.
        keep_seconds: so much of the latest features stays in memory and in the files; infinite for all.
        folder: of the part alone.

    Attributes:
        snippets_per_second: of the features of all streams together.
        end_seconds: the length of the part, once it has ended.

    Raises:
        InputError: no stream is made from video, it is unknown how, or a backbone cannot be built.
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
        self.where, self.number, self.started_at = where, number, started_at
        self.folder: Path | None = None
        self.end_seconds: float | None = None
        self._known_streams = tuple(streams)
        self._growing = {
            name: GrowingFeatures(own, where=where, keep_seconds=keep_seconds) for name, own in extractors.items()
        }
        usual = [stream.snippets_per_second for stream in streams if stream.name not in extractors]
        rates = [own.rate for own in self._growing.values()]
        self.snippets_per_second = max([*rates, *(rate for rate in usual if rate)])
        self._whole = dict[str, int]()  # of an ended part: number of snippets whose windows lie before its end
        self._pushed_until: float | None = None  # since the beginning or resuming
        self._retry_at = -math.inf
        self._written: dict[str, Any] | None = None
        if folder:
            self._keep_in(folder)

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

        Then either its pictures are pushed again from the first one on, which computes what is not there yet; or
        :meth:`finish` ends it with what is there.

        Raises:
            InputError: the folder holds no such features, or those of another detector.
        """
        kept = _read_part(folder / PART, extractor)
        own = {"number": kept["number"], "started_at": kept["started_at"]}
        part = cls(extractor, streams, where=where, keep_seconds=keep_seconds, **own)
        for name, growing in part._growing.items():
            growing.resume_from(folder / f"{name}.f32")
        part.folder, part._written = folder, kept
        part.end_seconds, part._whole = kept["end_seconds"], kept["whole"]
        return part

    @property
    def seconds(self) -> float:
        """How much of the part the features of all its streams cover."""
        if self.end_seconds is not None:
            return self.end_seconds
        return min(own.seconds for own in self._growing.values())

    @property
    def snippets(self) -> int:
        """Number of snippets at the common rate so far."""
        # Of a part that goes on, those whose centres all streams cover.
        ends = [own.seconds for own in self._growing.values()]
        end = min(ends) if self.end_seconds is None else max(ends)
        return max(math.ceil(round(end * self.snippets_per_second - 0.5, DIGITS)), int(end > 0))

    @property
    def first_kept(self) -> int:
        """The first snippet at the common rate whose features are still there."""
        first = [own.rows.first / own.rate for own in self._growing.values() if own.rows.first]
        return math.ceil(max(first) * self.snippets_per_second) + 1 if first else 0

    @property
    def snippets_held(self) -> int:
        """Number of snippets of all streams that were not computed because their frames were dropped."""
        return sum(own.held for own in self._growing.values())

    @property
    def nbytes(self) -> int:
        """Bytes of features in memory."""
        return sum(own.rows.nbytes for own in self._growing.values())

    def push(self, picture: Picture) -> None:
        """Take the next picture of the part, the first of all after :meth:`resume`.

        Raises:
            InputError: features are not finite, or a backbone does not take the picture.
        """
        if self.end_seconds is not None:
            self._reopen()
        self._pushed_until = float(picture.until)
        for own in self._growing.values():
            own.push(picture)
        self._save()

    def finish(self) -> None:
        """End the part: its last snippets, whose windows reach beyond its end, are added.

        If no picture was pushed since :meth:`resume`, it ends with what is there.

        Raises:
            InputError: see :meth:`push`.
        """
        if self.end_seconds is not None:
            return
        self._whole = {name: own.rows.count for name, own in self._growing.items()}
        self.end_seconds = self.seconds if self._pushed_until is None else self._pushed_until
        self._save(at_once=True)  # which snippets are whole is written before the others
        if self._pushed_until is not None:
            for own in self._growing.values():
                own.finish()
            self._save(at_once=True)

    def given(self, first: int = 0) -> GivenFeatures:
        """The features from a snippet at the common rate on, as the detector takes them; valid until the next push.

        Args:
            first: at least :attr:`first_kept`, and before :attr:`snippets`.
        """
        begin = first / self.snippets_per_second
        end = self.seconds - begin
        if not self._known_streams:
            (own,) = self._growing.values()
            return GivenFeatures(torch.from_numpy(own.rows.rows(first)), self.snippets_per_second, end)
        parts = {name: self._timed(own, begin) for name, own in self._growing.items()}
        aligned = AlignedFeatures(parts, self._known_streams, where=str(self.where))
        if self.end_seconds is None:  # streams reach differently far
            return GivenFeatures(torch.from_numpy(aligned.read(0, self.snippets - first)), self.snippets_per_second, end)
        return GivenFeatures(aligned, self.snippets_per_second, end)

    def _timed(self, own: GrowingFeatures, begin_seconds: float) -> TimedFeatures:
        """The features of a stream from some second on, and one row before it, for the interpolation."""
        first = max(math.floor(begin_seconds * own.rate) - 1, own.rows.first)
        return TimedFeatures(own.rows.rows(first), own.rate, first / own.rate - begin_seconds)

    def _keep_in(self, folder: Path) -> None:
        self.folder = folder
        for name, own in self._growing.items():
            own.keep_in(folder / f"{name}.f32")
        self._save(at_once=True)

    def _reopen(self) -> None:
        """Go on after an end that was none, from the first picture on: forget the snippets that reach beyond it."""
        for name, own in self._growing.items():
            own.rows.cut(self._whole[name])
            own.restart()
        self.end_seconds, self._whole = None, {}

    def _save(self, *, at_once: bool = False) -> None:
        if self.folder is None or (not at_once and (self._pushed_until or 0.0) < self._retry_at):
            return
        try:
            facts = self._facts()
            if self.end_seconds is not None:
                self._write(facts)
            for own in self._growing.values():
                own.save()
            self._write(facts)
        except (OSError, InputError) as error:
            if self._retry_at == -math.inf:
                log.warning("%s; the features of %s are in memory alone until it can be written", error, self.where)
            self._retry_at = (self._pushed_until or 0.0) + RETRY_SECONDS
        else:
            self._retry_at = -math.inf

    def _facts(self) -> dict[str, Any]:
        streams = {
            name: {
                "channels": own.rows.channels,
                "snippets_per_second": own.rate,
                "settings": own.settings.model_dump(mode="json"),
            }
            for name, own in self._growing.items()
        }
        facts = {"number": self.number, "started_at": self.started_at, "streams": streams}
        return {"format": FORMAT, **facts, "end_seconds": self.end_seconds, "whole": self._whole}

    def _write(self, facts: dict[str, Any]) -> None:
        if facts != self._written and self.folder:
            write_json(self.folder / PART, facts, indent=1)
            self._written = facts


def video_extractors(extractor: Extractor | None, where: object) -> dict[str, VideoExtractor]:
    """The extractors of a detector that turn video into features, by stream; a single one is called ``features``.

    Raises:
        InputError: there is none.
    """
    if extractor is None:
        raise InputError(
            where,
            expected="a detector that knows how to make features of pictures",
            found="a checkpoint without extraction settings",
            fix="extract the features of training with rcl extract, and train on them",
        )
    if isinstance(extractor, ComposedExtractor):
        return extractor.from_video(where)
    if not isinstance(extractor, VideoExtractor):
        expected, fix = f"a {extractor.settings.kind}, which the detector takes", "use a detector of videos"
        raise InputError(where, expected=expected, found="a video", fix=fix)
    return {ONLY: extractor}


def _read_part(path: Path, extractor: Extractor | None) -> dict[str, Any]:
    """The facts of a part, checked.

    Raises:
        InputError: the file is missing, damaged, or of features of another detector.
    """
    kept, fix = read_json(path), "remove the folder, or use another folder for this detector"
    extractors = video_extractors(extractor, path)
    try:
        assert kept["format"] == FORMAT
        number, started_at = int(kept["number"]), float(kept["started_at"])
        end = None if kept["end_seconds"] is None else float(kept["end_seconds"])
        whole = {name: int(kept["whole"][name]) for name in kept["whole"]}
        settings = {name: own["settings"] for name, own in kept["streams"].items()}
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(path, expected="a part of a watched source", found="another content", fix=fix) from None
    if settings.keys() != extractors.keys():
        found = f"the streams {listed([*settings])}"
        raise InputError(path, expected=f"features of the streams {listed([*extractors])}", found=found, fix=fix)
    for name, own in extractors.items():
        if other := difference(own.settings, parse_settings(settings[name], where=path)):
            expected = f"features as the detector takes them (stream {name})"
            raise InputError(path, expected=expected, found=f"other settings: {other}", fix=fix)
    return {**kept, "number": number, "started_at": started_at, "end_seconds": end, "whole": whole}
