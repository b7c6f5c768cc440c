"""Colours of labels, the same in every figure and in every video."""

from __future__ import annotations

import colorsys
from collections.abc import Collection

# Okabe and Ito's colours, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
_DISTINCT = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, "#F0E442", "#999999")
_LIGHTNESSES = (0.35, 0.65, 0.5)
_GOLDEN_RATIO = 0.618034  # steps of it around the circle of hues never come close to an earlier hue


def label_colours(labels: Collection[str]) -> dict[str, str]:
    """A colour ``#rrggbb`` for each label, by their order in the alphabet, so that the order of a file plays no part.

    Up to eight labels have colours that differ for any colour vision. Further ones differ in hue and lightness.

    >>> label_colours(["walk", "kick", "walk"])
    {'kick': '#0072B2', 'walk': '#E69F00'}

    Args:
        labels: any number of them; repeated ones count once.
    """
    names = sorted({*labels})
    further = [_further(number) for number in range(max(0, len(names) - len(_DISTINCT)))]
    return dict(zip(names, (*_DISTINCT, *further), strict=False))


def _further(number: int) -> str:
    hue, lightness = (0.05 + number * _GOLDEN_RATIO) % 1, _LIGHTNESSES[number % len(_LIGHTNESSES)]
    channels = colorsys.hls_to_rgb(hue, lightness, 0.6)
    return "#" + "".join(f"{round(255 * value):02X}" for value in channels)


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour ``#rrggbb``, by its relative luminance (WCAG 2).

    >>> ink_on("#F0E442"), ink_on("#0072B2")
    ('#000000', '#FFFFFF')
    """
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#FFFFFF"
