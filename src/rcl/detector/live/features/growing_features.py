"""The features of one stream of a video whose pictures are still coming."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import torch
from torch import Tensor

from rcl.detector.live.features.rows import RowBuffer, RowFile
from rcl.detector.live.sources.parts import Picture
from rcl.system.errors import InputError
from rcl.video.decoding import Ticks
from rcl.video.extraction import VideoExtractor, batch_size
from rcl.video.feature_buffer import check_finite
from rcl.video.snippets import Windows, snippet_begin


class GrowingFeatures:
    """Features like those of an extractor, computed as soon as the frames of a snippet are there.

    Where pictures were dropped, the last one before stays on the screen. A snippet of which all frames are such
    repetitions is not computed: it repeats the features of the one before.

    Args:
        extractor: of the stream.
        where: the video, for messages.
        keep_seconds: how much of the features stays in memory, and in a file.

    Attributes:
        rows: the features so far, ``(T, c)``.
        held: number of snippets that were not computed because their frames were dropped.

    Raises:
        InputError: the backbone cannot be built.
    """

    def __init__(self, extractor: VideoExtractor, *, where: object, keep_seconds: float = math.inf) -> None:
        self.where, self.settings = where, extractor.settings
        self.rate = self.settings.snippets_per_second
        self.held = 0
        self._backbone = extractor.backbone()
        self.rows = RowBuffer(max(keep_seconds, 0) * self.rate + 1)
        self._file: RowFile | None = None
        self._waiting = list[Tensor]()  # snippets (3, L, H, W) that are not computed yet
        self.restart()

    @property
    def seconds(self) -> float:
        """How much of the video the snippets so far cover."""
        return self.rows.count / self.rate

    def keep_in(self, path: Path) -> None:
        """Keep the features in a new file, which :meth:`save` brings up to date.

        Raises:
            InputError: there is an old one that cannot be removed.
        """
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            found = f"an old one that cannot be removed ({error.strerror})"
            fix = "check the permissions, or choose another folder"
            raise InputError(path, expected="a place for features", found=found, fix=fix) from None
        self._file = RowFile(path)

    def resume_from(self, path: Path) -> None:
        """Go on with the features of a file, which are not computed again.

        Raises:
            InputError: it cannot be read.
        """
        self._file = RowFile(path)
        self.rows = self._file.load(self.rows.keep)
        self.restart()

    def restart(self) -> None:
        """Take the pictures from the first one on. What is known stays known."""
        settings, known = self.settings, self.rows.count
        begin = snippet_begin(known, settings.window, settings.stride)
        frames = max(min(begin, known * settings.stride), 0)  # that no new snippet needs, wherever the video ends
        self._ticks = Ticks(settings.rate, self._backbone.frame_size, where=self.where, known=frames)
        self._windows = Windows(settings.window, settings.stride, known=known)
        self._fresh = deque[int]()  # the snippets that have a frame of their own, from the next one on
        # A window shorter than the stride does not see all frames of its snippet: those after it are of the next one.
        self._late = max(settings.stride - snippet_begin(0, settings.window, settings.stride) - settings.window, 0)

    def push(self, picture: Picture) -> None:
        """Take the next picture.

        Raises:
            InputError: features are not finite, or the backbone does not take the picture.
        """
        for number, frame in enumerate(self._ticks.push(picture.frame, picture.until)):
            self._take(frame, repeats=bool(number and picture.dropped))
        self._compute()

    def finish(self) -> None:
        """Add the snippets whose windows reach beyond the end of the video.

        Raises:
            InputError: see :meth:`push`.
        """
        for frame in self._ticks.finish():
            self._take(frame, repeats=False)
        for snippet in self._windows.finish():
            self._add(snippet)
        self._compute()

    def save(self) -> None:
        """Bring the file up to date, if the features are kept in one.

        Raises:
            OSError, InputError: see :meth:`rcl.detector.live.features.rows.RowFile.save`.
        """
        if self._file:
            self._file.save(self.rows)

    def _take(self, frame: Tensor, *, repeats: bool) -> None:
        own = (self._windows.frames + self._late) // self.settings.stride  # the snippet that the frame belongs to
        if not repeats and own not in self._fresh:
            self._fresh.append(own)
        snippet = self._windows.push(frame)
        if snippet is not None:
            self._add(snippet)
        while self._fresh and self._fresh[0] < self._windows.count:
            self._fresh.popleft()

    def _add(self, snippet: Tensor) -> None:
        number = self._windows.count - 1
        if number and number not in self._fresh:
            self._compute()
            self.rows.append(self.rows.rows(number - 1).copy())
            self.held += 1
            return
        self._waiting.append(snippet)
        if len(self._waiting) >= batch_size(snippet):
            self._compute()

    def _compute(self) -> None:
        if not self._waiting:
            return
        features = self._backbone(torch.stack(self._waiting)).float().numpy()  # (B, c)
        self._waiting.clear()
        fix = "check the backbone with another video"
        check_finite(features, self.where, self.settings.backbone, self.seconds, self.rate, fix=fix)
        self.rows.append(features)
