"""Thumbnails, and sheets of many of them with the label, the time and the score of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rcl.data.colours import ink_on, label_colours
from rcl.data.fonts import Fonts, fonts_for
from rcl.system.text_files import write_file

THUMBNAIL_WIDTH = 320
MADE_BY = "made by rcl clips"
"""The comment in a picture by which a later run recognizes it."""
COLUMNS, ROWS = 5, 8
_GAP, _CAPTION, _FONT = 10, 44, 15  # pixels
_PAPER = "#FFFFFF"


class Thumbnail(NamedTuple):
    """A picture of a segment: its file, and two lines about it, the label and the rest."""

    path: Path
    label: str
    line: str


def save_picture(pixels: np.ndarray | Image.Image, path: Path) -> None:
    """Write a JPEG, completely or not at all, with a comment that says who made it.

    Raises:
        InputError: the file cannot be written.
    """
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    write_file(path, lambda file: image.save(file, format="JPEG", quality=88, comment=MADE_BY.encode()))


def sheets(thumbnails: Sequence[Thumbnail], *, known_labels: Collection[str]) -> Iterator[Image.Image]:
    """Pages of up to ``COLUMNS`` × ``ROWS`` thumbnails in order, one in memory at a time.

    Args:
        thumbnails: at least one.
        known_labels: of all pictures that belong together, so that their colours are the same.
    """
    colours = label_colours(known_labels)
    fonts = fonts_for(text for one in thumbnails for text in (one.label, one.line))
    size = COLUMNS * ROWS
    for first in range(0, len(thumbnails), size):
        yield _sheet(thumbnails[first : first + size], colours, fonts)


def _sheet(thumbnails: Sequence[Thumbnail], colours: dict[str, str], fonts: Fonts) -> Image.Image:
    pictures = [Image.open(one.path) for one in thumbnails]
    columns = min(COLUMNS, len(pictures))
    tallest = min(max(picture.height for picture in pictures), 2 * THUMBNAIL_WIDTH)
    width, height = THUMBNAIL_WIDTH + _GAP, tallest + _CAPTION + _GAP
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    for number, (picture, one) in enumerate(zip(pictures, thumbnails, strict=True)):
        left, top = _GAP + number % columns * width, _GAP + number // columns * height
        picture.thumbnail((THUMBNAIL_WIDTH, tallest))
        sheet.paste(picture, (left, top + tallest - picture.height))
        picture.close()
        _caption(ImageDraw.Draw(sheet), (left, top + tallest), one, colours[one.label], fonts)
    return sheet


def _caption(draw: ImageDraw.ImageDraw, place: tuple[int, int], one: Thumbnail, colour: str, fonts: Fonts) -> None:
    left, top = place
    half = _CAPTION // 2
    draw.rectangle((left, top, left + THUMBNAIL_WIDTH - 1, top + half - 1), fill=colour)
    for text, middle, ink in ((one.label, top + half / 2, ink_on(colour)), (one.line, top + 1.5 * half, "#222222")):
        font = ImageFont.truetype(fonts.best_for(text), _FONT)
        draw.text((left + 4, middle), _fitted(text, font), fill=ink, font=font, anchor="lm")


def _fitted(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text, shortened in its middle if it is too long."""
    for kept in range(len(text), 0, -1):
        cut = text if kept == len(text) else f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        if font.getlength(cut) <= THUMBNAIL_WIDTH - 8:
            return cut
    return ""
