"""The programs that the page starts: what they report, in which order they work, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from made_pack import make_pack
from quick import quick_fit
from rcl.system.text_files import read_json
from rcl.training.workers import features, fit
from rcl.training.workers.features import Order
from rcl.training.workers.reporting import Reports
from rcl.video.records import recorded_names
from rendered import render


class Noted(Reports):
    """Reports that are kept in a list."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.on_progress = lambda: None

    def send(self, **values: Any) -> None:
        self.sent.append(values)

    def progress(self, stage: str, share: float, **values: Any) -> None:
        self.send(stage=stage, share=share, **values)
        self.on_progress()

    @property
    def done(self) -> list[str]:
        return [message["video"] for message in self.sent if "done" in message]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "broken.mp4").write_bytes(b"no video")
    names = ["a", "b", "broken"]
    for name in names[:2]:
        render(folder / f"{name}.mp4", frames=50)
    return {name: str(folder / f"{name}.mp4") for name in names}


def use(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "choose_backbone", lambda files, labels: (backbone, []))


def test_features_are_made_once_the_wanted_ones_first(
    videos: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("motion", monkeypatch)
    arguments = {"pack": str(tmp_path / "pack"), "videos": videos}
    reports, order = Noted(), Order()
    order.prefer(["broken", "b"])
    features.work(reports, arguments, order)
    assert reports.done == ["broken", "b", "a"]
    error = next(message["error"] for message in reports.sent if message.get("video") == "broken" and "done" in message)
    assert "broken.mp4" in error
    assert recorded_names(tmp_path / "pack") == ["a", "b"]
    assert [*read_json(tmp_path / "pack" / "annotations.json")["database"]] == ["a", "b"]
    settings = read_json(tmp_path / "pack" / "extraction.json")["settings"]
    assert settings["rate"] / settings["stride"] >= 4 / features.SHORT_SECONDS * 0.9  # a short action is four snippets
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "pack" / "features").iterdir()}
    features.work(Noted(), arguments, Order())
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "pack" / "features").iterdir()}


def test_a_video_that_is_wanted_now_interrupts_another_one(
    videos: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("motion+cuts", monkeypatch)
    reports, order = Noted(), Order()
    reports.on_progress = lambda: order.prefer(["b"])
    features.work(reports, {"pack": str(tmp_path / "pack"), "videos": videos}, order)
    assert reports.sent[0]["video"] == "a"
    assert reports.done == ["b", "a", "broken"]
    assert recorded_names(tmp_path / "pack") == ["cuts/a", "cuts/b", "motion/a", "motion/b"]  # both streams of each


def test_a_fit_reports_its_stages_and_leaves_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_fit(monkeypatch)
    pack = make_pack(tmp_path / "pack", training=3, validation=1)
    arguments = {"pack": str(pack), "labels": None, "after": None, "budget_seconds": None, "resume": False}
    reports = Noted()
    fit.work(reports, {**arguments, "output": str(tmp_path / "1")})
    stages = [message["stage"] for message in reports.sent]
    assert [*dict.fromkeys(stages)] == ["training", "evaluation"]
    assert [message["share"] for message in reports.sent if message["stage"] == "training"][-1] == 1.0
    assert read_json(tmp_path / "1" / fit.FINISHED)["doubts"] == []
    other = make_pack(tmp_path / "other", training=3, validation=1)
    after = {"pack": str(other), "output": str(tmp_path / "2"), "after": str(tmp_path / "1")}
    fit.work(Noted(), {**arguments, **after})
    assert "on other features" in read_json(tmp_path / "2" / fit.FINISHED)["doubts"][0]
    assert not (tmp_path / "2" / "comparison.json").exists()
