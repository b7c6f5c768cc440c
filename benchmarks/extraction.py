"""How many times faster than real time features are extracted, and how memory grows with the length of the video.

    python benchmarks/extraction.py [--video FILE] [--json FILE]

A minute of 340 × 256 H.264 video at 30 frames per second, made here from moving textures with noise (or any FILE, whose
packets are repeated to fill the minute), is extracted with the motion descriptor as `rcl extract` does it by default:
as one file, and as eight files on two processes, their start included. Beside it stands the time of decoding alone,
which any backbone has to spend. Then one minute and twenty minutes are extracted, each in a fresh process whose peak
of the resident set is reported, libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from rcl.video.decoding import VideoReader
from rcl.video.extract_many import extract_many
from rcl.video.extraction import choose_extraction, extract_features
from rcl.video.packs import PackWriter

RATE, WIDTH, HEIGHT = 30, 340, 256
CORES = 2


def make_video(path: Path, *, seconds: int = 10) -> None:
    """Textures that move in all directions, with noise: hard to compress, so slow to decode."""
    random = np.random.default_rng(0)
    texture = np.kron(random.integers(0, 256, (80, 100, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(seconds * RATE):
            x, y = (round(side * (1 + np.sin(index / period)) / 2) for side, period in ((400, 40), (300, 27)))
            noise = random.integers(0, 12, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            pixels = np.ascontiguousarray(texture[y : y + HEIGHT, x : x + WIDTH] // 2 + noise + 40)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def repeat_video(source: Path, target: Path, *, seconds: float) -> None:
    """The packets of a video again and again, until it is long enough."""
    with av.open(str(target), "w") as output:
        out, offset = None, 0
        while True:
            with av.open(str(source)) as video:
                stream = video.streams.video[0]
                out = out or output.add_stream_from_template(stream)
                length = round(stream.duration or 0)
                for packet in video.demux(stream):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, out
                        output.mux(packet)
                offset += length
                if offset * stream.time_base >= seconds:
                    return


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def decode(video: Path, rate: float, size: Callable) -> None:
    for _ in VideoReader(video, rate=rate, transform=size):
        pass


def extract_in_this_process(video: Path) -> None:
    backbone, settings = choose_extraction("motion")
    extract_features(video, backbone, settings)
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def extraction_peak(video: Path) -> int:
    """Bytes."""
    command = [sys.executable, __file__, "--extract", str(video)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(result.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="a video to repeat, in place of the one that is made")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--extract", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(CORES)
    if options.extract:
        extract_in_this_process(options.extract)
        return

    backbone, settings = choose_extraction("motion")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = options.video or folder / "short.mp4"
        if not options.video:
            make_video(short)
        minute, long = folder / "minute.mp4", folder / "long.mp4"
        repeat_video(short, minute, seconds=60)
        repeat_video(short, long, seconds=1200)
        copies = {f"copy-{number}": folder / f"copy-{number}.mp4" for number in range(8)}
        for copy in copies.values():
            shutil.copy(minute, copy)
        decoding = timed(lambda: decode(minute, settings.rate, backbone.frame_size))
        single = timed(lambda: extract_features(minute, backbone, settings))
        several = timed(lambda: list(extract_many(PackWriter(folder / "pack", settings), copies, workers=CORES)))
        peaks = {"minute": extraction_peak(minute), "twenty_minutes": extraction_peak(long)}

    results = {
        "times_real_time": {
            "decoding_alone": 60 / decoding,
            "one_file": 60 / single,
            "eight_files_two_processes": 8 * 60 / several,
        },
        "decoding_share": decoding / single,
        "peak_mib": {length: peak / 2**20 for length, peak in peaks.items()},
    }
    for what, times in results["times_real_time"].items():
        print(f"{what.replace('_', ' '):28} {times:6.1f} × real time")
    for length, peak in results["peak_mib"].items():
        print(f"peak memory, {length.replace('_', ' '):15} {peak:6.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
