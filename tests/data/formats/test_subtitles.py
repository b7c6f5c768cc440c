"""Subtitles: what players show, and at which time."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.detections import Detections
from rcl.data.formats.subtitles import save_subtitles
from rcl.system.errors import InputError


def made(*rows: tuple[float, float, str, float]) -> Detections:
    labels = tuple(sorted({row[2] for row in rows})) or ("",)
    return Detections(
        ("video",),
        np.zeros(len(rows), dtype=np.int64),
        np.array([row[:2] for row in rows], dtype=np.float64).reshape(-1, 2),
        labels,
        np.array([labels.index(row[2]) for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.float64),
    )


FOUND = made((3661.5, 3662.25, "wave", 0.5), (1.0, 2.5, "jump & <turn>", 0.876), (2.0, 4.0, "walk", 0.1))


def test_subrip(tmp_path: Path) -> None:
    save_subtitles(FOUND, tmp_path / "a.srt")
    assert (tmp_path / "a.srt").read_text() == (
        "1\n00:00:01,000 --> 00:00:02,500\njump & ‹turn› 88%\n\n2\n01:01:01,500 --> 01:01:02,250\nwave 50%\n"
    )


def test_webvtt(tmp_path: Path) -> None:
    save_subtitles(FOUND, tmp_path / "a.vtt", min_score=0)
    text = (tmp_path / "a.vtt").read_text()
    assert text.startswith("WEBVTT\n\n00:00:01.000 --> 00:00:02.500\njump &amp; &lt;turn&gt; 88%")
    assert text.endswith("01:01:01.500 --> 01:01:02.250\nwave 50%\n")
    assert "walk 10%" in text


@pytest.mark.parametrize(("name", "text"), [("a.srt", ""), ("a.vtt", "WEBVTT\n")])
def test_nothing_found(tmp_path: Path, name: str, text: str) -> None:
    save_subtitles(made(), tmp_path / name)
    assert (tmp_path / name).read_text() == text


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e3), st.text(max_size=8)), max_size=5))
def test_every_detection_is_a_cue_with_a_length(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[float, float, str]]
) -> None:
    path = tmp_path_factory.mktemp("cues") / "a.srt"
    save_subtitles(made(*((start, start + length, label, 1.0) for start, length, label in found)), path)
    cues = [cue for cue in path.read_text(encoding="utf-8").split("\n\n") if cue]
    assert len(cues) == len(found)
    times = re.findall(r"^([\d:,]+) --> ([\d:,]+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(times) == len(found)
    assert all(start < end for start, end in times if len(start) == len(end))


def test_several_videos_need_several_files(tmp_path: Path) -> None:
    both = Detections(
        ("a", "b"), *(np.zeros(0, np.int64), np.zeros((0, 2)), ("x",), np.zeros(0, np.int64), np.zeros(0))
    )
    with pytest.raises(InputError, match="expected detections of one video, found 2"):
        save_subtitles(both, tmp_path / "a.srt")
    with pytest.raises(InputError, match=r"\.srt or \.vtt"):
        save_subtitles(made(), tmp_path / "a.txt")
