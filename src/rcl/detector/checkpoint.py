"""Checkpoints: weights, configuration, and facts about the training data."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rcl.data.standardization import ChannelScale
from rcl.data.streams import Stream
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.detector.operating_points import OperatingPoints
from rcl.system.errors import Defect, InputError, shown
from rcl.system.paths import is_dir, is_file, to_path
from rcl.system.tensor_files import read_tensors
from rcl.system.text_files import write_file

KEY = "rcl"
MEMBERS = "rcl_members"
POINTS = "rcl_operating_points"
# 1 did not know how features are extracted, in 2 the options of the head stood in section model, and 3 did not know
# of several networks, standardized or downsampled features, and 4 not of streams.
FORMAT = 5
HEAD_FORMAT = 3  # from here on, a head has its own options alone
_WHOLE = "use a whole file that rcl train wrote"
_TRAINING = {"epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers"}  # Lightning's keys


@dataclass(frozen=True)
class Facts:
    """Facts about the training data that a model needs.

    Args:
        labels: label names, in the order of the label scores.
        in_channels: width of the features.
        longest: length of the longest training action, in snippets.
        snippets_per_second: rate of the training features, ``None`` if the videos differ.
        extraction: plain values of ``rcl.video.settings.ExtractionSettings``, by which features like those in
            training are made from a video; of several streams ``{"streams": {name: values}}``; ``None`` if they came
            from elsewhere.
        channels: mean and deviation of every feature channel, where features are standardized.
        longest_seconds: length of the longest training video, ``None`` in checkpoints of earlier versions.
        streams: what the features consist of, side by side; empty for a single stream.
    """

    labels: tuple[str, ...]
    in_channels: int
    longest: float
    snippets_per_second: float | None
    extraction: dict[str, Any] | None = None
    channels: ChannelScale | None = None
    longest_seconds: float | None = None
    streams: tuple[Stream, ...] = ()

    def sizes(self) -> dict[str, Any]:
        """What :func:`rcl.detector.build.build_model` has to know besides the configuration."""
        return {"in_channels": self.in_channels, "num_labels": len(self.labels), "streams": self.streams}


@dataclass(frozen=True)
class Checkpoint:
    """A trained model in a file. ``weights`` are the averaged ones if training averages.

    ``source`` is the file, for messages. ``resumable`` means that it also holds the state of a training. ``members``
    are the weights of further networks of other seeds, whose answers are averaged with those of the first.
    ``operating_points`` turn its detections into a list of what happened, if they were chosen.
    """

    config: Config
    facts: Facts
    weights: dict[str, Tensor]
    source: str = "checkpoint"
    resumable: bool = False
    members: tuple[dict[str, Tensor], ...] = ()
    operating_points: OperatingPoints | None = None


def describe(config: Config, facts: Facts) -> dict[str, Any]:
    """The plain values that a checkpoint keeps under ``KEY``."""
    return {"format": FORMAT, "config": config.model_dump(mode="json"), "facts": asdict(facts)}


def find_checkpoint(path: Path | str) -> Path:
    """The file of a checkpoint: the path itself, or ``last.ckpt`` in the folder of a run.

    Raises:
        InputError: there is no such file, the folder has none, or the file is the graph of an exported detector.
    """
    path = to_path(path)
    if is_file(path):
        if path.suffix.lower() == ".onnx":
            fix = "give the checkpoint that it was exported from; only rcl detect takes exported detectors"
            raise InputError(path, expected="a checkpoint of rcl train", found="an ONNX graph", fix=fix)
        return path
    if is_file(path / "last.ckpt"):
        return path / "last.ckpt"
    found = "a folder without last.ckpt" if is_dir(path) else "no such file"
    fix = "give last.ckpt of a run of rcl fit or rcl train, or the folder that holds it"
    raise InputError(path, expected="a checkpoint of rcl train", found=found, fix=fix)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint of ``rcl train``, or ``last.ckpt`` of a run, as data: no code in the file is executed.

    An encoder or backbone of another package is imported by the name that the file records.

    Raises:
        InputError: the file is missing, damaged, holds code, or is another program's.
    """
    path = find_checkpoint(path)
    content = _read_content(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in (KEY, "state_dict")):
        raise InputError(
            path,
            expected="a checkpoint of rcl train",
            found="a file of another program",
            fix="use RUN/last.ckpt or RUN/best.ckpt",
        )
    kept = content[KEY]
    version = kept.get("format")
    if not isinstance(version, int) or version > FORMAT:
        found = f"format {shown(version)}"
        raise InputError(path, expected=f"format {FORMAT} or older", found=found, fix="upgrade rcl-tad")
    try:
        return Checkpoint(
            config=parse_config(kept["config"], where=str(path), lenient=version < HEAD_FORMAT),
            facts=_facts_of(kept["facts"]),
            weights=_model_weights(content["state_dict"]),
            source=str(path),
            resumable=content.keys() >= _TRAINING,
            members=tuple(map(_model_weights, content.get(MEMBERS, ()))),
            operating_points=OperatingPoints.from_json(content[POINTS]) if POINTS in content else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        found = f"a part missing or damaged ({type(error).__name__}: {error})"
        raise InputError(path, expected="configuration, facts and weights", found=found[:120], fix=_WHOLE) from None


def _read_content(path: Path) -> Any:
    """What a file of ``torch.save`` holds."""
    try:
        return read_tensors(path, expected="a checkpoint of plain data", fix=_WHOLE)
    except Defect as defect:
        raise defect.at(path) from None


def _model_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = "model."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def add_members(path: Path, others: Sequence[Path]) -> None:
    """Put the weights of other checkpoints of the same model into a checkpoint, in place of those that it had.

    Raises:
        InputError: a file cannot be read, or there is no room for the new one.
    """
    content, *more = (torch.load(each, map_location="cpu", weights_only=True) for each in (path, *others))
    content[MEMBERS] = [other["state_dict"] for other in more]
    write_file(path, lambda file: torch.save(content, file))


def save_operating_points(points: OperatingPoints, checkpoint: Path, output: Path | None = None) -> None:
    """Write a checkpoint with operating points, in place of those that it had; all else in it stays.

    Args:
        points: of its detector.
        checkpoint: the file.
        output: the new file; by default the checkpoint is replaced, whole or not at all.

    Raises:
        InputError: the checkpoint cannot be read, or there is no room for the new one.
    """
    buffer = io.BytesIO()  # torch reports a full disk in words that help no user
    torch.save({**_read_content(checkpoint), POINTS: points.to_json()}, buffer)
    write_file(output or checkpoint, lambda file: file.write(buffer.getbuffer()))


def _facts_of(kept: dict[str, Any]) -> Facts:
    """The facts of a checkpoint, checked, since a file may hold anything."""
    channels = kept.get("channels")
    scale = ChannelScale(**{name: tuple(values) for name, values in channels.items()}) if channels else None
    streams = tuple(Stream(**stream) for stream in kept.get("streams", ()))
    facts = Facts(**{**kept, "labels": tuple(kept["labels"]), "channels": scale, "streams": streams})
    rate = facts.snippets_per_second
    length = facts.longest_seconds
    known = [
        all(isinstance(label, str) for label in facts.labels),
        type(facts.in_channels) is int and facts.in_channels > 0,
        all(
            isinstance(number, int | float) and 0 < number < math.inf
            for number in (facts.longest, rate or 1, length or 1)
        ),
        isinstance(facts.extraction, dict | None),
        scale is None or scale.fits(facts.in_channels),
        not streams or sum(stream.channels for stream in streams) == facts.in_channels,
        all(
            isinstance(stream.name, str) and type(stream.channels) is int and stream.channels > 0 for stream in streams
        ),
        all(0 < (stream.snippets_per_second or 1) < math.inf for stream in streams),
    ]
    if not all(known):
        raise ValueError("facts of the wrong type")
    return facts
