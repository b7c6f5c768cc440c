"""Labelling without a detector, on the server: drafts, reviewed parts, comments, classes, pictures and sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from made_pack import make_pack
from rcl.data.formats.load import load_annotations
from rcl.system.errors import InputError
from rcl.web.serve.app import STATIC, build_app
from rcl.web.serve.class_file import KEYS, ClassFile
from rcl.web.serve.file_content import Renaming
from rcl.web.serve.media import HEIGHT, Media, read_header
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of
from rendered import read_number, render

ADDRESS = "http://127.0.0.1:8000"
OURS = {"X-RCL": "1", "Content-Type": "application/json"}
A, B = (f"/api/videos/{key_of(name)}" for name in "ab")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    render(folder / "a.mp4", frames=100, rate=25, audio_seconds=4.0)
    render(folder / "b.mp4", frames=50, rate=25)
    return folder


@pytest.fixture(params=["csv", "json"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"labels.{request.param}"


@pytest.fixture
def client(videos: Path, path: Path) -> Iterator[TestClient]:
    session = Session(None, videos, path)
    yield TestClient(build_app(session), base_url=ADDRESS, headers=OURS, raise_server_exceptions=False)
    session.close()


def segment(start: float, end: float, label: str, comment: str = "") -> dict[str, Any]:
    return {"start": start, "end": end, "label": label} | ({"comment": comment} if comment else {})


def put(client: TestClient, path: str, segments: list[Any], revision: str | None, **more: Any) -> dict[str, Any]:
    answer = client.put(path, json={"segments": segments, "revision": revision, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- without a detector --------------------------------------------------------------------------------------------


def test_there_is_nothing_to_find_and_the_header_says_what_is_known(client: TestClient) -> None:
    assert client.get("/api/session").json()["detector"] is False
    assert client.post(f"{A}/job").status_code == 409
    assert client.post(f"{A}/scores", json={"segments": [[0, 1]]}).status_code == 409
    shown = client.get(A).json()
    assert (shown["frame_rate"], shown["sound"], shown["duration"]) == (25.0, True, pytest.approx(4.0, abs=0.1))
    assert client.get(B).json()["sound"] is False


def test_a_pack_is_labelled_without_its_features(tmp_path: Path) -> None:
    pack = make_pack(tmp_path / "pack", training=1, validation=1, seed=3)
    session = Session(None, pack)
    shown = session.video(key_of("video-000"))
    assert len(shown["annotations"]) == len(load_annotations(pack / "annotations.json").videos["video-000"].labels)
    session.close()


# -- drafts --------------------------------------------------------------------------------------------------------


def test_a_draft_is_kept_beside_the_labels_until_the_user_decides(client: TestClient, path: Path) -> None:
    first = put(client, f"{A}/draft", [segment(1, 2, "")], "new", reviewed=[])  # its label is not chosen yet
    assert (first["saved"], first["unfinished"], first["draft"]) == (None, 1, True)
    assert not path.exists()
    assert client.get(A).json()["annotations"] == [segment(1.0, 2.0, "")]
    assert client.put(f"{A}/draft", json={"segments": [], "revision": "new"}).status_code == 409
    done = put(client, f"{A}/annotations", [segment(1, 2, "wave")], first["revision"])
    assert (done["saved"], done["draft"]) == (1, False)
    changed = put(client, f"{A}/draft", [segment(1, 2.5, "wave")], done["revision"])
    assert (changed["saved"], changed["draft"]) == (1, True)
    assert load_annotations(path).videos["a"].segments_seconds.tolist() == [[1, 2]]  # not decided
    assert client.get(A).json()["annotations"] == [segment(1.0, 2.5, "wave")]
    back = put(client, f"{A}/draft", [segment(1, 2, "wave")], changed["revision"])
    assert back["draft"] is False
    gone = put(client, f"{A}/draft", [], back["revision"])  # that everything was deleted is kept, too
    assert gone["draft"] is True
    assert client.get(A).json()["annotations"] == []


def test_a_draft_of_nothing_leaves_no_trace(client: TestClient, path: Path) -> None:
    first = put(client, f"{A}/draft", [segment(1, 2, "wave")], "new")
    last = put(client, f"{A}/draft", [], first["revision"])
    assert (last["unfinished"], last["draft"], last["revision"]) == (None, False, "new")


# -- reviewed parts and comments -----------------------------------------------------------------------------------


def test_the_parts_that_were_looked_at_go_into_the_labels_with_the_segments(client: TestClient, path: Path) -> None:
    drafted = put(client, f"{A}/draft", [segment(1, 2, "wave")], "new", reviewed=[[0, 0.5]])
    assert client.get(A).json()["reviewed"] == [[0, 0.5]]
    done = put(
        client, f"{A}/annotations", [segment(1, 2, "wave")], drafted["revision"], reviewed=[[0, 0.5], [0.4, 0.9]]
    )
    assert done["partial"] is True
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        assert text.splitlines() == ["video,start,end,label,reviewed", "a,1.0,2.0,wave,0.0-0.9;1.0-2.0"]
    else:
        assert json.loads(text)["database"]["a"]["reviewed"] == [[0.0, 0.9], [1.0, 2.0]]
    assert client.get(A).json()["reviewed"] == [[0, 0.9], [1, 2]]
    put(client, f"{B}/annotations", [], "new", nothing_happens=True, reviewed=[[1, 2]])
    whole = put(client, f"{A}/annotations", [segment(1, 2, "wave")], done["revision"])  # now all of it
    assert whole["partial"] is False
    assert client.get(A).json()["reviewed"] == []
    assert client.get(B).json()["reviewed"] == [[1, 2]]
    refused = client.put(f"{B}/annotations", json={"segments": [], "nothing_happens": True, "reviewed": []})
    assert refused.status_code == 400  # which would mean the whole video
    for wrong in ([[2, 1]], [[0]], "0-1", [[0, "x"]]):
        assert client.put(f"{B}/draft", json={"segments": [], "reviewed": wrong}).status_code == 400


def test_the_parts_of_all_rows_count_and_absent_ones_mean_the_whole_video(videos: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label,reviewed\na,1,2,wave,0-1\na,3,4,wave,2-3;2.5-4\nb,,,,\n", encoding="utf-8")
    session = Session(None, videos, path)
    assert session.video(key_of("a"))["reviewed"] == ((0.0, 4.0),)  # with what the segments cover
    assert (session.video(key_of("b"))["reviewed"], session.video(key_of("b"))["partial"]) == ((), False)
    session.close()


def test_comments_stay_with_their_segments(client: TestClient, path: Path) -> None:
    both = [segment(1, 2, "wave", "with the left, “slowly”"), segment(1, 2, "wave")]
    done = put(client, f"{A}/annotations", both, "new")
    shown = client.get(A).json()["annotations"]
    assert sorted(one.get("comment", "") for one in shown) == ["", "with the left, “slowly”"]
    changed = put(client, f"{A}/annotations", [segment(1, 2, "wave", "anew")], done["revision"])
    assert client.get(A).json()["annotations"] == [segment(1.0, 2.0, "wave", "anew")]
    put(client, f"{A}/annotations", [segment(1, 2, "wave")], changed["revision"])
    assert "anew" not in path.read_text(encoding="utf-8")
    assert load_annotations(path).videos["a"].labels == ("wave",)


# -- classes -------------------------------------------------------------------------------------------------------


def test_classes_keep_their_colours_and_keys(client: TestClient, path: Path) -> None:
    put(client, f"{A}/draft", [segment(1, 2, "wave"), segment(2, 3, "jump")], "new")
    before = client.get("/api/session").json()["classes"]
    assert len({one["colour"] for one in before}) == len({one["key"] for one in before}) == 2
    more = client.put("/api/classes", json={"name": "a first one"}).json()["classes"]
    assert more[:2] == before
    taken = client.put("/api/classes", json={"name": "wave", "key": more[2]["key"], "colour": "#010203"}).json()[
        "classes"
    ]
    wave = next(one for one in taken if one["name"] == "wave")
    assert wave == {"name": "wave", "key": more[2]["key"], "colour": "#010203"}
    assert [one["key"] for one in taken if one["name"] == "a first one"] == [""]  # a key means one class
    assert client.request("DELETE", "/api/classes", json={"name": "wave"}).status_code == 400  # it is in use
    left = client.request("DELETE", "/api/classes", json={"name": "a first one"}).json()["classes"]
    assert {one["name"] for one in left} == {"wave", "jump"}
    for wrong in ({"name": ""}, {"name": "x", "key": "s"}, {"name": "x", "colour": "red"}, {"name": "a\nb"}):
        assert client.put("/api/classes", json=wrong).status_code == 400


def test_a_class_is_renamed_in_all_files(client: TestClient, path: Path) -> None:
    put(client, f"{A}/annotations", [segment(1, 2, "wave", "mine"), segment(2, 3, "jump")], "new")
    taken_out = put(client, f"{B}/annotations", [segment(0, 1, "wave", "kept")], "new")
    client.request("DELETE", f"{B}/annotations", json={"revision": taken_out["revision"]})
    drafted = put(client, f"{A}/draft", [segment(1, 2.5, "wave")], client.get(A).json()["revision"])
    answer = client.post("/api/classes/rename", json={"from": "wave", "to": "greet, “hi”"}).json()
    assert answer["segments"] == 1
    assert {one["name"] for one in answer["classes"]} == {"greet, “hi”", "jump"}
    assert load_annotations(path).videos["a"].labels == ("greet, “hi”", "jump")
    assert client.get(A).json()["annotations"] == [segment(1.0, 2.5, "greet, “hi”")]
    shown = client.get(B).json()
    assert [one["label"] for one in shown["annotations"]] == ["greet, “hi”"]
    put(client, f"{B}/annotations", shown["annotations"], shown["revision"])
    assert client.get(B).json()["annotations"] == [segment(0.0, 1.0, "greet, “hi”", "kept")]
    assert drafted["draft"]
    assert client.post("/api/classes/rename", json={"from": "jump", "to": " "}).status_code == 400


def test_a_file_that_is_no_file_of_classes_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "labels.classes.json"
    for content in ("{}", '{"format": "RCL classes", "classes": [{"name": "a", "colour": "x"}]}', "no JSON"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(InputError):
            ClassFile(tmp_path / "labels.csv")
        assert file.read_text(encoding="utf-8") == content


def test_no_key_of_a_class_is_one_of_the_page() -> None:
    text = STATIC["keymap.js"].read_text(encoding="utf-8")
    used = {key for keys in re.findall(r"keys: \[(.*?)\]", text) for key in re.findall('"(.*?)"', keys)}
    assert {"i", "o", " ", "Control+z"} <= used
    assert not used & {*KEYS}


# -- pictures and sound --------------------------------------------------------------------------------------------


def test_thumbnails_are_frames_in_the_middle_of_each_part(videos: Path) -> None:
    torch = pytest.importorskip("torch")
    content = Media().thumbnails(videos / "a.mp4", 0.0, 4.0, 8)  # at 0.25, 0.75, …
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] == HEIGHT
    frames = torch.from_numpy(image).permute(2, 0, 1).chunk(8, dim=2)
    numbers = [read_number(frame) for frame in frames]
    assert numbers == pytest.approx([25 * (0.25 + 0.5 * at) for at in range(8)], abs=1.1)


def test_of_pictures_far_apart_only_key_frames_are_decoded(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    video = render(tmp_path / "long.mp4", frames=200, rate=1, options={"g": "10", "sc_threshold": "0"})
    content = Media().thumbnails(video, 40.0, 200.0, 4)  # in the middles: 60, 100, 140, 180
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    frames = torch.from_numpy(image).permute(2, 0, 1).chunk(4, dim=2)
    assert [read_number(frame) for frame in frames] == [60, 100, 140, 180]


def test_a_waveform_is_loud_where_the_sound_is(tmp_path: Path) -> None:
    path = tmp_path / "beep.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = np.zeros((1, 8000 * 4), np.int16)
        samples[0, 8000 * 2 : 8000 * 3] = 30000  # from second 2 to 3
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    peaks = np.frombuffer(Media().waveform(path, 1.0, 3.5, 25), np.uint8)  # tenths of a second
    loud = peaks > 128
    assert loud[11:19].all()
    assert not loud[:9].any()
    assert not loud[21:].any()


def test_what_makes_no_sense_is_refused_and_nothing_is_decoded_twice(
    client: TestClient, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in (
        "",
        "start=0&end=1",
        "start=1&end=0&count=1",
        "start=0&end=nan&count=1",
        "start=0&end=1&count=1000000",
    ):
        assert client.get(f"{A}/thumbnails?{query}").status_code == 400
        assert client.get(f"{A}/waveform?{query}").status_code == 400
    assert client.get(f"{A}/waveform?start=0&end=601&count=1").status_code == 400
    assert client.get(f"/api/videos/{key_of('none')}/thumbnails?start=0&end=1&count=1").status_code == 404
    first = client.get(f"{A}/thumbnails?start=0&end=1&count=2")
    assert (first.status_code, first.headers["content-type"]) == (200, "image/jpeg")
    monkeypatch.setattr("rcl.web.serve.media.thumbnails", None)
    assert client.get(f"{A}/thumbnails?start=0&end=1&count=2").content == first.content
    assert client.get(f"{B}/waveform?start=0&end=1&count=2").content == b""  # without sound


def test_what_was_used_last_is_kept_up_to_a_size(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    monkeypatch.setattr("rcl.web.serve.media.peaks", lambda path, start, end, count: made.append(start) or b"x" * 40)
    media = Media(most_bytes=100)
    for start in (0.0, 1.0, 0.0, 2.0, 0.0, 1.0):
        media.waveform(videos / "a.mp4", start, start + 1, 4)
    assert made == [0.0, 1.0, 2.0, 1.0]


def test_a_file_that_is_no_video_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    assert read_header(tmp_path / "x.mp4") == (None, None, False)


def test_classes_that_were_joined_can_be_taken_apart_again(client: TestClient, path: Path) -> None:
    ours, theirs = [segment(1, 2, "wave"), segment(2, 3, "greet")], [segment(0, 1, "wave"), segment(1, 1.5, "greet")]
    saved = put(client, f"{A}/annotations", ours, "new")
    put(client, f"{A}/draft", [*ours, segment(3, 4, "wave")], saved["revision"])
    out = put(client, f"{B}/annotations", theirs, "new")
    client.request("DELETE", f"{B}/annotations", json={"revision": out["revision"]})
    before = [client.get(video).json() for video in (A, B)]
    joined = client.post("/api/classes/rename", json={"from": "wave", "to": "greet"}).json()
    assert joined["renamed"] == {"a": [[1.0, 2.0], [3.0, 4.0]], "b": [[0.0, 1.0]]}
    assert {one["label"] for video in (A, B) for one in client.get(video).json()["annotations"]} == {"greet"}
    shown = client.get(A).json()
    put(client, f"{A}/draft", [*shown["annotations"], segment(5, 6, "greet")], shown["revision"])  # since then
    apart = {"from": "greet", "to": "wave", "only": joined["renamed"]}
    answer = client.post("/api/classes/rename", json=apart).json()
    assert {one["name"] for one in answer["classes"]} == {"greet", "wave"}
    assert client.get(A).json()["annotations"] == [*before[0]["annotations"], segment(5.0, 6.0, "greet")]
    shown = client.get(B).json()
    assert shown["annotations"] == before[1]["annotations"]
    put(client, f"{B}/annotations", shown["annotations"], shown["revision"])
    labels = {name: video.labels for name, video in load_annotations(path).videos.items()}
    assert labels == {"a": ("wave", "greet"), "b": ("wave", "greet")}
    for wrong in (3, {"a": 3}, {"a": [[2, 1]]}):
        assert client.post("/api/classes/rename", json={**apart, "only": wrong}).status_code == 400


def test_a_renaming_that_was_interrupted_is_completed_at_the_next_start(videos: Path, path: Path) -> None:
    session = Session(None, videos, path)
    ours = [segment(1, 2, "wave"), segment(2, 3, "wave")]
    session.save(key_of("a"), {"segments": ours})
    session.classes.announce(Renaming("wave", "greet", {"a": [(2.0, 3.0)]}))
    session.close()
    again = Session(None, videos, path)
    assert [one["label"] for one in again.video(key_of("a"))["annotations"]] == ["wave", "greet"]
    assert again.classes.renaming is None
    again.close()
