"""Features, trainings and suggestions of the page: what it says, what it keeps, and that no process is left behind."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_workers
import psutil
import pytest
import torch
from starlette.testclient import TestClient

from made_pack import make_pack
from rcl.data.formats.load import load_annotations
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.system.text_files import write_json
from rcl.video.extraction import choose_extraction
from rcl.video.packs import PackWriter
from rcl.web.serve.app import build_app
from rcl.web.serve.learning import Learning
from rcl.web.serve.outcome import NOTHING_HELD_OUT, describe_forecast, describe_run
from rcl.web.serve.run_folder import RunFolder
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of
from rendered import render
from served import save_for_videos
from untrained import save_untrained
from waiting import wait_until

OURS = {"X-RCL": "1", "Content-Type": "application/json"}
NAMES = ["a", "b", "c"]
SETTINGS = choose_extraction("motion", rate=10, stride=2)[1].model_dump(mode="json")  # as served.save_for_videos
WAVE = {"start": 0.5, "end": 1.0, "label": "wave"}


def fake(module: str, arguments: dict[str, Any]) -> list[str]:
    return [sys.executable, str(Path(fake_workers.__file__)), module, json.dumps(arguments)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    save_for_videos(folder / "last.ckpt", folder)
    render(folder / "a.mp4", frames=50)
    return folder


@pytest.fixture
def plan(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plan"
    folder.mkdir()
    (folder / "last.ckpt").symlink_to(rendered / "last.ckpt")
    monkeypatch.setenv("RCL_FAKE_PLAN", str(folder))
    return folder


def prepare_features(videos: Path) -> None:
    """Begin the pack of features as a worker does."""
    pack = videos / "rcl-runs" / "features"
    pack.mkdir(parents=True)
    (pack / "extraction.json").write_text(json.dumps({"format": 1, "settings": SETTINGS}), encoding="utf-8")


@pytest.fixture
def videos(rendered: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.mp4").write_bytes((rendered / "a.mp4").read_bytes())
    prepare_features(folder)
    return folder


class Page:
    """A server's answers, without a server."""

    def __init__(self, videos: Path) -> None:
        self.session = session = Session(None, videos)
        session.learning = Learning(videos, session.annotations, session.videos, session.detecting, command=fake)
        session.suggestions.learning = session.learning
        session.learning.begin()
        self.client = TestClient(build_app(session), base_url="http://127.0.0.1:8000", headers=OURS)

    def status(self) -> Any:
        return self.client.get("/api/learning").json()

    def ask(self, what: str, method: str = "POST", **sent: Any) -> Any:
        return self.client.request(method, f"/api/learning/{what}", content=json.dumps(sent)).json()

    def label(self, *names: str) -> None:
        for name in names:
            sent = {"segments": [WAVE], "revision": None}
            self.client.put(f"/api/videos/{key_of(name)}/annotations", json=sent).raise_for_status()

    def wait_for(self, state: str) -> Any:
        wait_until(lambda: (self.status()["training"] or {}).get("state") == state)
        return self.status()


@pytest.fixture
def page(videos: Path, plan: Path) -> Iterator[Page]:
    made = Page(videos)
    yield made
    made.session.close()


def test_two_labelled_videos_become_a_detector_and_proposals_of_all_videos(page: Page, videos: Path) -> None:
    assert page.status()["obstacle"].endswith("So far: 0.")
    assert "error" in page.ask("training")  # too early
    page.label("a")
    assert page.status()["obstacle"].endswith("So far: 1.")
    page.label("b")
    assert page.status()["obstacle"] is None
    page.ask("training")
    after = page.wait_for("done")
    assert after["detector"] == {
        "run": "1", "version": 1, "sentences": [NOTHING_HELD_OUT, "A doubt."], "calibrated": False, "tested": False,
    }  # fmt: skip
    wait_until(lambda: page.status()["proposals"]["done"] == len(NAMES))
    assert page.client.get(f"/api/videos/{key_of('c')}").json()["detections"]
    run = RunFolder(page.session.annotations.path).latest()
    assert run is not None
    assert (run.labels or run.folder).read_text("utf-8") == page.session.annotations.path.read_text("utf-8")
    page.ask("training")  # again, with the videos that were held out before
    page.wait_for("done")
    arguments = json.loads((videos / "rcl-runs" / "2" / "arguments.json").read_text("utf-8"))
    assert arguments["after"] == str(run.folder)
    assert arguments["pack"] == str(videos / "rcl-runs" / "features")
    assert page.status()["detector"]["version"] == 2


def test_a_pack_is_trained_on_as_it_is(plan: Path, tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "pack", training=2, validation=1)
    (plan / "last.ckpt").unlink()
    save_untrained(plan / "last.ckpt")
    made = Page(pack)
    assert made.status()["features"] is None
    made.label("video-000", "video-001")
    made.ask("training")
    assert made.wait_for("done")["detector"]["run"] == "1"
    arguments = json.loads((pack / "rcl-runs" / "1" / "arguments.json").read_text("utf-8"))
    assert arguments["pack"] == str(pack)
    wait_until(lambda: made.status()["proposals"]["done"] == 3)
    assert made.ask("stretch")["stretch"]["video"] == "video-002"
    made.session.close()


def test_a_cancelled_training_leaves_no_process_and_can_be_continued_or_removed(page: Page, plan: Path) -> None:
    page.label("a", "b")
    (plan / "hold").touch()
    page.ask("training")
    wait_until(lambda: (plan / "pids").exists() and (plan / "pids").read_text("utf-8"))
    running = page.status()
    assert running["training"]["state"] == "running"
    assert "error" in page.ask("training")  # one at a time
    page.ask("training", "DELETE")
    after = page.wait_for("cancelled")
    assert not any(psutil.pid_exists(int(pid)) for pid in (plan / "pids").read_text("utf-8").split())
    assert after["interrupted"] == ["1"]
    assert after["detector"] is None
    (plan / "hold").unlink()
    page.ask("runs/1")
    assert page.wait_for("done")["interrupted"] == []
    assert "error" in page.ask("runs/1", "DELETE")  # a finished one stays
    assert "error" in page.ask("runs/..%2F..", "DELETE")


def test_an_interrupted_training_is_removed_by_its_name_alone(page: Page, plan: Path, videos: Path) -> None:
    page.label("a", "b")
    (plan / "hold").touch()
    page.ask("training")
    wait_until(lambda: (videos / "rcl-runs" / "1" / "config.yaml").exists())
    page.session.close()  # as a server that ends
    found = RunFolder(page.session.annotations.path)
    assert [run.name for run in found.interrupted()] == ["1"]
    found.remove("1")
    assert found.runs() == []
    assert found.begin().name == "1"
    assert [run.name for run in found.interrupted()] == ["1"]  # as if the server was killed at once


def test_a_page_that_was_started_without_training_says_how_to_get_it(videos: Path) -> None:
    session = Session(None, videos)
    assert "--no-background" in session.learning.status()["obstacle"]
    with pytest.raises(InputError, match="--no-background"):
        session.learning.train()
    session.close()


def test_an_error_of_the_fit_is_what_the_page_says(page: Page, plan: Path) -> None:
    page.label("a", "b")
    (plan / "fail").write_text("labels.csv: expected longer segments, found short ones; correct them.", "utf-8")
    page.ask("training")
    after = page.wait_for("failed")
    assert after["training"]["message"] == "labels.csv: expected longer segments, found short ones; correct them."
    assert after["detector"] is None
    assert after["interrupted"] == []


def test_where_no_features_can_be_written_one_can_label(videos: Path, plan: Path) -> None:
    shutil.rmtree(videos / "rcl-runs")
    (videos / "rcl-runs").write_text("a file", encoding="utf-8")  # no folder can be made in it
    made = Page(videos)
    made.label("a", "b")
    assert made.status()["obstacle"].startswith("No features can be made")
    made.session.close()


def test_broken_videos_are_named_and_the_others_go_on(videos: Path, plan: Path, rendered: Path) -> None:
    for name in ("broken", "deadly"):
        (videos / f"{name}.mp4").write_bytes((rendered / "a.mp4").read_bytes())
    made = Page(videos)
    wait_until(lambda: made.status()["features"]["done"] == len(NAMES))
    features = made.status()["features"]
    assert [one["video"] for one in features["failed"]] == ["broken", "deadly"]
    assert features["failed"][0]["message"] == "broken.mp4: no video."
    assert features["problem"] == ""
    assert made.status()["proposals"]["total"] == len(NAMES)
    made.session.close()


def test_features_in_the_pack_are_those_that_a_detector_would_extract(page: Page, rendered: Path, videos: Path) -> None:
    localizer, video = Localizer.load(rendered / "last.ckpt", device="cpu"), page.session.videos[key_of("a")]
    assert localizer.extractor is not None
    PackWriter(videos / "rcl-runs" / "features", localizer.extractor.settings).extract_one("a", videos / "a.mp4")
    wait_until(lambda: page.status()["features"]["done"] == len(NAMES))
    features = page.session.learning.features
    assert features is not None
    stored = features.read(video, localizer, lambda stage, share: None)
    extracted = video.read(localizer, lambda stage, share: None)
    assert stored is not None
    assert stored.timeline == extracted.timeline
    assert torch.equal(torch.as_tensor(stored.features), torch.as_tensor(extracted.features))
    assert [*features.stored()] == ["a"]


def test_a_stretch_is_offered_until_all_was_looked_at(page: Page) -> None:
    offered = page.ask("stretch")["stretch"]
    assert offered["reason"].endswith(".")
    other = page.ask("stretch", skipped=offered)["stretch"]
    assert (other["video"], other["start"]) != (offered["video"], offered["start"])
    assert "error" in page.ask("stretch", skipped={"video": "a"})
    page.label(*NAMES)
    assert page.ask("stretch") == {"stretch": None}


def test_a_stretch_that_was_looked_at_in_a_draft_is_not_offered_again(page: Page) -> None:
    offered = page.ask("stretch")["stretch"]
    draft = {"segments": [], "reviewed": [[offered["start"], offered["end"]]], "revision": None}
    page.client.put(f"/api/videos/{offered['key']}/draft", json=draft).raise_for_status()
    assert page.ask("stretch")["stretch"] != offered


def test_the_forecast_needs_a_tested_detector_and_is_told_in_a_sentence(page: Page, videos: Path) -> None:
    assert "error" in page.ask("forecast")
    page.label("a", "b")
    page.ask("training")
    page.wait_for("done")
    folder = videos / "rcl-runs" / "1"
    write_json(folder / "evaluation.json", {"counts": {"videos": 1, "ground_truths": 4}})
    page.ask("forecast")
    assert page.wait_for("done")["forecast"] == ["10 more labelled minutes: about +2 points ± 1."]
    write_json(
        folder / "learning-curve" / "learning_curve.json", {"trainings": {"done": 7, "count": 8}, "summary": ["?"]}
    )
    assert describe_forecast(folder) == []  # the rest is still to be trained


WORK = (
    "from rcl.training.workers.reporting import run_worker\nmain = lambda: run_worker(lambda *given: wait(), print)\n"
)


@pytest.mark.parametrize("then", ["wait()", WORK], ids=["while it imports", "while it works"])
def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, then: str) -> None:
    waits = "import os, time\n\ndef wait():\n    os.write(2, b'ready')\n    time.sleep(600)\n\n"
    (tmp_path / "slow.py").write_text(waits + then, encoding="utf-8")
    command = [sys.executable, "-m", "rcl.training.workers", "slow", "{}"]
    worker = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert isinstance(worker.stderr, io.BufferedReader)
    assert isinstance(worker.stdin, io.BufferedWriter)
    assert worker.stderr.read(5) == b"ready"
    worker.stdin.close()  # as when the server is killed
    assert worker.wait(timeout=60) == 1
    worker.stderr.close()


def test_labels_are_downloaded_as_files_of_other_tools(page: Page, tmp_path: Path) -> None:
    assert page.client.get("/api/export/boris").status_code == 400  # nothing is labelled
    page.label("a", "b")
    for name, format_ in (("labels.boris", "boris"), ("labels.csv", "csv")):
        answer = page.client.get(f"/api/export/{format_}")
        assert f'filename="{name}"' in answer.headers["content-disposition"]
        (tmp_path / name).write_bytes(answer.content)
        found = load_annotations(tmp_path / name, clip=False).videos
        assert {name: one.segments_seconds.tolist() for name, one in found.items()} == {key: [[0.5, 1]] for key in "ab"}
    assert page.client.get("/api/export/elan").content[:2] == b"PK"
    assert page.client.get("/api/export/png").status_code == 400


# -- the outcome in words -------------------------------------------------------------------------------------------


def events(**found: tuple[int, int, int]) -> dict[str, Any]:
    rows = {
        label: dict(zip(("right", "detections", "ground_truths"), counts, strict=True))
        for label, counts in found.items()
    }
    return {"per_class": rows, "of_other_labels": 0}


def test_the_outcome_says_what_is_found_and_what_is_wrong(tmp_path: Path) -> None:
    points = {"other_videos": events(wave=(8, 9, 10), kick=(3, 4, 6)), "same_videos": events(wave=(10, 10, 10))}
    counts = {"videos": 3, "ground_truths": 16}
    write_json(tmp_path / "evaluation.json", {"counts": counts, "operating_points": points})
    change = {"difference": {"average_mAP": 0.11, "interval_95": [-0.02, 0.2]}}
    values = {name: {"average_mAP": value} for name, value in (("earlier", 0.41), ("later", 0.52))}
    write_json(tmp_path / "comparison.json", {**change, **values})
    said = describe_run(tmp_path)
    assert said[0] == "In the 3 held-out videos it finds 8 of 10 wave and 3 of 6 kick."
    assert said[1] == "Of the 13 actions that it reports there, 2 are wrong."
    assert "only 16 actions" in said[2]
    assert said[3].startswith("Better than the detector before on the same videos, which may be chance")


def test_the_outcome_is_honest_where_nothing_is_found_or_held_out(tmp_path: Path) -> None:
    assert describe_run(tmp_path) == [NOTHING_HELD_OUT]
    write_json(tmp_path / "evaluation.json", {"counts": {"videos": 1, "ground_truths": 40}})
    assert describe_run(tmp_path) == ["In the held-out video it finds none of the 40 actions."]


@pytest.mark.parametrize(
    ("right", "reported", "said"),
    [
        (0, 0, "It reports no action there."),
        (0, 1, "The one action that it reports there is wrong."),
        (3, 3, "Of the 3 actions that it reports there, none is wrong."),
        (2, 3, "Of the 3 actions that it reports there, 1 is wrong."),
        (0, 3, "Of the 3 actions that it reports there, all are wrong."),
    ],
)
def test_the_outcome_says_how_much_of_what_is_reported_is_wrong(
    tmp_path: Path, right: int, reported: int, said: str
) -> None:
    points = {"other_videos": events(wave=(right, reported, 40)), "same_videos": None}
    content = {"counts": {"videos": 1, "ground_truths": 40}, "operating_points": points}
    write_json(tmp_path / "evaluation.json", content)
    assert describe_run(tmp_path) == [f"In the held-out video it finds {right} of 40 wave.", said]
