"""Lines of progress: when they come, and what they say."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import rcl.system.progress_lines
from rcl.cli.progress import ExtractionProgress, progress_bar
from rcl.system.errors import InputError
from rcl.system.progress_lines import ProgressLines
from rcl.video.packs import Outcome
from waiting import PATIENCE_SECONDS


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_line_comes_once_per_interval_and_short_work_prints_none() -> None:
    clock, said = Clock(), list[str]()
    lines = ProgressLines("Training", said.append, interval_seconds=30, clock=clock)
    for second in range(100):
        clock.seconds = second
        lines.show(f"epoch {second} of 100", second / 100)
        lines.tick()
        assert len(said) == second // 30
    assert said[0] == "Training: epoch 30 of 100, 30 %, about 70 s left"


def test_what_was_done_before_does_not_promise_an_early_end() -> None:
    clock = Clock()
    lines = ProgressLines("Extracting", print, clock=clock)
    lines.begin("150 of 200 videos", 0.75)
    clock.seconds = 60.0
    assert lines.line() == "Extracting: 150 of 200 videos, 75 %"
    lines.show("160 of 200 videos", 0.8)
    assert lines.line() == "Extracting: 160 of 200 videos, 80 %, about 4 min left"


def test_lines_come_while_the_work_says_nothing() -> None:
    said, twice = list[str](), threading.Event()

    def write(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            twice.set()

    with ProgressLines("Detecting", write, interval_seconds=0.01) as lines:
        lines.show("0 of 1 video", 0.0)
        assert twice.wait(60)
    assert set(said) == {"Detecting: 0 of 1 video, 0 %"}
    assert lines._thread
    assert not lines._thread.is_alive()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_pipe_ends_the_lines_and_not_the_work() -> None:
    tried = threading.Event()

    def write(line: str) -> None:
        tried.set()
        raise BrokenPipeError

    with ProgressLines("Detecting", write, interval_seconds=0.01) as lines:
        lines.show("0 of 1 video", 0.0)
        assert tried.wait(60)


def test_the_commands_print_lines_in_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = {name: tmp_path / f"{name}.mp4" for name in ("a", "b")}
    for path in videos.values():
        path.write_bytes(b"1234")
    error = InputError("a.mp4", expected="x", found="y", fix="z")
    with ExtractionProgress(videos) as progress:
        progress.show("a", 0.5)
        assert progress.lines.line().startswith("Extracting: 0 of 2 videos (a 50 %), 25 %")
        progress.finish(Outcome("a", error=error))
        assert progress.lines.line().startswith("Extracting: 1 of 2 videos, 50 %")
    assert "Extracting" not in capsys.readouterr().err  # it was short


def test_a_bar_prints_lines_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(rcl.system.progress_lines, "INTERVAL_SECONDS", 0.01)
    said = ""
    with progress_bar("Reporting", 4) as advance:
        advance()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "Reporting: 1 of 4 videos, 25 %" not in said:
            assert time.monotonic() < deadline, said
            time.sleep(0.01)
            said += capsys.readouterr().err
