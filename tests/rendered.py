"""Small videos that show the number of each frame in its pixels, so that a test can tell which frame it was given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

SOUND = {".avi": "mp2", ".mpg": "mp2", ".webm": "libopus"}  # codecs; AAC elsewhere
BLOCKS = 4  # per side: 12 bits of the number and 4 bits that check them


def drawn(number: int, *, width: int = 96, height: int = 64) -> np.ndarray:
    """A frame ``(H, W, 3)`` of black and white blocks that spell a number below 4096."""
    code = number << 4 | _check(number)
    bits = np.array([code >> bit & 1 for bit in range(BLOCKS**2)], dtype=bool).reshape(BLOCKS, BLOCKS)
    rows, columns = (np.arange(side) * BLOCKS // side for side in (height, width))
    return np.where(bits[rows][:, columns], 230, 25).astype(np.uint8)[..., None].repeat(3, axis=-1)


def read_number(frame: Tensor) -> int:
    """The number that a frame ``(3, H, W)`` shows; −1 where it shows none (damaged, turned, mirrored)."""
    height, width = frame.shape[1:]
    rows, columns = (torch.tensor([int((i + 0.5) * side / BLOCKS) for i in range(BLOCKS)]) for side in (height, width))
    bits = (frame.float().mean(dim=0)[rows][:, columns] > 127).flatten().tolist()
    code = sum(1 << bit for bit, white in enumerate(bits) if white)
    return code >> 4 if code & 15 == _check(code >> 4) else -1


def _check(number: int) -> int:
    return (number ^ number >> 4 ^ number >> 8 ^ 5) * 7 & 15


def render(
    path: Path,
    *,
    frames: int = 30,
    rate: Fraction | int = 25,
    width: int = 96,
    height: int = 64,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: str | None = None,
    rotation: int = 0,
    audio_seconds: float = 0.0,
    faststart: bool = False,
) -> Path:
    """Write a video whose frame n shows the number n.

    Args:
        path: where to; its extension chooses the container.
        frames: how many.
        rate: frames per second.
        width: of what is coded, before it is turned for display.
        height: likewise.
        pts: presentation time of each frame in units of ``time_base``, for a variable rate; they say how many frames.
        time_base: in seconds; 1 / rate if not given.
        codec: of the frames.
        pixel_format: of what is coded.
        options: of the codec.
        container: overrules the extension.
        rotation: degrees anticlockwise by which players turn the frames.
        audio_seconds: length of a sound track, from time 0 on.
        faststart: the index of an MP4 stands at its beginning.
    """
    muxer_options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", format=container, options=muxer_options) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = time_base or 1 / Fraction(rate)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = output.add_stream(SOUND.get(path.suffix, "aac"), rate=48000) if audio_seconds else None
        for number, time in enumerate(range(frames) if pts is None else pts):
            frame = av.VideoFrame.from_ndarray(drawn(number, width=width, height=height), format="rgb24")
            frame.pts, frame.time_base = time, stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            _add_silence(output, sound, audio_seconds)
    return path


def render_audio(path: Path, seconds: float = 1.0) -> Path:
    """Write a file of silence, without a video."""
    with av.open(str(path), "w") as output:
        _add_silence(output, output.add_stream("aac", rate=48000), seconds)
    return path


def _add_silence(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    stream.codec_context.open(strict=False)
    size = stream.codec_context.frame_size or 1024
    for start in range(0, int(seconds * 48000), size):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, size), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
