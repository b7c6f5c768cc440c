"""The segments of a file, be they detections or annotations of any format, for commands that use the result."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import few_of_each, warn, warn_of
from rcl.system.errors import InputError, listed
from rcl.system.paths import is_dir

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections
    from rcl.data.formats.exported import Exported


@dataclass(frozen=True)
class SegmentOptions:
    """Which segments of a file count."""

    label: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Only segments of this label; may be repeated.")
    ] = None
    min_score: Annotated[float | None, typer.Option(help="Leave out detections with a lower score.")] = None

    def load(self, source: Path) -> tuple[Exported, list[str]]:
        """The segments of a file of detections or annotations, of a pack, or of a folder of annotation files.

        Returns:
            The chosen segments, and all labels of the source, by which labels have their colours.

        Raises:
            InputError: it cannot be read, an option does not fit, or no segment is left.
        """
        from rcl.data.detections import Detections
        from rcl.data.formats.exported import Exported

        content = _read(source)
        labels = Exported.of(content).labels()
        if isinstance(content, Detections):
            if self.min_score is not None:
                content = content[content.scores >= self.min_score]
        elif self.min_score is not None:
            found, fix = "annotations, without scores", "leave it out"
            raise InputError("--min-score", expected="detections", found=found, fix=fix)
        segments = self._with_labels(Exported.of(content), source)
        if not segments.all():
            found = "none" if self.min_score is None else f"none with a score of at least {self.min_score:g}"
            fix = "give another file" if self.min_score is None else "lower --min-score"
            raise InputError(source, expected="segments", found=found, fix=fix)
        return segments, labels

    def _with_labels(self, segments: Exported, source: Path) -> Exported:
        if not self.label:
            return segments
        from rcl.data.formats.values import composed

        wanted = {composed(label) for label in self.label}
        _check_known(wanted, segments, source)
        kept = {name: [one for one in items if one.label in wanted] for name, items in segments.instances.items()}
        return replace(segments, instances=kept)


def _read(source: Path) -> Annotations | Detections:
    from rcl.data.annotations import Annotations
    from rcl.data.formats.load import load_content

    if is_dir(source):
        return read_labels(source)
    with few_of_each():
        content = load_content(source)
    return _checked(content, source) if isinstance(content, Annotations) else content


def read_labels(source: Path, *, point_length: float | None = None) -> Annotations:
    """The annotations of a file, of a pack, or of a folder of files. What can hardly be meant is said.

    Args:
        source: where they are.
        point_length: seconds that an event without a length is given; by default it has none.

    Raises:
        InputError: they cannot be read.
    """
    from rcl.data.formats.import_files import import_files
    from rcl.data.formats.options import ReadOptions
    from rcl.data.pack import find_annotations, is_pack

    path = find_annotations(source) if is_dir(source) and is_pack(source) else source
    with few_of_each():
        return _checked(import_files([path], options=ReadOptions(point_length=point_length)), source)


def _checked(annotations: Annotations, source: Path) -> Annotations:
    from rcl.data.formats import outcome

    outcome.check_times(annotations)
    warn_of(outcome.doubts(annotations, overhang=outcome.USUAL_OVERHANG), source)
    return annotations


def _check_known(wanted: Collection[str], segments: Exported, source: Path) -> None:
    known = segments.labels()
    unknown = sorted(label for label in wanted if label not in known)
    if len(unknown) == len(wanted):
        expected = f"a label of {source} ({listed(known)})"
        raise InputError("--label", expected=expected, found=listed(unknown), fix="correct it, or lower --min-score")
    if unknown:
        warn(f"{source}: no segment has the label {listed([*map(repr, unknown)])}.")


def as_annotations(segments: Exported, source: Path) -> Annotations:
    """The segments as annotations; detections lose their scores."""
    import numpy as np

    from rcl.data.annotations import Annotations

    videos = dict(segments.videos)
    for name, items in segments.instances.items():
        times = np.array([one[:2] for one in items], dtype=np.float64).reshape(-1, 2)
        videos[name] = replace(videos[name], segments_seconds=times, labels=tuple(one.label for one in items))
    return Annotations(videos, source=str(source))
