"""Fonts that have the characters of labels, for figures and videos: few fonts have Japanese or Arabic ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple


class Font(NamedTuple):
    """An installed font: the name of its family, and its file."""

    family: str
    file: str


class Fonts(NamedTuple):
    """Fonts for some texts.

    Args:
        chosen: the first one has most characters, each further one some that those before it lack.
        missing: characters that no installed font has.
    """

    chosen: tuple[Font, ...]
    missing: str

    def best_for(self, text: str) -> str:
        """The file of the font that has most characters of a text, of equals the first."""
        return max(self.chosen, key=lambda font: len({*map(ord, text)} & _characters(font.file))).file

    def problem(self) -> str | None:
        """A sentence about missing characters, without its stop; ``None`` if there are none."""
        if not self.missing:
            return None
        return f"no installed font has {self.missing!r}, drawn as boxes; install one, such as Noto Sans of the language"


def fonts_for(texts: Iterable[str]) -> Fonts:
    """Choose installed fonts that have the characters of texts together, DejaVu Sans first, which Matplotlib has.

    >>> [font.family for font in fonts_for(["walk", "Öffnen"]).chosen]
    ['DejaVu Sans']
    """
    from matplotlib import font_manager

    usual = Font("DejaVu Sans", font_manager.findfont("DejaVu Sans"))
    wanted = {ord(letter) for text in texts for letter in text if letter.isprintable()}
    chosen, left = [usual], wanted - _characters(usual.file)
    others = [Font(one.name, one.fname) for one in font_manager.fontManager.ttflist] if left else []
    for font in sorted(others, key=lambda font: (not font.family.startswith("Noto Sans"), font)):
        if left and left & _characters(font.file):
            chosen.append(font)
            left -= _characters(font.file)
    return Fonts(tuple(chosen), "".join(map(chr, sorted(left))))


@cache
def _characters(file: str) -> frozenset[int]:
    """The code points for which a font has a glyph; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
