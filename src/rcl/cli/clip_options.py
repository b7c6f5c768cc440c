"""Which clips ``rcl clips`` makes, and how."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.console import warn
from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.data.formats.exported import Exported, Instance
    from rcl.video.clips import Cut
    from rcl.video.label_overlay import LabelOverlay

_DEFAULT_LIMIT = 500
_POINT_PAD_SECONDS = 0.5  # around an event without a length, if --pad is less


@dataclass(frozen=True)
class ClipOptions:
    """How clips are made."""

    pad: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to add before and after each segment.")] = 0.0
    limit: Annotated[
        int, typer.Option(min=1, help="At most this many clips: those of the highest scores, or the first ones.")
    ] = _DEFAULT_LIMIT
    copy: Annotated[
        bool,
        typer.Option(
            "--copy", help="Copy without encoding again: fast and without loss, but a clip begins at a key frame."
        ),
    ] = False
    burn_in: Annotated[
        bool, typer.Option("--burn-in", help="Draw the labels into the pictures, and a bar of all segments below.")
    ] = False
    whole: Annotated[
        bool, typer.Option("--whole", help="Instead of clips, each whole video with the labels burnt in.")
    ] = False
    contact_sheet: Annotated[
        bool, typer.Option("--contact-sheet", help="Also write sheets of all thumbnails with label, time and score.")
    ] = False

    def check(self) -> None:
        """Check that the options fit together.

        Raises:
            InputError: they do not.
        """
        given = {"--burn-in": self.burn_in, "--whole": self.whole}
        if self.copy and (other := next((name for name, value in given.items() if value), None)):
            expected, fix = "pictures that are encoded again", "leave out one of the two"
            raise InputError(other, expected=expected, found="--copy", fix=fix)
        given = {"--pad": self.pad > 0, "--contact-sheet": self.contact_sheet, "--limit": self.limit != _DEFAULT_LIMIT}
        if self.whole and (other := next((name for name, value in given.items() if value), None)):
            raise InputError(other, expected="clips", found="--whole", fix="leave out one of the two")

    @property
    def draws(self) -> bool:
        """Whether labels are drawn."""
        return self.burn_in or self.whole or self.contact_sheet


@dataclass(frozen=True, eq=False)
class Job:
    """A clip to be made, or a whole video.

    Args:
        name: of the file, without extension.
        video: its name.
        source: its file.
        instance: the segment; ``None`` for the whole video.
        around: all segments of the video that are drawn.
        known_labels: of all videos, for their colours.
        how: the options.
    """

    name: str
    video: str
    source: Path
    instance: Instance | None
    around: Sequence[Instance]
    known_labels: Sequence[str]
    how: ClipOptions

    @property
    def whole(self) -> bool:
        """Whether this is the whole video."""
        return self.instance is None

    @property
    def label(self) -> str:
        """That of the segment, empty for a whole video."""
        return "" if self.instance is None else self.instance.label

    @property
    def thumbnail(self) -> str:
        """The name of its picture."""
        return f"{self.name}.jpg"

    @cached_property
    def _pad_seconds(self) -> float:
        if self.instance is None:
            return 0.0
        is_point = self.instance.start_seconds == self.instance.end_seconds
        return max(self.how.pad, _POINT_PAD_SECONDS) if is_point else self.how.pad

    @property
    def start_seconds(self) -> float:
        """The start of the clip."""
        return 0.0 if self.instance is None else max(self.instance.start_seconds - self._pad_seconds, 0.0)

    @property
    def end_seconds(self) -> float:
        """The end of the clip, infinite for a whole video."""
        return math.inf if self.instance is None else self.instance.end_seconds + self._pad_seconds

    @property
    def middle_seconds(self) -> float:
        """The middle of the segment, which the thumbnail shows."""
        return 0.0 if self.instance is None else (self.instance.start_seconds + self.instance.end_seconds) / 2

    @property
    def line(self) -> str:
        """Where the segment is and its score, for a contact sheet."""
        if self.instance is None:
            return self.video
        start, end, _, score = self.instance
        said = "" if score is None else f"  {score:.2f}"
        return f"{self.video}  {_clock(start)}–{_clock(end)}{said}"

    def facts(self, end_seconds: float) -> tuple[object, ...]:
        """Start, end, label and score for the index; a whole video ends at ``end_seconds``."""
        if self.instance is None:
            return 0.0, round(end_seconds, 3), "", ""
        start, end, label, score = self.instance
        return start, end, label, "" if score is None else score

    def cut(self) -> Cut:
        """What is to be written."""
        from rcl.video.clips import Cut

        drawn = self.how.burn_in or self.whole
        about = {
            "video": self.video,
            "segment": None if self.instance is None else [*self.instance],
            "pad": self._pad_seconds,
            "copy": self.how.copy,
            "burnt_in": _digest((*self.around, *self.known_labels)) if drawn else None,
            "source": [self.source.stat().st_size, self.source.stat().st_mtime_ns] if self.source.is_file() else None,
        }
        draw = self._overlay() if drawn else None
        return Cut(self.source, self.start_seconds, self.end_seconds, about, copy=self.how.copy, draw=draw)

    def _overlay(self) -> LabelOverlay:
        import numpy as np

        from rcl.video.extraction import stated_seconds
        from rcl.video.label_overlay import LabelOverlay

        segments = np.array([one[:2] for one in self.around], dtype=np.float64).reshape(-1, 2)
        end = self.end_seconds
        if math.isinf(end):
            end = stated_seconds(self.source) or float(segments.max(initial=0))
        return LabelOverlay(
            segments,
            [one.label for one in self.around],
            [one.score for one in self.around],
            known_labels=self.known_labels,
            start_seconds=self.start_seconds,
            end_seconds=end,
        )


def jobs_of(segments: Exported, files: Mapping[str, Path], labels: Sequence[str], how: ClipOptions) -> list[Job]:
    """The clips of the segments whose videos have a file, by video and time; or the whole videos.

    Args:
        segments: of all videos.
        files: name to file.
        labels: all that the colours tell apart.
        how: the options.
    """
    from rcl.video.clip_names import ClipKey, clip_names, safe

    def job(name: str, video: str, instance: Instance | None) -> Job:
        return Job(name, video, files[video], instance, segments.instances[video], labels, how)

    if how.whole:
        return [job(f"{name}_labelled", video, None) for video, name in _distinct([*files], safe).items()]
    chosen = _limited([(video, one) for video in files for one in dict.fromkeys(segments.instances[video])], how.limit)
    chosen.sort(key=lambda pair: (pair[0], pair[1][:3]))
    names = clip_names([ClipKey(video, *one[:3]) for video, one in chosen])
    return [job(name, video, one) for name, (video, one) in zip(names, chosen, strict=True)]


def _limited(pairs: list[tuple[str, Instance]], limit: int) -> list[tuple[str, Instance]]:
    """At most so many segments, the ones of the highest scores."""
    if len(pairs) <= limit:
        return pairs
    scored = pairs[0][1].score is not None
    which = "with the highest scores" if scored else "that come first"
    warn(f"{limit:,} of {len(pairs):,} segments, those {which}; --limit changes that, --min-score and --label choose.")
    return sorted(pairs, key=lambda pair: -(pair[1].score or 0.0))[:limit]


def _distinct(videos: Sequence[str], safe: Any) -> dict[str, str]:
    """A name of a file for each video."""
    names = {video: safe(video) for video in videos}
    counts = [name.casefold() for name in names.values()]
    return {
        video: f"{name}_{_digest((video,))[:4]}" if counts.count(name.casefold()) > 1 else name
        for video, name in names.items()
    }


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(repr([*map(str, values)]).encode()).hexdigest()[:16]


def _clock(seconds: float) -> str:
    """``1:05.2``, or ``2:01:05.2``."""
    tenths = round(seconds * 10)
    hours, minutes = divmod(tenths // 600, 60)
    rest = f"{tenths % 600 / 10:04.1f}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"
