"""``rcl watch``: what it refuses, says and serves, and that a killed one loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from places import ROOT
from rcl.detector.checkpoint import save_operating_points
from rcl.detector.live.events.journal_lines import Entry, parse_line
from rcl.detector.live.events.messages import events_after
from rcl.detector.live.features.part_features import PartFeatures
from rcl.detector.live.looking import Looking, decider
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints
from rcl.evaluation.calibration import Calibration
from rcl.video.settings import ExtractionSettings
from rendered import render
from typed import Rcl
from untrained import FACTS, save_untrained
from waiting import wait_until

sys.path.append(str(ROOT / "tests" / "detector" / "live"))
from watched import NO_B, playing, then_wait

LOW = 0.012  # random weights have low scores
CHANNELS = 376  # of the motion descriptor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watch-command")


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    settings = ExtractionSettings(backbone="motion", rate=15, window=4, stride=3)
    facts = replace(FACTS, in_channels=CHANNELS, longest=20.0, extraction=settings.model_dump(mode="json"))
    return save_untrained(folder / "last.ckpt", facts)


@pytest.fixture(scope="module")
def video(folder: Path) -> Path:
    return render(folder / "cam.ts", frames=150, options=NO_B)


def entries(path: Path) -> list[Entry]:
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [parse_line(line) for line in lines if line.endswith(b"\n")]


def test_wrong_arguments_are_refused_in_words(checkpoint: Path, video: Path, tmp_path: Path, rcl_: Rcl) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine\n")
    output = tmp_path / "events.jsonl"
    low = ("--min-score", LOW)
    cases: list[tuple[tuple[object, ...], str]] = [
        ((video,), "choose them with rcl calibrate CHECKPOINT PACK, or give a score with --min-score"),
        ((video, *low, "--only", "kick"), "--only: expected labels of the detector"),
        ((tmp_path / "missing.ts", *low), "no such file"),
        ((video, *low, "--latency", "soon"), "--latency: expected"),
        ((video, *low, "--latency", "2h"), "at most an hour, or unlimited"),
        ((video, *low, "--monitor", "here"), "--monitor: expected HOST:PORT"),
        ((video, *low, "--webhook", "ftp://x"), "begins with http:// or https://"),
        ((video, *low, "--command", "no-such-program"), "a program that can be run"),
        ((video, *low, "--deliver", "all"), "kinds of messages"),
        ((video, video, *low), "a source once"),
        ((video, *low, "--output", other), "a message of rcl watch"),
    ]
    for arguments, words in cases:
        result = rcl_("watch", checkpoint, "--output", output, *arguments)
        assert result.status == 2, (arguments, result.err)
        assert words in " ".join(result.err.split()), result.err
        assert "Traceback" not in result.err
    assert other.read_text() == "mine\n"
    assert entries(output) == []


def test_a_file_is_watched_and_a_bad_one_beside_it_fails(
    checkpoint: Path, video: Path, tmp_path: Path, rcl_: Rcl
) -> None:
    points = OperatingPoints(dict.fromkeys(FACTS.labels, LOW), Calibration(1.0, 0.0), 0.5, None, "tests")
    decides = tmp_path / "decides.ckpt"
    save_operating_points(points, checkpoint, decides)
    bad, output = tmp_path / "bad.ts", tmp_path / "events.jsonl"
    bad.write_bytes(b"no video at all" * 1000)
    options = ("--idle", "0.2s", "--clips", tmp_path / "clips", "--monitor", "127.0.0.1:0")
    result = rcl_("watch", decides, video, bad, "--output", output, *options)
    assert result.status == 2
    assert "bad.ts" in result.err
    assert "1 source could not be watched to the end" in result.err
    assert "1 of 2 sources well" in result.err
    assert "/health and http://127.0.0.1:" in result.err
    found = entries(output)
    assert {entry.message.source for entry in found} == {"cam"}
    assert all(entry.message.event.score >= LOW for entry in found if entry.message.event)
    clips = [entry for entry in found if entry.message.kind == "clip"]
    assert len(clips) == len(events_after(entry.message for entry in found)) > 0
    assert "no clip of" not in result.err
    assert all(Path(entry.message.details["path"]).stat().st_size > 0 for entry in clips)
    again = rcl_("watch", decides, video, "--output", output, "--idle", "0.2s")
    assert again.status == 0, again.err
    assert [e for e in entries(output)[len(found) :] if e.message.kind != "clip"] == []  # all was said


def started(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rcl.cli", "watch", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def has_said(output: Path, part: int) -> Callable[[], bool]:
    return lambda: any(
        entry.message.event is not None and entry.message.event.part == part for entry in entries(output)
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_watch_of_an_address_loses_nothing_and_a_stopped_one_ends_in_order(
    checkpoint: Path, video: Path, tmp_path: Path
) -> None:
    output, state, never = tmp_path / "events.jsonl", tmp_path / "state", threading.Event()
    arguments = ("--output", output, "--state", state, "--min-score", LOW, "--latency", "0.5s")
    with playing([then_wait(video.read_bytes(), never)] * 2) as address:
        process = started(checkpoint, f"cam={address}", *arguments)
        wait_until(has_said(output, 1), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = entries(output)
        shutil.copytree(state / "cam" / "part", tmp_path / "kept")

        process = started(checkpoint, f"cam={address}", *arguments, "--monitor", "127.0.0.1:0")
        assert process.stderr is not None
        said = ""
        while "/health" not in said:
            said += (line := process.stderr.readline())
            assert line, said
        wait_until(has_said(output, 2), process)
        url = next(word for word in said.split() if word.endswith("/health"))
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert json.load(answer)["sources"][0]["name"] == "cam"
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=300)
        never.set()
    assert process.returncode == 0, rest
    assert "Traceback" not in said + rest
    assert "events" in rest.splitlines()[-1]
    after = entries(output)
    assert after[: len(before)] == before
    assert [entry.seq for entry in after] == [*range(1, len(after) + 1)]
    announced = [entry.message.event.id for entry in after if entry.message.kind == "announced" and entry.message.event]
    assert len(announced) == len({*announced})

    localizer = Localizer.load(checkpoint)
    left = PartFeatures.resume(tmp_path / "kept", localizer.extractor, localizer.streams)
    left.finish()
    look = Looking(localizer, decide=decider(None, labels=localizer.labels, min_score=LOW)).look(left)
    expected = sorted((d.label, d.start_seconds, d.end_seconds, d.score) for d in look.detections)
    events = events_after(entry.message for entry in after).values()
    found = sorted((e.label, e.start_seconds, e.end_seconds, e.score) for e in events if e.part == 1)
    assert [row[0] for row in found] == [row[0] for row in expected]
    np.testing.assert_allclose([row[1:] for row in found], [row[1:] for row in expected], atol=2e-4)
