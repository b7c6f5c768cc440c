"""Content and colours of the charts of a diagnosis, drawn with Matplotlib for papers and with Plotly in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rcl.data.colours import GREEN, ORANGE, PURPLE, RED, SKY
from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.diagnosis import KINDS, Diagnosis, Rates


class Fill(NamedTuple):
    """The fill of a bar: its colour, and its hatching as one of ``/ \\ . x - + o`` or the empty string."""

    colour: str
    hatch: str = ""


_FILLS = Fill(GREEN), Fill(SKY, "/"), Fill(PURPLE, "."), Fill(ORANGE, "\\"), Fill(RED, "x"), Fill("#BBBBBB")
KIND_FILLS = dict(zip(KINDS, _FILLS, strict=True))
KIND_TITLES = {kind: kind.replace("_", " ") for kind in KINDS}


class Bar(NamedTuple):
    """The ground truths of one bucket.

    Args:
        characteristic: its title.
        bucket: its name.
        limit: such as ``≤ 30``; empty if the name of the bucket is its value.
        ground_truths: their number.
        percent: height of the bar; ``None`` for an empty bucket.
    """

    characteristic: str
    bucket: str
    limit: str
    ground_truths: int
    percent: float | None


class BucketChart(NamedTuple):
    """Bars of the buckets of all characteristics.

    Args:
        axis: title of the axis of the heights, ``mAP_N`` with an N below the line.
        bars: by characteristic.
        total_percent: value for all ground truths.
    """

    axis: str
    bars: tuple[Bar, ...]
    total_percent: float


def sensitivity(diagnosis: Diagnosis) -> BucketChart:
    """Average mAP_N on each bucket, in percent."""
    rates = {name: one.average_mAP_N for name, one in diagnosis.sensitivity.items()}
    return BucketChart("average mAP_N (%)", _bars(diagnosis, rates), 100 * diagnosis.average_mAP_N)


def false_negatives(diagnosis: Diagnosis) -> BucketChart:
    """Percentage of missed ground truths in each bucket."""
    negatives = diagnosis.false_negatives
    rates = {one.name: negatives.rates(one) for one in diagnosis.characteristics}
    return BucketChart("missed ground truths (%)", _bars(diagnosis, rates), 100 * float(negatives.missed.mean()))


def kinds(diagnosis: Diagnosis) -> dict[str, list[float | None]]:
    """Percentage of each kind of detection in each band of ranks; ``None`` in an empty band."""
    bands = diagnosis.false_positives.band_fractions
    return {kind: [_percent(band[kind]) for band in bands] for kind in KINDS}


def gains(diagnosis: Diagnosis) -> dict[str, float]:
    """Average mAP_N gained without each kind of error, in percent."""
    return {kind: 100 * gain for kind, gain in diagnosis.false_positives.gains.items()}


def _bars(diagnosis: Diagnosis, rates: Mapping[str, Rates]) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            CHARACTERISTICS[one.name],
            bucket,
            "" if one.name.startswith("context") else limit,
            count,
            _percent(rates[one.name][bucket]),
        )
        for one in diagnosis.characteristics
        for bucket, limit, count in zip(one.buckets, one.limits, one.counts.tolist(), strict=True)
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
