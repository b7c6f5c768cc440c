"""Several people label together: names, assignments, and two pages that never overwrite each other without a word."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rcl.data.formats.load import load_annotations
from rcl.system.errors import InputError
from rcl.web.serve.app import build_app
from rcl.web.serve.assignment_file import AssignmentFile
from rcl.web.serve.claim import claimed
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of

OURS = {"X-RCL": "1", "Content-Type": "application/json"}
A, B = (f"/api/videos/{key_of(name)}" for name in "ab")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(b"nobody looks inside")
    return folder


@pytest.fixture(params=["csv", "json"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"labels.{request.param}"


@pytest.fixture
def client(videos: Path, path: Path) -> Iterator[TestClient]:
    session = Session(None, videos, path)
    yield TestClient(build_app(session), base_url="http://127.0.0.1:8000", headers=OURS, raise_server_exceptions=False)
    session.close()


def segment(start: float, end: float, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def send(client: TestClient, path: str, segments: list[Any], revision: str | None, who: str, **more: Any) -> Any:
    return client.put(path, json={"segments": segments, "revision": revision, "annotator": who, **more})


def names_of(client: TestClient, path: str) -> dict[str, str]:
    """Label to annotator of the segments that a page shows."""
    return {one["label"]: one.get("annotator", "") for one in client.get(path).json()["annotations"]}


def names_in(path: Path) -> list[str]:
    """The annotators in the file of labels, in its order."""
    if path.suffix == ".csv":
        return [row["annotator"] for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    entries = json.loads(path.read_text(encoding="utf-8"))["database"].values()
    return [one["annotator"] for entry in entries for one in (entry["annotations"] or [entry])]


def test_a_segment_is_of_who_made_it_or_changed_it_last(client: TestClient, path: Path) -> None:
    first = [segment(0, 1, "wave"), segment(1, 2, "jump")]
    drafted = send(client, f"{A}/draft", first, "new", " Anna ").json()
    assert names_of(client, A) == {"wave": "Anna", "jump": "Anna"}
    saved = send(client, f"{A}/annotations", first, drafted["revision"], "Ben").json()  # he only says that it is done
    assert names_in(path) == ["Anna", "Anna"]
    changed = [segment(0, 1, "wave"), segment(1, 2.5, "jump"), segment(3, 4, "kick")]
    again = send(client, f"{A}/annotations", changed, saved["revision"], "Ben").json()
    assert names_of(client, A) == {"wave": "Anna", "jump": "Ben", "kick": "Ben"}
    commented = [{**one, "comment": "c"} for one in changed]
    again = send(client, f"{A}/draft", commented, again["revision"], "Cem").json()
    assert names_of(client, A) == {"wave": "Anna", "jump": "Ben", "kick": "Ben"}
    out = client.request("DELETE", f"{A}/annotations", json={"revision": again["revision"]}).json()
    send(client, f"{A}/annotations", changed, out["revision"], "Cem")
    assert names_in(path) == ["Anna", "Ben", "Ben"]
    assert client.post("/api/classes/rename", json={"from": "wave", "to": "greet"}).json()["segments"] == 1
    assert names_in(path) == ["Anna", "Ben", "Ben"]
    send(client, f"{B}/annotations", [], "new", "Dora", nothing_happens=True)
    assert names_in(path) == ["Anna", "Ben", "Ben", "Dora"]
    assert client.get("/api/session").json()["annotators"] == ["Anna", "Ben"]
    assert load_annotations(path).videos["a"].labels == ("greet", "jump", "kick")
    for wrong in ("a\nb", "a" * 81, 3, None):
        assert send(client, f"{B}/draft", [], None, wrong).status_code == 400  # type: ignore[arg-type]


def test_without_names_the_files_are_as_before(client: TestClient, path: Path) -> None:
    send(client, f"{A}/annotations", [segment(0, 1, "wave")], "new", "")
    assert "annotator" not in path.read_text(encoding="utf-8")


def test_other_columns_and_names_of_other_tools_stay(videos: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "video,start,end,label,Annotator,site\na,0.0,1.0,wave,Zoe,north\na,2.0,3.0,jump,,north\nb,,,,Zoe,south\n",
        encoding="utf-8",
    )
    session = Session(None, videos, path)
    key = key_of("a")
    shown = session.video(key)
    assert [one.get("annotator") for one in shown["annotations"]] == ["Zoe", None]
    more = [*shown["annotations"], segment(4, 5, "kick")]
    session.save(key, {"segments": more, "revision": shown["revision"], "annotator": "Ben"})
    session.save(key_of("b"), {"segments": [], "nothing_happens": True, "annotator": "Ben"})
    session.close()
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    assert rows == ["a,0.0,1.0,wave,Zoe,north", "a,2.0,3.0,jump,,north", "a,4.0,5.0,kick,Ben,", "b,,,,Ben,south"]


@pytest.mark.parametrize("kind", ["draft", "annotations"])
def test_two_pages_never_overwrite_each_other_without_a_word(client: TestClient, kind: str) -> None:
    """Whatever one page does, the other is refused until it has seen it or says that it overwrites it."""
    anna = send(client, f"{A}/{kind}", [segment(0, 1, "wave")], "new", "Anna").json()
    for other in ("draft", "annotations"):
        refused = send(client, f"{A}/{other}", [segment(5, 6, "jump")], "new", "Ben")
        assert refused.status_code == 409
        assert "saved by another page" in refused.json()["error"]
    assert client.request("DELETE", f"{A}/annotations", json={"revision": "new"}).status_code == 409
    assert names_of(client, A) == {"wave": "Anna"}
    ben = send(client, f"{A}/draft", [segment(0, 1, "wave"), segment(5, 6, "jump")], anna["revision"], "Ben").json()
    assert send(client, f"{A}/{kind}", [segment(0, 2, "wave")], anna["revision"], "Anna").status_code == 409
    assert names_of(client, A) == {"wave": "Anna", "jump": "Ben"}
    assert send(client, f"{A}/annotations", [segment(0, 2, "wave")], ben["revision"], "Anna").status_code == 200
    assert send(client, f"{A}/draft", [], ben["revision"], "Ben").status_code == 409


def test_videos_are_assigned_and_stay_so(client: TestClient, videos: Path, path: Path) -> None:
    def assign(names: str, annotator: Any) -> Any:
        return client.put("/api/assigned", json={"videos": [key_of(name) for name in names], "annotator": annotator})

    before = client.get(A).json()["revision"]
    assert assign("ab", "Anna").json()["assigned"] == {key_of("a"): "Anna", key_of("b"): "Anna"}
    assign("b", "Ben")
    assign("c", "")
    shown = client.get("/api/session").json()
    assert shown["assigned"] == {key_of("a"): "Anna", key_of("b"): "Ben"}
    assert shown["annotators"] == ["Anna", "Ben"]
    assert client.get(A).json()["revision"] == before  # it says nothing about the labels
    send(client, f"{A}/annotations", [segment(0, 1, "wave")], "new", "Anna")
    restarted = Session(None, videos, path)
    assert restarted.overview()["assigned"] == shown["assigned"]
    restarted.close()
    assert assign("ab", "").json()["assigned"] == {}
    for names, annotator in (("z", "Anna"), ("a", "a\nb"), ("a", None), ("a", 3)):
        assert assign(names, annotator).status_code == 400
    assert client.put("/api/assigned", json={"annotator": "Anna"}).status_code == 400


def test_a_file_that_is_no_file_of_assignments_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "labels.assigned.json"
    for content in ("{}", '{"format": "RCL assignments"}', "no JSON"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(InputError):
            AssignmentFile(tmp_path / "labels.csv")
        assert file.read_text(encoding="utf-8") == content


def test_a_name_that_the_server_was_started_with_is_told_to_all_pages(videos: Path, tmp_path: Path) -> None:
    session = Session(None, videos, tmp_path / "labels.csv", annotator=" Anna ")
    assert session.overview()["annotator"] == "Anna"
    session.close()
    with pytest.raises(InputError, match="--annotator"):
        Session(None, videos, tmp_path / "labels.csv", annotator="a\nb")


def test_a_second_server_on_the_same_labels_is_refused_until_the_first_one_ends(path: Path) -> None:
    with claimed(path):
        with pytest.raises(InputError, match="no other rcl serve"), claimed(path):
            pass
        with claimed(path.with_name("others.csv")):
            pass
    with claimed(path):
        pass
