"""Labels drawn over a video: those of the current moment, and below the picture a bar with all segments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rcl.data.colours import ink_on, label_colours
from rcl.data.fonts import fonts_for
from rcl.data.overlap import lanes_of

_MOST_LANES, _MOST_TAGS = 4, 6
_POINT_SECONDS = 0.5  # for which an event without a length is shown
_PAPER, _PLAYHEAD = (24, 24, 24), (255, 255, 255)


class LabelOverlay:
    """Draws the labels of a moment over the pictures of a video.

    Each label that goes on has a tag in its colour at the top left, with the score of a detection. Below the picture
    lies a bar with all segments in these colours and a line at the current moment.

    Args:
        segments_seconds: ``(N, 2)``.
        labels: ``N`` labels.
        scores: ``N`` scores; ``None`` for a segment without one.
        known_labels: all labels of the videos that belong together, so that their colours are the same.
        start_seconds: of the bar.
        end_seconds: of the bar.
    """

    def __init__(
        self,
        segments_seconds: np.ndarray,
        labels: Sequence[str],
        scores: Sequence[float | None],
        *,
        known_labels: Collection[str],
        start_seconds: float,
        end_seconds: float,
    ) -> None:
        self.segments_seconds, self.labels, self.scores = segments_seconds, labels, scores
        self.start_seconds, self.end_seconds = start_seconds, max(end_seconds, start_seconds + 1e-3)
        self.colours = label_colours(known_labels)
        self._fonts = fonts_for(self.colours)
        lengths = segments_seconds[:, 1] - segments_seconds[:, 0]
        self._until = segments_seconds[:, 1] + np.where(lengths > 0, 0, _POINT_SECONDS)  # (N,)
        self._bar: np.ndarray | None = None
        self._tag = lru_cache(maxsize=256)(self._drawn_tag)

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        """The picture with its labels: ``(H, W, 3)`` uint8 RGB → ``(H + bar, W, 3)``."""
        height, width = pixels.shape[:2]
        if self._bar is None:
            self._bar = self._drawn_bar(width, max(2 * round(height / 36), 12))
        drawn = np.concatenate([pixels, self._bar])
        self._add_tags(drawn[:height], seconds)
        place = round((seconds - self.start_seconds) / (self.end_seconds - self.start_seconds) * (width - 1))
        line = max(round(width / 400), 1)
        drawn[height:, max(place - line, 0) : place + line + 1] = _PAPER
        drawn[height:, max(place, 0) : max(place, 0) + line] = _PLAYHEAD
        return drawn

    def _add_tags(self, pixels: np.ndarray, seconds: float) -> None:
        height, width = pixels.shape[:2]
        size, gap = max(round(height / 20), 11), max(round(height / 90), 2)
        active = np.flatnonzero((self.segments_seconds[:, 0] <= seconds) & (seconds < self._until)).tolist()
        texts = [(self._text(row), self.colours[self.labels[row]]) for row in active]
        shown = texts if len(texts) <= _MOST_TAGS else [*texts[: _MOST_TAGS - 1], _more(len(texts) - _MOST_TAGS + 1)]
        top = gap
        for text, colour in shown:
            tag = self._tag(text, colour, size)[: max(height - top, 0), : width - gap]
            pixels[top : top + tag.shape[0], gap : gap + tag.shape[1]] = tag
            top += tag.shape[0] + gap

    def _text(self, row: int) -> str:
        score = self.scores[row]
        return self.labels[row] if score is None else f"{self.labels[row]}  {score:.2f}"

    def _drawn_tag(self, text: str, colour: str, size: int) -> np.ndarray:
        """A tag ``(h, w, 3)``."""
        font = ImageFont.truetype(self._fonts.best_for(text), size)
        left, _, right, _ = font.getbbox(text)
        margin, height = max(size // 3, 2), round(size * 1.5)
        image = Image.new("RGB", (round(right - left) + 2 * margin, height), colour)
        ImageDraw.Draw(image).text((margin, height / 2), text, fill=ink_on(colour), font=font, anchor="lm")
        return np.array(image)

    def _drawn_bar(self, width: int, height: int) -> np.ndarray:
        """The segments ``(height, width, 3)``, those that overlap below each other."""
        bar = np.empty((height, width, 3), dtype=np.uint8)
        bar[:] = _PAPER
        lanes = np.minimum(lanes_of(self.segments_seconds), _MOST_LANES - 1)
        count = int(lanes.max(initial=0)) + 1
        scale = width / (self.end_seconds - self.start_seconds)
        columns = np.clip((self.segments_seconds - self.start_seconds) * scale, 0, width)  # (N, 2)
        edges = np.round(np.linspace(1, height - 1, count + 1)).astype(int)
        for (left, right), lane, label in zip(columns.round().astype(int), lanes, self.labels, strict=True):
            colour = [int(self.colours[label][place : place + 2], 16) for place in (1, 3, 5)]
            bar[edges[lane] : edges[lane + 1], left : max(right, left + 1)] = colour
        return bar


def _more(count: int) -> tuple[str, str]:
    return f"+ {count}", "#444444"
