"""A server that is killed at any moment has lost nothing that it confirmed, and left no file in pieces.

``RCL_KILLS=200`` kills it more often.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

import mortal_server
from made_pack import make_pack
from rcl.data.formats.load import load_annotations
from rcl.system.text_files import write_file
from rcl.web.serve.run_folder import RunFolder
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of
from waiting import PATIENCE_SECONDS

KILLS = int(os.environ.get("RCL_KILLS", "6"))
OURS = {"X-RCL": "1", "Content-Type": "application/json"}
NAMES = ("a", "b", "c")
LABELS = ("wave", "jump", "kick", "high, five")

Shown = list[tuple[float, float, str]]


class State(NamedTuple):
    """A video: its segments in the labels, if it is there, and those that the page shows."""

    labels: Shown | None
    shown: Shown


class Step(NamedTuple):
    """A request, and what is to be once it is confirmed."""

    method: str
    path: str
    body: dict[str, Any]
    after: dict[str, State]


def as_json(segments: Shown) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "label": label} for start, end, label in segments]


def under(segments: Shown | None, old: str, new: str) -> Any:
    return None if segments is None else sorted((a, b, new if label == old else label) for a, b, label in segments)


def random_step(states: dict[str, State], draw: random.Random) -> Step:
    """What somebody may do next: label, be done with a video, take it out, or rename a class."""
    name = draw.choice(NAMES)
    path, state = f"/api/videos/{key_of(name)}", states[name]
    kind = draw.choice(("draft", "draft", "save", "take out", "rename"))
    if kind == "rename":
        old, new = draw.sample(LABELS, 2)
        after = {key: State(under(one.labels, old, new), under(one.shown, old, new)) for key, one in states.items()}
        return Step("POST", "/api/classes/rename", {"from": old, "to": new}, after)
    if kind == "take out" and state.labels is not None:
        return Step("DELETE", f"{path}/annotations", {}, states | {name: State(None, state.shown)})
    kept = [one for one in state.shown if draw.random() < 0.7]
    new = [(start, start + draw.randint(1, 9) / 8, draw.choice(LABELS)) for start in range(draw.randint(0, 6))]
    segments = sorted([*kept, *new])
    if kind == "save":
        body = {"segments": as_json(segments), "nothing_happens": not segments}
        return Step("PUT", f"{path}/annotations", body, states | {name: State(segments, segments)})
    return Step("PUT", f"{path}/draft", {"segments": as_json(segments)}, states | {name: State(state.labels, segments)})


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    """The answer of the server; an ``OSError`` or ``HTTPException`` if it dies."""
    connection.request(method, path, None if body is None else json.dumps(body), OURS)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    assert answer.status == 200, content
    return content


def live_and_die(
    process: BaseProcess, port: int, states: dict[str, State], draw: random.Random
) -> tuple[dict[str, State], Step]:
    """Work until the server is killed; return what it confirmed, and the step that it did not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    ask(connection, "GET", "/api/session")
    confirmed, begin, killer = 0, time.monotonic(), None
    until = draw.randint(1, 12)
    while True:
        step = random_step(states, draw)
        if confirmed == until:  # during this step or the next
            delay = draw.uniform(0, 1.5) * (time.monotonic() - begin) / confirmed
            killer = threading.Timer(delay, process.kill)
            killer.start()
        try:
            ask(connection, step.method, step.path, {"revision": None, **step.body})
        except (OSError, http.client.HTTPException):
            assert killer, "the server died by itself"
            killer.join()
            process.join()
            return states, step
        states, confirmed = step.after, confirmed + 1


def found_in(session: Session, labels: Path) -> dict[str, State]:
    """What training reads and what the page shows."""
    saved = load_annotations(labels).videos if labels.exists() and session.annotations.read() else {}

    def of(name: str) -> State:
        video = saved.get(name)
        pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True) if video else ()
        shown = session.video(key_of(name))["annotations"]
        return State(
            sorted((start, end, label) for (start, end), label in pairs) if video else None,
            sorted((one["start"], one["end"], one["label"]) for one in shown),
        )

    return {name: of(name) for name in NAMES}


def check(found: dict[str, State], before: dict[str, State], after: dict[str, State]) -> dict[str, State]:
    """Check that each video is as confirmed or, of the last step, as it was to be; return what holds now."""
    for name, state in found.items():
        assert state.labels in (before[name].labels, after[name].labels)
        assert state.shown in (before[name].shown, after[name].shown)
        mixed = State(after[name].labels, before[name].shown)  # the page would show less than the labels have
        assert state != mixed or mixed in (before[name], after[name])
    renamed = [state for state in ("before", "after") if found == {"before": before, "after": after}[state]]
    assert renamed or sum(before[name] != after[name] for name in NAMES) == 1  # of a renaming, all or nothing
    return found


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_a_server_that_is_killed_at_random_has_lost_nothing_that_it_confirmed(tmp_path: Path, extension: str) -> None:
    draw = random.Random(f"2026 {extension}")
    folder, labels = tmp_path / "videos", tmp_path / f"labels.{extension}"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.mp4").write_bytes(b"nobody looks inside")
    states = {name: State(None, []) for name in NAMES}
    for _ in range(max(KILLS // 2, 1)):
        process, port = mortal_server.start(folder, labels)
        before, step = live_and_die(process, port, states, draw)
        session = Session(None, folder, labels)  # which reads all files
        states = check(found_in(session, labels), before, step.after)
        session.close()


def take(session: Session, step: Step) -> None:
    """Do what a request asks for, without a server."""
    sent, (_, _, kind, key, *rest) = {"revision": None, **step.body}, step.path.split("/")
    if kind == "classes":
        session.class_changes.rename(sent)
    elif step.method == "DELETE":
        session.take_out(key, None)
    else:
        (session.draft if rest == ["draft"] else session.save)(key, sent)


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_between_any_two_files_that_are_written_nothing_is_lost(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(extension)
    labels = tmp_path / f"labels.{extension}"
    for name in NAMES:
        (tmp_path / f"{name}.mp4").write_bytes(b"nobody looks inside")
    states, session, interruptions = {name: State(None, []) for name in NAMES}, Session(None, tmp_path, labels), 0
    for _ in range(80):
        step, left = random_step(states, draw), [draw.randint(0, 5)]

        def write(path: Path, content: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            write_file(path, content)

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr("rcl.system.text_files.write_file", write)
            take(session, step)
        session.close()
        session = Session(None, tmp_path, labels)
        interruptions += left[0] == 0
        states = check(found_in(session, labels), states if left[0] == 0 else step.after, step.after)
    session.close()
    assert interruptions > 10


def test_a_server_that_is_killed_at_random_while_it_trains_has_lost_no_label_and_no_training(tmp_path: Path) -> None:
    draw = random.Random(2026)
    pack, labels = make_pack(tmp_path / "pack", training=3, validation=1), tmp_path / "labels.csv"
    drawn = {f"video-{number:03d}": [(float(number), number + 1.5, "wave")] for number in range(3)}
    for attempt in range(max(KILLS // 3, 2)):  # begun in the first one, continued in the others
        process, port = mortal_server.start(pack, labels, trains=True)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name, segments in drawn.items():
            body = {"segments": as_json(segments), "revision": None}
            ask(connection, "PUT", f"/api/videos/{key_of(name)}/annotations", body)
        interrupted = ask(connection, "GET", "/api/learning")["interrupted"]
        assert interrupted == ["1"] * (attempt > 0)
        begun = ask(connection, "POST", "/api/learning/runs/1" if interrupted else "/api/learning/training", {})
        assert begun["training"]["state"] in ("waiting", "running")
        time.sleep(draw.uniform(0, 6))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.join()
        assert psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)[1] == []
        saved = load_annotations(labels).videos
        assert {name: video.segments_seconds.tolist() for name, video in saved.items()} == {
            name: [[start, end]] for name, [(start, end, _)] in drawn.items()
        }
        assert [run.name for run in RunFolder(labels).interrupted()] == ["1"]
