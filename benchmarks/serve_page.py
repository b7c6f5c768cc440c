"""How fast the page of ``rcl serve`` answers: 300 videos, one of them ten hours long with 2,000 segments.

Measured in the browser from the key or the pointer to the next picture on the screen (Event Timing):
``python benchmarks/serve_page.py``. It needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import uvicorn
from playwright.sync_api import Page, sync_playwright

from rcl.web.serve.app import build_app
from rcl.web.serve.session import Session

HOURS, SECONDS_PER_FRAME = 10, 5
LISTEN = """() => {
    window.events = [];
    new PerformanceObserver((list) => window.events.push(...list.getEntries().map((one) => [one.name, one.duration,
        one.processingEnd - one.processingStart]))).observe({type: "event", durationThreshold: 16});
}"""


def render(path: Path, frames: int, seconds_per_frame: float) -> None:
    """Write a grey video."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"g": "12"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 7 % 256, np.uint8), format="rgb24")
            frame.pts = round(number * seconds_per_frame * 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def make_folder(folder: Path, videos: int, segments: int) -> Path:
    """Write the videos and a table of labels; return the table."""
    render(folder / "long.mp4", HOURS * 3600 // SECONDS_PER_FRAME, SECONDS_PER_FRAME)
    render(folder / "short.mp4", 50, 0.04)
    for number in range(videos - 2):
        shutil.copy(folder / "short.mp4", folder / f"video-{number:03d}.mp4")
    table = folder / "labels.csv"
    starts = np.linspace(0, HOURS * 3600 - 20, segments)
    rows = [f"long,{start:.2f},{start + 9:.2f},class {at % 12}" for at, start in enumerate(starts)]
    table.write_text("\n".join(["video,start,end,label", *rows]) + "\n", encoding="utf-8")
    return table


@contextmanager
def serving(session: Session) -> Iterator[str]:
    """The address of a server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(build_app(session), log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


class Meter:
    """Presses keys in a page and prints what that cost: until the screen shows it, and in CPU time of its thread.

    On a busy machine, the CPU time still says what the page does; the time to the screen also says what it waits for.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.devtools = page.context.new_cdp_session(page)
        self.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def measure(self, what: str, keys: list[str]) -> None:
        """Press keys and print the times that the browser noted, in milliseconds."""
        self.page.evaluate("window.events = []")
        before = self._cpu_seconds()
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(60)
        self.page.wait_for_timeout(300)
        cpu = 1000 * (self._cpu_seconds() - before) / len(keys)
        events = [one for one in self.page.evaluate("window.events") if one[0] in ("keydown", "keyup")]
        shown, worked = ([one[column] for one in events] or [0.0] for column in (1, 2))
        late = sum(time > 100 for time in shown)
        print(
            f"{what:20} {len(keys):3} keys: to the screen median {np.median(shown):4.0f}, at most {max(shown):4.0f} ms "
            f"({late} later than 100); scripts at most {max(worked):4.0f} ms; CPU {cpu:4.0f} ms per key",
            flush=True,
        )

    def _cpu_seconds(self) -> float:
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--segments", type=int, default=2000)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        table = make_folder(Path(folder), options.videos, options.segments)
        with serving(Session(None, Path(folder), table)) as address:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(address)
            page.get_by_role("navigation").get_by_role("button", name="long").click()
            page.wait_for_selector("#rows tr")
            page.wait_for_timeout(2000)
            page.evaluate(LISTEN)
            measure = Meter(page).measure
            measure("zoom in and out", [*["+"] * 12, *["-"] * 12])
            measure("zoom in, move", [*["+"] * 6, *["PageDown"] * 10])
            measure("next segment", ["ArrowDown"] * 12)
            measure("move an end", ["]", *["ArrowRight"] * 10])
            measure("step", [*["."] * 10, *[">"] * 10])
            measure("label", [*["Escape", "1", ">", "1"] * 5])
            measure("undo", ["Control+z"] * 5)
            measure("delete and undo", ["ArrowDown", *["Delete", "Control+z"] * 4])
            measure("all of it", ["+", "0"] * 3)
            page.locator("#filter").focus()
            measure("filter the videos", [*"video-2", *["Backspace"] * 7])
            page.locator("#filter").blur()
            measure("next video and back", ["Shift+N", "Shift+P"] * 4)
            print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
            browser.close()


if __name__ == "__main__":
    main()
