"""Make the pictures of docs/serve.md: ``python docs/make_serve_pictures.py``. It takes a few minutes.

It labels videos of the demo's figure in the page, trains on them, and takes pictures on the way. It needs Chromium and
playwright.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from rcl.data.annotations import Annotations
from rcl.video.synthetic.rendering import render_videos
from rcl.web.serve.videos import key_of

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1280, "height": 800}
VIDEOS, LABELLED = 16, 12
CLASSES = ("walk", "wave", "squats", "jump")  # that are labelled; a few videos are too few for more
QUALITY = 80  # of the pictures, of 100
TRAINING_MS = 1_200_000
IN_TRAINING = """document.querySelector('#training-stage').textContent.startsWith('Training,') &&
    document.querySelector('#training-progress').value > 0.4"""


@contextmanager
def serving(videos: Path) -> Iterator[str]:
    """The address of ``rcl serve``."""
    command = [sys.executable, "-m", "rcl.cli", "serve", str(videos), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.send_signal(signal.SIGINT)


def take(page: Page, name: str) -> None:
    """Write a picture of the page."""
    page.wait_for_timeout(800)  # until the strip of pictures is there
    image = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    path = PICTURES / f"{name}.webp"
    cv2.imwrite(str(path), image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def wait_until(page: Page, expression: str) -> None:
    """Wait until an expression of JavaScript is true; the page itself may not evaluate any."""
    while not page.evaluate(expression):
        page.wait_for_timeout(200)


def segments_of(truth: Annotations, name: str) -> list[dict[str, object]]:
    """The instances of a video, as the page sends them."""
    video = truth.videos[name]
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    return [{"start": start, "end": end, "label": label} for (start, end), label in pairs if label in CLASSES]


def label(page: Page, truth: Annotations, name: str, *, finished: bool) -> None:
    """Save the instances of a video, as a draft or in the labels."""
    what = "annotations" if finished else "draft"
    sent = {"segments": segments_of(truth, name), "revision": None}
    headers = {"X-RCL": "1", "Content-Type": "application/json"}
    answer = page.request.put(f"{page.url.split('#')[0]}api/videos/{key_of(name)}/{what}", data=sent, headers=headers)
    assert answer.ok, answer.text()


def main() -> None:
    """Make the pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        videos = Path(folder) / "my-videos"
        truth = render_videos(videos, count=VIDEOS, seed=5, instances=(5, 6), processes=1)
        names = [*truth.videos]
        with serving(videos) as address:
            page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page(viewport=SIZE)
            page.goto(address)
            label(page, truth, names[0], finished=False)
            page.reload()
            page.locator("#rows tr").first.wait_for()
            page.keyboard.press("ArrowDown")
            page.keyboard.press("ArrowDown")
            take(page, "serve-label")
            for name in names[:LABELLED]:
                label(page, truth, name, finished=True)
            page.reload()
            page.locator("#train:enabled").click()
            wait_until(page, IN_TRAINING)
            take(page, "serve-train")
            page.locator("#outcome-box").wait_for(timeout=TRAINING_MS)
            wait_until(page, "document.querySelector('#proposals-state').textContent ? '' : 'done'")
            page.keyboard.press("Shift+L")
            page.locator("#rows tr.open").first.wait_for()
            page.locator("#stretch").wait_for()
            take(page, "serve-proposals")


if __name__ == "__main__":
    main()
