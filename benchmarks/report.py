"""Size of a large report, and time to write it, to open it, and to show a video.

    python benchmarks/report.py [--videos 200] [--detections 200] [--json FILE]

Made-up videos of 500 snippets with twelve actions each, detections around them, and the confidence maps of an untrained
network of the usual size. Headless Chromium opens the page from disk three times, each time in a fresh browser; the
numbers are medians. The size is that of the HTML file, which contains everything but the videos.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import argument_parser, write_json
from playwright.sync_api import sync_playwright
from torch import Tensor

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.segments import Timeline
from rcl.detector.build import build_model
from rcl.detector.checkpoint import Facts
from rcl.detector.config import Config
from rcl.detector.localizer import Localizer
from rcl.web.report.page import write_report

SNIPPETS, RATE, CHANNELS, ACTIONS = 500, 2.5, 128, 12
LABELS = tuple(f"action {number}" for number in range(20))
VIEW = {"width": 1300, "height": 900}


def make_annotations(videos: int, random: np.random.Generator) -> Annotations:
    """Videos with actions of 2 to 30 seconds."""
    made = {}
    for number in range(videos):
        start = random.uniform(0, SNIPPETS / RATE - 30, ACTIONS)
        segments = np.stack((start, start + random.uniform(2, 30, ACTIONS)), axis=1)
        labels = tuple(LABELS[i] for i in random.integers(len(LABELS), size=ACTIONS))
        name = f"video {number:03}"
        made[name] = VideoAnnotation(name, "validation", SNIPPETS / RATE, RATE, segments, labels)
    return Annotations(made, source="made")


def make_detections(annotations: Annotations, count: int, random: np.random.Generator) -> Detections:
    """``count`` detections per video, around its actions."""
    parts = []
    for video in annotations.videos.values():
        chosen = random.integers(ACTIONS, size=count)
        segments = video.segments_seconds[chosen] + random.normal(scale=2, size=(count, 2))
        segments = np.sort(segments.clip(0, SNIPPETS / RATE), axis=1) + np.array([0, 0.1])
        parts.append(
            Detections(
                videos=(video.name,),
                video_index=np.zeros(count, dtype=np.int64),
                segments_seconds=segments,
                labels=LABELS,
                label_index=random.integers(len(LABELS), size=count),
                scores=random.random(count),
            )
        )
    return Detections.concatenate(parts)


def make_localizer() -> Localizer:
    """An untrained detector of the usual size."""
    config = Config()
    facts = Facts(labels=LABELS, in_channels=CHANNELS, longest=75.0, snippets_per_second=RATE, extraction=None)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=len(LABELS))
    return Localizer.from_model(model, config, facts, device="cpu")


def features(number: int) -> tuple[Tensor, Timeline]:
    """Made-up features ``(C, T)`` of a video."""
    values = torch.randn(CHANNELS, SNIPPETS, generator=torch.Generator().manual_seed(number))
    return values, Timeline(RATE, end_seconds=SNIPPETS / RATE)


def open_page(path: Path) -> dict[str, float]:
    """Seconds until the page is loaded and until its first chart is drawn; milliseconds to open a video."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW)
        begin = time.perf_counter()
        page.goto(path.as_uri(), wait_until="load")
        loaded = time.perf_counter() - begin
        page.wait_for_selector(".chart.drawn")
        drawn = time.perf_counter() - begin
        opened = page.evaluate("(() => { const t = performance.now(); step(1); return performance.now() - t })()")
        browser.close()
    return {"loaded_seconds": loaded, "first_chart_seconds": drawn, "open_video_milliseconds": opened}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--detections", type=int, default=200, help="per video")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    annotations = make_annotations(options.videos, random)
    detections = make_detections(annotations, options.detections, random)
    localizer = make_localizer()
    readers = {name: partial(features, number) for number, name in enumerate(annotations.videos)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        begin = time.perf_counter()
        write_report(path, detections=detections, annotations=annotations, localizer=localizer, features=readers)
        results = {"write_seconds": time.perf_counter() - begin, "megabytes": path.stat().st_size / 1e6}
        rounds = [open_page(path) for _ in range(3)]
    results |= {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    print(f"{options.videos} videos, {options.detections} detections each, with maps")
    for name, value in results.items():
        print(f"{name.replace('_', ' '):26}{value:8.2f}")
    write_json(options.json, results)


if __name__ == "__main__":
    main()
