"""The settings of features of signals, where they are not given: chosen from the recordings."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcl.data.signals.signal import Kind, RecordingOptions
from rcl.system.errors import InputError, listed
from rcl.system.transfer import local
from rcl.video.settings import Settings
from rcl.video.signals.opening import open_timed
from rcl.video.signals.settings import SignalSettings
from rcl.video.signals.tracks import Tracks

log = logging.getLogger("rcl")

RECORDINGS_READ = 50  # beginnings, for the columns and rates of all
STRIDE_SECONDS = 0.5  # by default
MOST_OTHERS = 3  # individuals, the nearest ones, that are described for each
LEAST_GAP_SECONDS = 0.5
GAP_INTERVALS = 2.5  # so many times the usual distance of two samples is a gap
USUAL_RATES = (1, 2, 4, 5, 8, 10, 12.5, 15, 16, 20, 25, 30, 32, 40, 50, 60, 64, 100, 120, 128, 200, 250, 256, 400, 500)


class SignalOptions(NamedTuple):
    """What is given about signals; ``None`` is found out from the recordings.

    Args:
        columns: of sensors; of pose tracks, body parts.
        per_individual: whether each individual is a sequence of its own.
        reading: what the files do not say about themselves.
    """

    columns: tuple[str, ...] | None = None
    per_individual: bool | None = None
    reading: RecordingOptions = RecordingOptions()


class _Seen(NamedTuple):
    """What the beginning of a recording tells.

    ``tracks`` of sensors are their columns alone. ``intervals (C,)`` are the usual distances of two samples of a
    column, NaN where it has none.
    """

    kind: Kind
    tracks: Tracks
    individuals: tuple[str, ...]
    rate: float | None
    intervals: np.ndarray


def choose_signal(
    recordings: Mapping[str, Path],
    options: SignalOptions | None = None,
    *,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    labelled: Collection[str] = (),
) -> SignalSettings:
    """Choose the settings of features from the beginnings of recordings, of at most 50 of them.

    All columns that all recordings have are used, at the usual rate of the fastest of them. Damaged recordings are left
    out here, and the extraction reports them. A window is two strides long. Each individual is a sequence of its own if
    the labels name individuals.

    Args:
        recordings: name to file, at least one.
        options: what is given about them.
        rate: samples per second, also those of recordings that have no times.
        window: samples in a snippet (L).
        stride: samples from one snippet to the next (σ).
        labelled: the names in the labels.

    Raises:
        InputError: none of the recordings can be read, or they have no column in common or different kinds.
    """
    options = options or SignalOptions()
    reading = options.reading.model_copy(update={"rate": rate})
    seen = _looked(recordings, options.columns, reading)
    (first_name, first), *rest = seen.items()
    for name, each in rest:
        if each.kind != first.kind:
            found, fix = f"{each.kind} data", "give recordings of one kind"
            raise InputError(recordings[name], expected=f"{first.kind} data as in {first_name}", found=found, fix=fix)
    columns = _common(seen) if options.columns is None else options.columns
    rate = rate or _usual_rate([*seen.values()])
    stride = stride or max(1, round(STRIDE_SECONDS * rate))
    tracks: dict[str, Any] = {}
    if first.kind == "pose":
        tracks = _individuals(seen, options.per_individual, labelled)
    return SignalSettings(
        source=first.kind,
        columns=columns,
        rate=rate,
        window=window or default_window(stride),
        stride=stride,
        gap_seconds=_gap_seconds([*seen.values()]),
        reading=reading,
        **tracks,
    )


def settings_for(
    recordings: Mapping[str, Path],
    kept: Settings | None,
    options: SignalOptions | None = None,
    *,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    labelled: Collection[str] = (),
) -> SignalSettings:
    """The settings of features that exist, with what is given, or else those of :func:`choose_signal`.

    Args:
        recordings: name to file, at least one.
        kept: the settings of the features; ``None`` if there are none.
        options: as in ``choose_signal``, likewise ``rate``, ``window``, ``stride`` and ``labelled``.

    Raises:
        InputError: see ``choose_signal``.
    """
    if not isinstance(kept, SignalSettings):
        return choose_signal(recordings, options, rate=rate, window=window, stride=stride, labelled=labelled)
    given: dict[str, object] = {"rate": rate, "window": window, "stride": stride}
    if options:
        given |= {"columns": options.columns, "per_individual": options.per_individual}
        reading = options.reading.model_copy(update={"rate": rate or kept.reading.rate})
        given["reading"] = None if options.reading == RecordingOptions() else reading
    return kept.model_copy(update={name: value for name, value in given.items() if value is not None})


def default_window(stride: int) -> int:
    """L for a stride: each sample is in two windows, and short windows have at least four samples."""
    return max(2 * stride, 4)


def _looked(
    recordings: Mapping[str, Path], columns: tuple[str, ...] | None, reading: RecordingOptions
) -> dict[str, _Seen]:
    """What the beginnings of the readable recordings show, by name.

    Raises:
        InputError: none can.
    """
    seen, errors = dict[str, _Seen](), list[InputError]()
    for name in [*recordings][:: max(1, -(-len(recordings) // RECORDINGS_READ))]:
        try:
            seen[name] = _look(recordings[name], columns, reading)
        except InputError as error:
            errors.append(error)
    if not seen:
        raise errors[0]
    return seen


def _look(path: Path, columns: tuple[str, ...] | None, reading: RecordingOptions) -> _Seen:
    with local(path) as file:
        recording = open_timed(file, reading.model_copy(update={"columns": columns}))
        times, values = next(iter(recording.blocks()))
    measured = np.isfinite(values)  # (n, C)
    intervals = [np.median(np.diff(times[own])) if own.sum() > 1 else np.nan for own in measured.T]
    tracks = Tracks((), recording.columns) if recording.kind == "sensor" else Tracks.of(recording)
    return _Seen(recording.kind, tracks, recording.individuals, recording.rate, np.array(intervals))


def _common(seen: Mapping[str, _Seen]) -> tuple[str, ...]:
    """The columns of all recordings, in the order of the first. Says which others there are."""
    counts = Counter(column for each in seen.values() for column in each.tracks.parts)
    columns = tuple(name for name, count in counts.items() if count == len(seen))
    if not columns:
        first, second = [*seen][:2]
        found = " and ".join(f"{listed(seen[name].tracks.parts)} in {name}" for name in (first, second))
        fix = "name some with --signal-columns, or give recordings of one kind"
        raise InputError("recordings", expected="columns that all have", found=found, fix=fix)
    if others := [name for name in counts if name not in columns]:
        log.warning("columns that some recordings lack are left out: %s", listed(others))
    return columns


def _usual_rate(seen: Sequence[_Seen]) -> float:
    """The median rate of the recordings, as a usual number if one is within 2 %."""
    rates = [each.rate or 1 / np.nanmin(each.intervals) for each in seen if each.rate or _is_timed(each)]
    if not rates:
        fix = "give recordings of more samples, or the rate with --rate"
        raise InputError("recordings", expected="at least two samples", found="fewer", fix=fix)
    rate = float(np.median(rates))
    tens = 10 ** max(0, int(np.floor(np.log10(rate))) - 1)  # 1,000 is as usual as 10
    near = [usual * scale for usual in USUAL_RATES for scale in (1, tens)]
    closest = min(near, key=lambda usual: abs(np.log(usual / rate)))
    return float(closest) if abs(closest / rate - 1) < 0.02 else float(f"{rate:.3g}")


def _is_timed(seen: _Seen) -> bool:
    return bool(np.isfinite(seen.intervals).any())


def _gap_seconds(seen: Sequence[_Seen]) -> float:
    """What counts as a gap in all columns: some intervals of the slowest."""
    slowest = [float(np.nanmax(each.intervals)) for each in seen if _is_timed(each)]
    return float(f"{max(LEAST_GAP_SECONDS, GAP_INTERVALS * max(slowest, default=0.0)):.3g}")


def _individuals(
    seen: Mapping[str, _Seen], per_individual: bool | None, labelled: Collection[str]
) -> dict[str, object]:
    """The settings that say whose features these are."""
    known = set(labelled)
    named = any(f"{name}/{individual}" in known for name, each in seen.items() for individual in each.individuals)
    most = max((each.tracks.owners for each in seen.values()), key=len)
    others = min(len(most) - 1, MOST_OTHERS)
    if named if per_individual is None else per_individual:
        return {"per_individual": True, "others": others}
    return {"individuals": most if len(most) > 1 else (), "others": others}
