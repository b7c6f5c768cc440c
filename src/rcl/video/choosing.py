"""The extractors of the streams that a user asks for: ``motion+hf:NAME`` and options for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rcl.system.errors import InputError, counted, listed
from rcl.video.backbones.base import Backbone
from rcl.video.backbones.build import accepted_options
from rcl.video.backbones.names import split_backbones, streams_of
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extraction import VideoExtractor, choose_extraction, rebuild_backbone
from rcl.video.settings import ExtractionSettings, Settings


def choose_extractors(
    name: str,
    options: BackboneOptions | None = None,
    *,
    stream: str | None = None,
    window: int | None = None,
    device: torch.device | str = "cpu",
    **values: Any,
) -> dict[str | None, VideoExtractor]:
    """Build the backbones of a name that may join several, and choose the settings of each.

    Args:
        name: of a backbone, or of several, joined by ``+``.
        options: of backbones; each takes those that it knows.
        stream: the name of the stream of a single backbone.
        window: frames of a snippet, for those that do not take one length alone.
        device: where networks run.
        values: rate, stride and frames per second of videos, as ``choose_extraction`` takes them, for all.

    Returns:
        Name of the stream to its extractor. The name is ``None`` if there is a single backbone, and none is given.

    Raises:
        InputError: see ``choose_extraction``; no backbone takes an option; or a name is given for several streams.
    """
    backbones = split_backbones(name)
    names = stream_names(name, stream)
    options = options or BackboneOptions()
    if len(backbones) == 1:
        chosen = {names[0]: choose_extraction(name, options, window=window, **values, device=device)}
    else:
        own = _options_of_each(backbones, options)
        each = [choose_extraction(backbone, own[backbone], **values, device=device) for backbone in backbones]
        chosen = _with_window(dict(zip(names, each, strict=True)), window)
    return {
        stream: VideoExtractor(settings, built=built, device=device) for stream, (built, settings) in chosen.items()
    }


def choose_again(
    kept: Mapping[str | None, Settings],
    name: str | None,
    options: BackboneOptions | None,
    given: Mapping[str, Any],
    *,
    where: object,
    device: torch.device | str,
) -> dict[str | None, VideoExtractor]:
    """Build the backbones of features that were extracted before.

    Args:
        kept: the settings of each stream.
        name: of the backbones, if it is given.
        options: of these, likewise.
        given: rate, window, stride and frames per second, ``None`` where they are not given.
        where: the place of the features, for messages.
        device: where networks run.

    Raises:
        InputError: what is given differs from what the features were extracted with, or a backbone has changed.
    """
    settings = {stream: own for stream, own in kept.items() if isinstance(own, ExtractionSettings)}
    names = split_backbones(name) if name else [own.backbone for own in settings.values()]
    if len(names) != len(kept):
        raise _other_settings(where, f"{counted(len(names), 'backbone')} for {counted(len(kept), 'stream')}")
    options_of = _options_of_each(names, options or BackboneOptions())
    extractors = dict[str | None, VideoExtractor]()
    for (stream, own), backbone in zip(settings.items(), names, strict=True):
        if name is None and (options is None or options == BackboneOptions()):
            built = rebuild_backbone(own, device=device)
            wanted = own.model_copy(update={key: value for key, value in given.items() if value is not None})
        else:
            values = {key: getattr(own, key) if value is None else value for key, value in given.items()}
            built, wanted = choose_extraction(backbone, options_of[backbone], **values, device=device)
        if found := own.difference(wanted):
            raise _other_settings(where, found)
        own = own.model_copy(update={"video_fps": wanted.video_fps})
        extractors[stream] = VideoExtractor(own, built=built, device=device)
    return extractors


def _other_settings(where: object, difference: str) -> InputError:
    expected, fix = "the settings of its features", "leave these options out, or begin a run without this one"
    return InputError(where, expected=expected, found=f"other settings ({difference})", fix=fix)


def stream_names(name: str, stream: str | None = None) -> list[str | None]:
    """The names of the streams of ``choose_extractors``.

    Raises:
        InputError: a name is given for several streams, or a backbone twice.
    """
    backbones = split_backbones(name)
    if len(backbones) == 1:
        return [stream]
    if stream is not None:
        fix = "leave it out: each stream has the name of its backbone"
        raise InputError("--stream", expected="a single backbone", found=name, fix=fix)
    if len({*backbones}) < len(backbones):
        raise InputError("--backbone", expected="every backbone once", found=name, fix="leave out the repetition")
    return [*streams_of(backbones)]


def _options_of_each(backbones: list[str], options: BackboneOptions) -> dict[str, BackboneOptions]:
    """The options that each backbone takes.

    Raises:
        InputError: no backbone takes an option.
    """
    if len(backbones) == 1:  # which refuses what it does not take
        return {backbones[0]: options}
    accepted = {name: accepted_options(name) for name in backbones}
    given = {key: value for key, value in options if value is not None}
    for key in given.keys() - set().union(*accepted.values()):
        expected = f"an option of one of the backbones {listed(backbones)}"
        raise InputError(f"--{key}", expected=expected, found="one of another backbone", fix="leave it out")
    return {
        name: BackboneOptions(**{key: value for key, value in given.items() if key in accepted[name]})
        for name in backbones
    }


Chosen = tuple[Backbone, ExtractionSettings]


def _with_window(chosen: Mapping[str | None, Chosen], window: int | None) -> dict[str | None, Chosen]:
    """The backbones with windows of that length where they take it.

    Raises:
        InputError: none does.
    """
    if window is None:
        return {**chosen}
    takes = {stream for stream, (backbone, _) in chosen.items() if backbone.fixed_window in (None, window)}
    if not takes:
        lengths = [f"{backbone.fixed_window} ({stream})" for stream, (backbone, _) in chosen.items()]
        expected = f"frames that one of the backbones takes: {listed(lengths)}"
        raise InputError("--window", expected=expected, found=str(window), fix="leave it out")
    return {
        stream: (backbone, settings.model_copy(update={"window": window}) if stream in takes else settings)
        for stream, (backbone, settings) in chosen.items()
    }
