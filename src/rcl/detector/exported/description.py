"""The JSON file next to the graph of an exported detector: everything else that detection needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rcl.data.preparation import Preparation
from rcl.data.standardization import ChannelScale
from rcl.data.streams import Stream
from rcl.detector.exported.decoding import ArrayDecoder
from rcl.detector.exported.segments import anchors
from rcl.detector.given_rates import check_rates
from rcl.detector.operating_points import OperatingPoints
from rcl.system.errors import Defect, InputError, located, shown
from rcl.system.paths import is_dir, is_file, to_path
from rcl.system.text_files import file_digest, read_json

KEY = "rcl_detector"  # the first key of the file, whose value is the number of the format
FORMAT = 1
GRAPH, DESCRIPTION = ".onnx", ".json"
_AGAIN = "export the detector again with rcl export-model"


@dataclass(frozen=True)
class Description:
    """A detector without its network.

    Args:
        labels: label names; empty for proposals.
        channels: C of the features.
        streams: what the features consist of, side by side; empty for a single stream.
        snippets_per_second: rate of the training features, ``None`` if it differed.
        longest_seconds: length of the longest training video, if it is known.
        preparation: what was done to the features in training.
        anchors: the ``kind`` of the segments that are scored, and its options; see ``exported/segments.py``.
        decoder: from the outputs of the graph to detections.
        window: length of the sliding windows in snippets; ``None`` for whole videos.
        window_stride: from one window to the next; ``None`` for half a window.
        rates: of the features, whose answers are averaged.
        steps: M of the graph.
        operating_points: by which a list of what happened is decided, if they were chosen.
        extraction: settings by which features are made from a video, if they are known.
        digest: SHA-256 of the graph.
        version: of rcl-tad that exported it.
    """

    labels: tuple[str, ...]
    channels: int
    streams: tuple[Stream, ...]
    snippets_per_second: float | None
    longest_seconds: float | None
    preparation: Preparation
    anchors: Mapping[str, Any]
    decoder: ArrayDecoder
    window: int | None
    window_stride: int | None
    rates: tuple[float, ...]
    steps: int
    operating_points: OperatingPoints | None
    extraction: dict[str, Any] | None
    digest: str
    version: str

    def to_json(self) -> dict[str, Any]:
        """The values in plain Python types."""
        points = self.operating_points.to_json() if self.operating_points else None
        return {KEY: FORMAT, **asdict(self), "operating_points": points}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Description:
        """The description of :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError: a value is missing or of another type.
        """
        values = {name: value for name, value in kept.items() if name != KEY}
        preparation, points = dict(values["preparation"]), values["operating_points"]
        if channels := preparation["channels"]:
            preparation["channels"] = ChannelScale(tuple(channels["mean"]), tuple(channels["deviation"]))
        values |= {
            "labels": tuple(values["labels"]),
            "streams": tuple(Stream(**stream) for stream in values["streams"]),
            "preparation": Preparation(**preparation),
            "decoder": ArrayDecoder(**values["decoder"]),
            "rates": tuple(values["rates"]),
            "operating_points": OperatingPoints.from_json(points) if points else None,
        }
        return cls(**values)


def find_exported(path: Path | str) -> Path | None:
    """The graph of an exported detector: of its path, of that of its description, or of the folder with both.

    Returns:
        ``None`` if the path is something else, such as a checkpoint.
    """
    path = to_path(path)
    if is_dir(path) and not is_file(path / "last.ckpt"):
        path = path / f"model{GRAPH}"
    if path.suffix.lower() == DESCRIPTION and is_file(path.with_suffix(GRAPH)):
        path = path.with_suffix(GRAPH)
    return path if path.suffix.lower() == GRAPH and is_file(path) else None


def read_description(graph: Path) -> Description:
    """The description next to a graph.

    Raises:
        InputError: it is missing or damaged, or belongs to another graph.
    """
    path = graph.with_suffix(DESCRIPTION)
    if not is_file(path):
        fix = f"copy it from where {graph.name} came from: the two belong together"
        raise InputError(path, expected="the description of a detector", found="no such file", fix=fix)
    kept = read_json(path)
    if KEY not in kept:
        raise InputError(path, expected=f"{KEY!r}, as rcl export-model writes", found="another JSON file", fix=_AGAIN)
    if kept[KEY] != FORMAT:
        raise InputError(path, expected=f"format {FORMAT}", found=f"format {shown(kept[KEY])}", fix="upgrade rcl-tad")
    try:
        description = Description.from_json(kept)
        _check_edited(description, path)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found = f"a part missing or damaged ({type(error).__name__}: {error})"[:120]
        raise InputError(path, expected="the description of a detector", found=found, fix=_AGAIN) from None
    if file_digest(graph) != description.digest:
        fix = f"copy {graph.name} and {path.name} together from one export"
        raise InputError(graph, expected=f"the graph that {path.name} describes", found="another one", fix=fix)
    return description


def _check_edited(description: Description, path: Path) -> None:
    """Check values that somebody may have edited.

    Raises:
        InputError, TypeError: one is not possible.
    """
    check_rates(description.rates, f"{path}, rates")
    with located(path):
        anchors(1, description.anchors)
        if (scale := description.preparation.channels) and not scale.fits(description.channels):
            raise Defect(expected=f"a scale of {description.channels} channels", found="another", fix=_AGAIN)
