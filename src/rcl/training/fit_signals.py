"""What ``rcl.fit`` trains on if it is given recordings of sensors or pose tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, to_path
from rcl.training.choices import Choice, choose_stride
from rcl.training.earlier_run import EarlierRun
from rcl.training.extraction import Extraction
from rcl.training.plan import FitRun, LabelledVideos
from rcl.video.packs import PackWriter
from rcl.video.records import names_in_pack
from rcl.video.settings import difference, read_settings, streams_in
from rcl.video.signals.choosing import default_window, settings_for
from rcl.video.signals.finding import each_individual, find_signals
from rcl.video.signals.settings import SignalSettings

SNIPPETS_PER_ACTION = 6  # in a short action; descriptors cost little


class LabelledSignals(NamedTuple):
    """Recordings of signals, and their labels.

    Args:
        recordings: name to file, under the names that they have in the pack.
        annotations: the labels as they are given.
        settings: of the features, before the lengths of the actions are known.
        chosen: whether the settings were chosen now, and are not those of features that exist.
    """

    recordings: Mapping[str, Path]
    annotations: Annotations
    settings: SignalSettings
    chosen: bool


def reading_of(extraction: Extraction) -> RecordingOptions:
    """How recordings are read."""
    reading = extraction.signals.reading if extraction.signals else RecordingOptions()
    return reading.model_copy(update={"rate": extraction.rate})


def find_labelled(
    places: Sequence[PathLike], labels: PathLike | Annotations, run: FitRun, extraction: Extraction
) -> LabelledSignals:
    """Find the recordings, each individual by itself if the labels name individuals.

    Raises:
        InputError: an option for videos is given; or see ``choose_signal`` and ``load_annotations``.
    """
    if given := extraction.of_videos():
        found, fix = "recordings of signals", "leave out what is about backbones"
        raise InputError(listed(given), expected="videos", found=found, fix=fix)
    pack = run.output / "pack"
    annotations = (
        labels if isinstance(labels, Annotations) else load_annotations(labels, clip=False, options=run.reading)
    )
    recordings, _ = find_signals(places, reading_of(extraction))
    before = pack if run.resumes() else None if run.after is None else to_path(run.after) / "pack"
    kept = None if before is None else _kept(before)
    settings = settings_for(
        recordings,
        kept,
        extraction.signals,
        rate=extraction.rate,
        window=extraction.window,
        stride=extraction.stride,
        labelled=annotations.videos,
    )
    recordings = names_in_pack(pack, each_individual(recordings, settings))
    return LabelledSignals(recordings, annotations, settings, chosen=kept is None)


def _kept(pack: Path) -> SignalSettings | None:
    """The settings of features of signals in a pack."""
    kept = read_settings(pack)
    own = streams_in(kept).values() if kept else ()
    return next((settings for settings in own if isinstance(settings, SignalSettings)), None)


def open_signal_pack(
    output: Path,
    labelled: LabelledVideos,
    signals: LabelledSignals,
    extraction: Extraction,
    *,
    earlier: EarlierRun | None,
) -> tuple[list[PackWriter], tuple[Choice, ...]]:
    """The pack of the features. If no stride is given, one is chosen from the lengths of the actions.

    Raises:
        InputError: what is given differs from what the features of an earlier run were extracted with.
    """
    settings = signals.settings
    if earlier and (found := difference(earlier.packs[0].settings, settings)):
        expected, fix = "the settings of its features", "leave these options out, or begin a run without this one"
        raise InputError(earlier.root, expected=expected, found=f"other settings ({found})", fix=fix)
    choices: tuple[Choice, ...] = ()
    if signals.chosen:
        settings, choices = _with_stride(settings, labelled.lengths_seconds, extraction)
    return [PackWriter(output / "pack", settings)], choices


def _with_stride(
    settings: SignalSettings, lengths_seconds: np.ndarray, extraction: Extraction
) -> tuple[SignalSettings, tuple[Choice, ...]]:
    what = "body parts" if settings.source == "pose" else "columns"
    choices = [Choice(what, listed(settings.columns, 6), "all recordings have them")]
    if settings.source == "pose" and (settings.per_individual or len(settings.individuals) > 1):
        names = "the labels name them" if settings.per_individual else "the labels do not name them"
        choices.append(Choice("individuals", "one by one" if settings.per_individual else "together", names))
    if extraction.stride is None:
        stride = choose_stride(lengths_seconds, settings.rate, snippets=SNIPPETS_PER_ACTION)
        window = extraction.window or default_window(stride)
        settings = settings.model_copy(update={"stride": stride, "window": window})
        reason = f"one action in ten is shorter than {float(np.quantile(lengths_seconds, 0.1)):.2g} s"
        choices.append(Choice("snippets per second", f"{settings.snippets_per_second:.3g}", reason))
    return settings, (*choices,)
