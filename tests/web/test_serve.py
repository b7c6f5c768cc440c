"""The page's server: who may ask, what is served, jobs, live scores, and annotations that are read back as written."""

from __future__ import annotations

import csv
import http.client
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from made_pack import make_pack
from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.load import load_annotations
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import NEW, AnnotationFile, OutdatedError, revision_of
from rcl.web.serve.app import STATIC, build_app
from rcl.web.serve.file_content import Replacement, Segment
from rcl.web.serve.job_queue import JobQueue, Report
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of
from rendered import render
from served import save_for_videos, serving
from typed import Rcl
from untrained import FACTS, random_model, save_untrained, tiny_config

ADDRESS = "http://127.0.0.1:8000"
OURS = {"X-RCL": "1", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "videos" / "more").mkdir(parents=True)
    path = save_for_videos(folder / "last.ckpt", folder / "videos")
    render(folder / "videos" / "more" / "second.mp4", frames=60)
    (folder / "videos" / "broken.mp4").write_bytes(b"no video")
    (folder / "videos" / "notes.txt").write_text("private", encoding="utf-8")
    (folder / "secret.mp4").write_bytes(b"secret")
    (folder / "videos" / "link.mp4").symlink_to(folder / "secret.mp4")
    return path


@pytest.fixture(scope="module")
def localizer(checkpoint: Path) -> Localizer:
    return Localizer.load(checkpoint, device="cpu")


@pytest.fixture
def session(localizer: Localizer, checkpoint: Path, tmp_path: Path) -> Iterator[Session]:
    made = Session(localizer, checkpoint.parent / "videos", tmp_path / "labels.csv")
    yield made
    made.close()


@pytest.fixture
def client(session: Session) -> TestClient:
    return TestClient(build_app(session), base_url=ADDRESS, headers=OURS, raise_server_exceptions=False)


PROBE, BROKEN, SECOND = (f"/api/videos/{key_of(name)}" for name in ("probe", "broken", "more/second"))


def wait(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


def finished(client: TestClient, video: str) -> dict[str, Any]:
    job = client.post(f"{video}/job").json()
    if job["state"] in ("waiting", "running"):
        wait(lambda: client.get(f"{video}/job").json()["state"] not in ("waiting", "running"))
    return client.get(f"{video}/job").json()


# -- what is served ----------------------------------------------------------------------------------------------


def test_videos_are_listed_with_those_below_and_without_links_that_lead_out(client: TestClient) -> None:
    found = client.get("/api/session").json()
    assert [video["name"] for video in found["videos"]] == ["broken", "more/second", "probe"]
    assert [one["name"] for one in found["classes"]] == list(FACTS.labels)
    assert client.get(PROBE).json()["annotations"] == []


def test_the_page_and_all_that_it_names_are_served_with_a_policy(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "<video" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in page.headers["content-security-policy"]
    named = re.findall('="/static/(.*?)"', page.text)
    assert {"serve.js", "serve.css", "timeline.css"} <= set(named)
    modules = {name: client.get(f"/static/{name}").text for name in STATIC if name.endswith(".js")}
    imports = {name: re.findall(r'^import .*"\./(.+)";$', text, re.MULTILINE) for name, text in modules.items()}
    assert set(TopologicalSorter(imports).static_order()) == set(modules)  # none is missing, and there is no circle
    assert "timeline.js" in imports["timeline_view.js"]
    for name in (*named, *STATIC):
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_video_is_served_whole_and_in_ranges(client: TestClient, checkpoint: Path) -> None:
    content = (checkpoint.parent / "videos" / "probe.mp4").read_bytes()
    address = f"/media/{key_of('probe')}"
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get(address, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert client.get(address, headers={"Range": "bytes=-50"}).content == content[-50:]
    assert client.get(address, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/media/../secret.mp4", "/media/..%2fsecret.mp4", "/media/%2e%2e/secret.mp4", "/media/..%252fsecret.mp4",
        "/media//etc/passwd", "/media/%2fetc%2fpasswd", "/media/..\\secret.mp4", "/media/probe.mp4", "/media/notes.txt",
        "/media/link", f"/media/{key_of('link')}", f"/media/{key_of('secret')}", "/media/probe%00", "/media/",
        "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e%2f%2e%2e%2fsession.py", "/static/index.html",
        "/static/__init__.py", "/static//etc/passwd", "/static/report.html.j2",
        "/api/videos/../../etc/passwd", "/api/videos/..%2f..%2fsecret", f"/api/videos/{key_of('link')}",
    ],
)  # fmt: skip
def test_nothing_else_can_be_reached(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code in (400, 404)
    for text in ("secret", "private", "root:", "import "):
        assert text not in answer.text.replace("..%2fsecret", "").replace("../secret", "")


@pytest.mark.parametrize("path", ["/media/../secret.mp4", "/static/../session.py", "//etc/passwd", "/../../etc/passwd"])
def test_a_client_that_tidies_no_path_gets_no_further(session: Session, path: str) -> None:
    with serving(session) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()


def test_a_file_that_becomes_a_link_out_of_the_folder_is_not_served(
    localizer: Localizer, tmp_path: Path, checkpoint: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    video = folder / "a.mp4"
    video.write_bytes(b"a video")
    session = Session(localizer, folder)
    client = TestClient(build_app(session), base_url=ADDRESS)
    assert client.get(f"/media/{key_of('a')}").content == b"a video"
    video.unlink()
    assert client.get(f"/media/{key_of('a')}").status_code == 404
    video.symlink_to(checkpoint.parent / "secret.mp4")
    assert client.get(f"/media/{key_of('a')}").status_code == 404
    video.unlink()
    (folder / "b").mkdir()
    (folder / "b" / "inside.mp4").write_bytes(b"inside")
    video.symlink_to(folder / "b" / "inside.mp4")
    assert client.get(f"/media/{key_of('a')}").content == b"inside"
    session.close()


# -- who may ask -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.5", "",
             "127.0.0.1@evil.example", "[::1", "evil.example/127.0.0.1"],
)  # fmt: skip
def test_a_foreign_name_of_this_server_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/session", f"/media/{key_of('probe')}"):
        assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_names_of_loopback_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/api/session", headers={"Host": host}).status_code == 200


def test_on_a_network_addresses_and_the_given_name_are_accepted_and_other_names_refused(session: Session) -> None:
    client = TestClient(build_app(session, host="videos.lan"), base_url=ADDRESS)
    statuses = [
        client.get("/api/session", headers={"Host": host}).status_code
        for host in ("videos.lan:8000", "192.168.1.7:8000", "evil.example")
    ]
    assert statuses == [200, 200, 403]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"X-RCL": ""},
        {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)  # fmt: skip
def test_another_page_cannot_write(client: TestClient, session: Session, headers: dict[str, str]) -> None:
    body = json.dumps({"segments": [{"start": 0, "end": 1, "label": "clap"}], "revision": NEW})
    writes = [("PUT", f"{PROBE}/annotations"), ("DELETE", f"{PROBE}/annotations")]
    for method, path in (*writes, ("POST", f"{PROBE}/job"), ("DELETE", f"{PROBE}/job")):
        assert client.request(method, path, content=body, headers=headers).status_code == 403
    assert not session.annotations.path.exists()
    assert client.get(f"{PROBE}/job").json() is None
    same = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    assert client.put(f"{PROBE}/annotations", content=body, headers=same).status_code == 200


def test_another_page_can_neither_embed_nor_preflight(client: TestClient) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "video"}
    assert client.get(f"/media/{key_of('probe')}", headers=foreign).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}).status_code == 200
    preflight = client.options(f"{PROBE}/job", headers={"Origin": "http://evil.example"})
    assert preflight.status_code == 403
    assert not any(name.startswith("access-control") for name in preflight.headers)


# -- jobs --------------------------------------------------------------------------------------------------------


def test_jobs_run_one_after_the_other_and_can_be_cancelled() -> None:
    go, begun, running, most = threading.Event(), list[str](), [0], [0]

    def work(key: str, report: Report) -> None:
        begun.append(key)
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            while not go.is_set():
                report("working", 0.5)
                time.sleep(0.002)
        finally:
            running[0] -= 1

    before = threading.enumerate()
    jobs = JobQueue(work)
    first, second, third = (jobs.submit(key) for key in "abc")
    wait(lambda: first.state == "running" and first.share == 0.5)
    assert jobs.submit("a") is first
    assert jobs.submit("b") is second
    assert [jobs.ahead(job) for job in (first, second, third)] == [0, 1, 2]
    jobs.cancel("b")
    assert second.state == "cancelled"
    assert jobs.ahead(third) == 1
    jobs.cancel("a")
    wait(lambda: first.state == "cancelled")
    wait(lambda: third.state == "running")
    again = jobs.submit("a")
    go.set()
    wait(lambda: again.state == "done")
    assert (begun, most, third.state) == (["a", "c", "a"], [1], "done")
    jobs.close()
    assert set(threading.enumerate()) <= set(before)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_jobs_run_where_the_server_was_started_with_a_low_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under ``nice``, or as a service with ``Nice=10``: only root could raise it again."""

    def set_as_a_user(kind: int, thread: int, niceness: int) -> None:
        if niceness < 10:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rcl.web.serve.job_queue.os.getpriority", lambda kind, thread: 10)
    monkeypatch.setattr("rcl.web.serve.job_queue.os.setpriority", set_as_a_user)
    jobs = JobQueue(lambda key, report: None)
    job = jobs.submit("a")
    wait(lambda: job.state == "done")
    jobs.close()


def test_a_job_that_fails_says_why_and_the_next_goes_on() -> None:
    def work(key: str, report: Report) -> None:
        if key == "user":
            raise InputError("a.mp4", expected="a video", found="none", fix="find it")
        if key == "ours":
            raise MemoryError("too much")

    jobs = JobQueue(work)
    wrong, broken, good = (jobs.submit(key) for key in ("user", "ours", "good"))
    wait(lambda: good.state == "done")
    assert (wrong.state, wrong.message) == ("failed", "a.mp4: expected a video, found none; find it.")
    assert (broken.state, broken.message) == ("failed", "MemoryError: too much")
    jobs.close()


def test_a_running_extraction_ends_when_it_is_cancelled_and_a_second_video_waits(
    client: TestClient, session: Session
) -> None:
    video = session.videos[key_of("probe")]
    shares: list[float | None] = []

    def slow(localizer: Localizer, report: Report) -> Any:
        def and_wait(stage: str, share: float | None) -> None:
            shares.append(share)
            time.sleep(0.02)
            report(stage, share)

        while True:
            video.read(localizer, and_wait)

    session.videos[video.key] = video._replace(read=slow)
    client.post(f"{PROBE}/job")
    wait(lambda: client.get(f"{PROBE}/job").json()["state"] == "running")
    waiting = client.post(f"{SECOND}/job").json()
    assert (waiting["state"], waiting["ahead"]) == ("waiting", 1)
    wait(lambda: any(share is not None and 0 < share <= 1.1 for share in shares))
    client.delete(f"{PROBE}/job")
    wait(lambda: client.get(f"{PROBE}/job").json()["state"] == "cancelled")
    wait(lambda: client.get(f"{SECOND}/job").json()["state"] == "done")
    assert client.get(PROBE).json()["detections"] is None


def test_a_running_detection_ends_between_chunks_when_it_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = make_pack(tmp_path / "pack", training=1, validation=0)  # of 400 snippets or more
    localizer = Localizer.load(save_untrained(tmp_path / "last.ckpt"), device="cpu")
    localizer.chunk = 50
    session = Session(localizer, pack)
    key = key_of("video-000")
    encode, encoded, go = localizer.model.encode, threading.Semaphore(0), threading.Event()
    chunks: list[int] = []

    def waiting(*values: Any) -> Any:
        chunks.append(1)
        encoded.release()
        assert go.wait(20)
        return encode(*values)

    monkeypatch.setattr(localizer.model, "encode", waiting)
    session.detect(key)
    assert encoded.acquire(timeout=20)
    session.cancel(key)
    go.set()
    wait(lambda: session.job(key)["state"] == "cancelled")  # type: ignore[index]
    assert len(chunks) == 1
    assert session.video(key)["detections"] is None
    session.close()


def test_a_file_that_cannot_be_read_is_named_in_a_sentence(client: TestClient) -> None:
    job = finished(client, BROKEN)
    assert job["state"] == "failed"
    assert job["message"].endswith("; check that it plays, or convert it.")
    assert finished(client, PROBE)["state"] == "done"


# -- detections and scores ---------------------------------------------------------------------------------------


def test_detections_and_live_scores_are_those_of_the_localizer(
    client: TestClient, session: Session, localizer: Localizer, checkpoint: Path
) -> None:
    asked = client.post(f"{PROBE}/scores", json={"segments": [[0.5, 1.5]]})
    assert asked.status_code == 409  # before the features are in memory
    assert finished(client, PROBE)["state"] == "done"
    file = checkpoint.parent / "videos" / "probe.mp4"
    shown = client.get(PROBE).json()
    expected = list(localizer.detect(file, video="probe"))
    assert len(shown["detections"]) == len(expected) > 0
    for row, detection in zip(shown["detections"], expected, strict=True):
        assert (row["label"], row["score"]) == (detection.label, pytest.approx(detection.score, abs=1e-6))
        times = pytest.approx((detection.start_seconds, detection.end_seconds), abs=0.002)
        assert (row["start"], row["end"]) == times
    assert shown["duration"] == pytest.approx(4.0)
    segments = [[0.0, 4.0], [0.31, 0.9], [1.0, 1.2]]
    answer = client.post(f"{PROBE}/scores", json={"segments": segments}).json()
    scores = localizer.score(file, segments)
    np.testing.assert_allclose(answer["confidence"], scores.confidence, atol=1e-6)
    np.testing.assert_allclose(answer["labels"], scores.labels, atol=1e-6)
    np.testing.assert_allclose(answer["refined"], scores.refined_seconds, atol=0.0006)
    assert answer["names"] == list(FACTS.labels)


def test_a_live_question_encodes_nothing_anew(
    client: TestClient, localizer: Localizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(client, PROBE)
    calls = []
    encode = localizer.model.encode
    monkeypatch.setattr(localizer.model, "encode", lambda *args: calls.append(1) or encode(*args))
    for end in (1.0, 1.1, 1.2):
        assert client.post(f"{PROBE}/scores", json={"segments": [[0.5, end]]}).status_code == 200
    assert len(calls) == 1


def test_encoded_windows_answer_like_fresh_ones() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, FACTS.in_channels)).astype(np.float32)
    localizer = Localizer.from_model(random_model(tiny_config()), tiny_config(), FACTS, device="cpu")
    localizer.search.window = 40
    encoded = localizer.encode(features, 5.0)
    starts = np.sort(rng.uniform(0, 38, size=60))
    segments = np.stack([starts, starts + 1.3], axis=1)  # (60, 2)
    for _ in range(2):  # the second time from what is kept, of which the first windows are gone
        for segment in segments:
            got, fresh = localizer.score_encoded(encoded, [segment]), localizer.score(features, [segment], 5.0)
            np.testing.assert_array_equal(got.confidence, fresh.confidence)
            np.testing.assert_array_equal(got.labels, fresh.labels)
            np.testing.assert_array_equal(got.refined_seconds, fresh.refined_seconds)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"segments": 3}', b'{"segments": [[2, 1]]}', b'{"segments": [["a", "b"]]}', b"[" * 100_000,
     b'{"segments": [[0, NaN]]}', b'{"segments": [[0, 1, 2]]}'],
)  # fmt: skip
def test_questions_that_make_no_sense_are_refused_in_a_sentence(client: TestClient, body: bytes) -> None:
    finished(client, PROBE)
    answer = client.post(f"{PROBE}/scores", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_only_so_many_videos_are_kept_in_memory(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcl.web.serve.detecting.ENCODED_KEPT", 1)
    for name in ("probe", "more/second"):
        session.detect(key_of(name))
        wait(lambda name=name: session.job(key_of(name))["state"] == "done")  # type: ignore[index]
    probe, second = (session.video(key_of(name)) for name in ("probe", "more/second"))
    assert probe["detections"]
    assert (probe["scored"], second["scored"]) == (False, True)


# -- annotations -------------------------------------------------------------------------------------------------


def put(client: TestClient, video: str, segments: list[Any], revision: str | None, **more: Any) -> Any:
    return client.put(f"{video}/annotations", json={"segments": segments, "revision": revision, **more})


def instance(start: float, end: float, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize("name", ["labels.csv", "labels.json"])
def test_saved_segments_are_read_back_and_other_videos_stay_as_they_were(
    localizer: Localizer, checkpoint: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name.endswith(".csv"):
        path.write_text(
            "Video,note,start,end,label,subset\nother,keep me,1.250,2,\"a, b\",validation\n"
            "probe.mp4,mine,0.50,1,jump,training\nprobe.mp4,gone,2,3,walk,training\nempty,,,,,testing\n",
            encoding="utf-8",
        )  # fmt: skip
    else:
        entry = {"subset": "validation", "url": "u", "annotations": [{"segment": [1.25, 2], "label": "a, b"}]}
        mine = [{"segment": [0.5, 1], "label": "jump", "note": "mine"}, {"segment": [2, 3], "label": "walk"}]
        database = {"other": entry, "probe.mp4": {"subset": "training", "annotations": mine}}
        database["empty"] = {"subset": "testing", "annotations": []}
        path.write_text(json.dumps({"version": "7", "database": database}), encoding="utf-8")
    session = Session(localizer, checkpoint.parent / "videos", path)
    client = TestClient(build_app(session), base_url=ADDRESS, headers=OURS)
    before = client.get(PROBE).json()
    assert [segment["label"] for segment in before["annotations"]] == ["jump", "walk"]
    new = [{"start": 2.125, "end": 3.5, "label": "  kick high "}, before["annotations"][0]]
    saved = put(client, PROBE, new, before["revision"])
    assert saved.status_code == 200
    after = load_annotations(path, clip=False).videos
    assert list(after) == ["other", "probe.mp4", "empty"]
    assert after["probe.mp4"].segments_seconds.tolist() == [[0.5, 1.0], [2.125, 3.5]]
    assert after["probe.mp4"].labels == ("jump", "kick high")
    assert (after["other"].subset, after["other"].labels, after["empty"].subset) == ("validation", ("a, b",), "testing")
    text = path.read_text(encoding="utf-8")
    assert "mine" in text  # what we do not read is kept with the segment that stays
    assert "gone" not in text
    assert ("keep me" if name.endswith(".csv") else '"url": "u"') in text
    assert client.get(PROBE).json()["revision"] == saved.json()["revision"]
    assert put(client, SECOND, [], NEW, nothing_happens=True).status_code == 200  # watched, and nothing in it
    assert load_annotations(path).videos["more/second"].labels == ()
    assert not list(tmp_path.glob(".*.part"))
    session.close()


def test_a_new_table_has_the_columns_that_people_type(client: TestClient, session: Session) -> None:
    put(client, PROBE, [{"start": 1, "end": 2.5, "label": 'say "hi", wave'}], NEW)
    rows = list(csv.reader(session.annotations.path.read_text(encoding="utf-8").splitlines()))
    assert rows == [["video", "start", "end", "label"], ["probe", "1.0", "2.5", 'say "hi", wave']]


@pytest.mark.parametrize(
    "segment",
    [{}, {"start": 1, "end": 1, "label": "a"}, {"start": -1, "end": 1, "label": "a"}, {"start": 0, "end": 1},
     {"start": 0, "end": 1, "label": " "}, {"start": 0, "end": 1, "label": "a\nb"},
     {"start": 0, "end": "x", "label": "a"}, {"start": 0, "end": 1, "label": "a" * 201}, 3,
     {"start": True, "end": 2, "label": "a"}],
)  # fmt: skip
def test_segments_that_make_no_sense_are_refused_and_nothing_is_written(
    client: TestClient, session: Session, segment: Any
) -> None:
    answer = put(client, PROBE, [segment], NEW)
    assert answer.status_code == 400
    assert "segment 1 of 1" in answer.json()["error"]
    assert not session.annotations.path.exists()


def test_odd_segments_that_the_file_has_may_stay(client: TestClient, session: Session) -> None:
    session.annotations.path.write_text("video,start,end,label\nprobe,2,2,clap\nprobe,-1,1,jump\n", encoding="utf-8")
    shown = client.get(PROBE).json()
    more = [*shown["annotations"], {"start": 3, "end": 3.5, "label": "walk"}]
    assert put(client, PROBE, more, shown["revision"]).status_code == 200
    assert session.annotations.read()["probe"].segments_seconds.tolist() == [[-1, 1], [2, 2], [3, 3.5]]


def test_what_someone_else_saved_is_not_overwritten_unasked(client: TestClient) -> None:
    clap, wave = ({"start": 0, "end": 1, "label": label} for label in ("clap", "wave"))
    assert put(client, PROBE, [clap], NEW).status_code == 200
    refused = put(client, PROBE, [wave], NEW)
    assert refused.status_code == 409
    assert "saved by another page" in refused.json()["error"]
    assert client.get(PROBE).json()["annotations"][0]["label"] == "clap"
    assert put(client, PROBE, [wave], None).status_code == 200
    assert client.get(PROBE).json()["annotations"][0]["label"] == "wave"


def test_a_video_that_nobody_decided_about_is_no_negative(client: TestClient, session: Session) -> None:
    for more in ({}, {"nothing_happens": False}, {"nothing_happens": 1}, {"finished": True}):
        refused = put(client, PROBE, [], NEW, **more)
        assert refused.status_code == 400
        assert 'expected segments, or "nothing_happens"' in refused.json()["error"]
    assert put(client, PROBE, [instance(0, 1, "clap")], NEW, nothing_happens=True).status_code == 400
    assert not session.annotations.path.exists()
    saved = put(client, PROBE, [], NEW, nothing_happens=True).json()
    assert (saved["saved"], saved["unfinished"]) == (0, None)
    assert session.annotations.read()["probe"].labels == ()


def test_a_video_that_is_not_finished_stays_out_of_the_labels_and_is_marked(
    client: TestClient, session: Session
) -> None:
    kept = put(client, PROBE, [instance(0, 1, "clap")], NEW, finished=False, rejected=[instance(2, 3, "")])
    assert kept.status_code == 200
    assert not session.annotations.path.exists()
    states = {one["name"]: (one["saved"], one["unfinished"]) for one in client.get("/api/session").json()["videos"]}
    assert states == {"probe": (None, 1), "more/second": (None, None), "broken": (None, None)}
    restarted = Session(session.detecting.localizer, session.folder, session.annotations.path)
    shown = restarted.video(key_of("probe"))
    restarted.close()
    assert shown["annotations"] == [instance(0.0, 1.0, "clap")]
    assert shown["rejected"] == [instance(2.0, 3.0, "")]
    assert shown["revision"] == kept.json()["revision"]
    assert put(client, PROBE, shown["annotations"], shown["revision"]).json()["saved"] == 1
    assert client.get(PROBE).json()["rejected"] == shown["rejected"]  # a page that sends none changes none


def test_a_video_is_taken_out_of_the_labels_again(client: TestClient, session: Session) -> None:
    def take_out(revision: str | None) -> Any:
        return client.request("DELETE", f"{PROBE}/annotations", json={"revision": revision})

    put(client, SECOND, [instance(1, 2, "walk")], NEW)
    saved = put(client, PROBE, [instance(0, 1, "clap")], NEW).json()
    assert take_out("old").status_code == 409
    assert take_out(3).status_code == 400  # type: ignore[arg-type]
    out = take_out(saved["revision"]).json()
    assert (out["saved"], out["unfinished"]) == (None, 1)
    assert [*load_annotations(session.annotations.path).videos] == ["more/second"]
    assert client.get(PROBE).json()["annotations"] == [instance(0.0, 1.0, "clap")]


@pytest.mark.parametrize("rejected", [3, [{}], [instance(2, 1, "a")], [instance(0, 1, "a\nb")]])
def test_rejections_that_make_no_sense_are_refused(client: TestClient, session: Session, rejected: Any) -> None:
    answer = put(client, PROBE, [instance(0, 1, "clap")], NEW, rejected=rejected)
    assert answer.status_code == 400
    assert "rejected" in answer.json()["error"]
    assert not session.annotations.path.exists()


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_simultaneous_saves_lose_nothing(tmp_path: Path, extension: str) -> None:
    names = [f"v{number}" for number in range(24)]
    file = AnnotationFile(tmp_path / f"a.{extension}", names)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: file.save(Replacement(name, [Segment(0.0, 1.0, name)]), revision=NEW), names))
    videos = load_annotations(file.path).videos
    assert {name: video.labels for name, video in videos.items()} == {name: (name,) for name in names}
    outcomes = []

    def race(label: str) -> None:
        try:
            file.save(Replacement("v0", [Segment(0.0, 1.0, label)]), revision=before)
            outcomes.append(label)
        except OutdatedError:
            pass

    before = revision_of(file.read()["v0"])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(race, "abcdefgh"))
    assert len(outcomes) == 1
    assert file.read()["v0"].labels == (outcomes[0],)


def test_a_file_that_is_damaged_while_the_page_is_open_is_left_alone(client: TestClient, session: Session) -> None:
    path = session.annotations.path
    path.write_text("video,start\nnonsense", encoding="utf-8")
    answer = put(client, PROBE, [{"start": 0, "end": 1, "label": "a"}], None)
    assert answer.status_code == 400
    assert "without end, label" in answer.json()["error"]
    assert path.read_text(encoding="utf-8") == "video,start\nnonsense"


def test_formats_that_are_only_read_are_refused(localizer: Localizer, checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "thumos.csv"
    path.write_text(
        "video,type,type_idx,start,end,startFrame,endFrame\nvideo_validation_0000051,Billiards,1,1.0,2.0,30,60\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="a format that RCL only reads; name another file"):
        Session(localizer, checkpoint.parent / "videos", path)
    path.write_text("Video;Start;End;Label\nprobe;0:01;0:02;jump\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a table that RCL only reads; convert it first: rcl import .*thumos\.csv"):
        Session(localizer, checkpoint.parent / "videos", path)
    with pytest.raises(InputError, match=r"ends in \.csv or \.json"):
        Session(localizer, checkpoint.parent / "videos", tmp_path / "labels.txt")


# -- packs and the command ---------------------------------------------------------------------------------------


def test_a_pack_is_served_without_a_player_and_its_facts_are_kept(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "pack", training=2, validation=1, seed=3)
    truth = load_annotations(pack / "annotations.json").videos
    localizer = Localizer.load(save_untrained(tmp_path / "last.ckpt"), device="cpu")
    session = Session(localizer, pack)
    client = TestClient(build_app(session), base_url=ADDRESS, headers=OURS)
    video = f"/api/videos/{key_of('video-002')}"
    shown = client.get(video).json()
    assert (shown["file"], shown["revision"]) == (None, NEW)
    assert len(shown["annotations"]) == len(truth["video-002"].labels)
    assert client.get(f"/media/{key_of('video-002')}").status_code == 404
    assert finished(client, video)["state"] == "done"
    assert client.post(f"{video}/scores", json={"segments": [[1.0, 2.0]]}).status_code == 200
    assert put(client, video, [{"start": 1, "end": 2, "label": "clap"}], NEW).status_code == 200
    saved = load_annotations(pack / "rcl-annotations.csv").videos["video-002"]
    known = truth["video-002"]
    assert saved.subset == "validation"
    assert saved.duration_seconds == known.duration_seconds
    assert saved.snippets_per_second == known.snippets_per_second
    session.close()


def test_a_testing_video_of_a_pack_that_gets_segments_is_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    entries = {name: {"subset": "testing", "fps": 5.0, "annotations": []} for name in ("a", "b")}
    path.write_text(json.dumps({"database": entries}), encoding="utf-8")
    file = AnnotationFile(path, ["a", "b"])
    file.save(Replacement("a", [Segment(0.0, 1.0, "clap")]), revision=None)
    assert [video.subset for video in load_annotations(path).videos.values()] == ["training", "testing"]


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_a_video_keeps_its_group(tmp_path: Path, extension: str) -> None:
    known = VideoAnnotation("a", "training", 9.0, 5.0, np.zeros((0, 2)), (), "anna")
    file = AnnotationFile(tmp_path / f"a.{extension}", ["a"])
    revision = file.save(Replacement("a", [], known), revision=None)
    file.save(Replacement("a", [Segment(0.0, 1.0, "clap"), Segment(2.0, 3.0, "clap")]), revision=revision)
    entry = file.entry_of("a")
    file.remove("a")
    file.save(Replacement("a", [Segment(0.0, 1.0, "clap")], entry=entry), revision=None)
    (video,) = load_annotations(file.path).videos.values()
    assert (video.group, video.labels) == ("anna", ("clap",))


def test_the_command_says_in_a_sentence_what_is_wrong(
    rcl_: Rcl, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = rcl_("serve", checkpoint, checkpoint.parent / "videos", "--port", port)
    assert result.status == 2
    assert "expected a free address of this machine" in result.err
    features_only = save_untrained(tmp_path / "features.ckpt")
    result = rcl_("serve", features_only, checkpoint.parent / "videos", "--port", 0)
    assert result.status == 2
    assert "expected a pack of features" in result.err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = rcl_("serve", checkpoint, checkpoint.parent / "videos", "--port", 0)
    assert result.status == 2
    assert "pip install '.[serve]'" in " ".join(result.err.split())
