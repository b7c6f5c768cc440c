"""Videos, packs and results in object stores give the same as files, and errors say what is wrong with the store."""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from rcl.data.feature_store import FeatureStore
from rcl.data.features import read_features
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections, save_detections
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.system.errors import Defect, InputError
from rcl.system.paths import exists, files_below, files_in, fingerprint, is_dir, is_file, is_remote, to_path
from rcl.system.text_files import read_text, write_file, write_text
from rcl.system.transfer import local, remove
from rcl.video.extract_many import extract_many
from rcl.video.extraction import choose_extraction
from rcl.video.finding import find_videos
from rcl.video.packs import PackWriter
from rendered import render
from typed import Rcl
from untrained import FACTS, save_untrained

SMALL = {"rate": 10.0, "window": 3, "stride": 2}
TYPED = ("--rate", "10", "--window", "3", "--stride", "2", "--workers", "1")
FRAMES = {"a": 20, "b": 31, "c": 7}


@pytest.fixture(autouse=True)
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing in memory, and afterwards no copy on the disk."""
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield
    assert not list(aside.glob("rcl-*"))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Three videos in a folder, and in ``memory://b/videos``."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, frames in FRAMES.items():
        put(f"memory://b/videos/{name}.mp4", render(folder / f"{name}.mp4", frames=frames, rate=10).read_bytes())
    return folder


def put(address: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(address, content)


def keys(prefix: str = "") -> dict[str, bytes]:
    """What is below a place in memory."""
    return {
        name.removeprefix(prefix): file.getvalue()
        for name, file in MemoryFileSystem.store.items()
        if name.startswith(prefix)
    }


def writer(pack: object) -> PackWriter:
    return PackWriter(to_path(pack), choose_extraction("motion", **SMALL)[1])  # type: ignore[arg-type]


def failing(when: Callable[[str], bool], error: Exception) -> Callable[..., Any]:
    """A method of a file system that raises for some names."""

    def method(original: Callable[..., Any], self: MemoryFileSystem, *names: Any, **options: Any) -> Any:
        if when(str(names[-1])):
            raise error
        return original(self, *names, **options)

    return method


def patch(monkeypatch: pytest.MonkeyPatch, name: str, method: Callable[..., Any]) -> None:
    original = getattr(MemoryFileSystem, name)
    monkeypatch.setattr(
        MemoryFileSystem, name, lambda self, *names, **options: method(original, self, *names, **options)
    )


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "/a/b", "C:/a", "C:\\a", "c://a", "a:b", "./x", "a b#c?d%20", "s3:/bucket"])
def test_local_names_stay_plain_paths(name: str) -> None:
    assert to_path(name) == Path(name)
    assert isinstance(to_path(name), Path)
    assert not is_remote(to_path(name))


def test_addresses_of_files_are_plain_paths(tmp_path: Path) -> None:
    place = tmp_path / "50% of [a] b"
    for scheme in ("file", "local"):
        assert to_path(f"{scheme}://{place}") == place
        assert isinstance(to_path(f"{scheme}://{place}"), Path)
    assert to_path(place) == place


def test_remote_paths_keep_both_slashes_and_cross_processes() -> None:
    path = to_path("memory://b/videos/a.mp4")
    assert is_remote(path)
    assert to_path(path) is path
    assert str(path) == "memory://b/videos/a.mp4"
    assert pickle.loads(pickle.dumps(path)) == path
    assert not is_remote("memory://b")  # a text is no path yet


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, rcl_: Rcl, tmp_path: Path) -> None:
    plugin = {"class": "no_such_plugin.FileSystem", "err": "Install it"}
    monkeypatch.setitem(known_implementations, "nowhere", plugin)
    with pytest.raises(
        InputError, match=r"nowhere://b/x: expected the package that reads nowhere.* run pip install no_such_plugin"
    ):
        to_path("nowhere://b/x")
    with pytest.raises(InputError, match=r"unheard-of://b: expected an address that fsspec can read"):
        to_path("unheard-of://b")
    told = rcl_("extract", "nowhere://b/x", "--output", tmp_path / "pack")
    assert (told.status, told.err.count("\n")) == (2, 1)
    assert "pip install no_such_plugin" in told.err
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(InputError, match=r"memory://b: expected universal-pathlib.*pip install .\.\[cluster\]"):
        to_path("memory://b")
    assert to_path(f"file://{tmp_path}") == tmp_path


# -- files -------------------------------------------------------------------------------------------------------


def test_queries_answer_as_for_local_files(tmp_path: Path) -> None:
    for root in (tmp_path / "x", to_path("memory://b/x")):
        for name in ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.txt"):
            write_text(root / name, name)
        assert read_text(root / "sub" / "c.txt") == "sub/c.txt"
        assert [file.name for file in files_in(root) if is_file(file)] == ["a.txt", "b.txt"]
        assert [str(name) for _, name in files_below(root)] == ["a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt"]
        assert [is_file(root / name) for name in ("a.txt", "sub", "no")] == [True, False, False]
        assert [is_dir(root / name) for name in ("a.txt", "sub", "no")] == [False, True, False]
        assert [exists(root / name) for name in ("a.txt", "sub", "no")] == [True, True, False]
        assert files_in(root / "no") == []
        assert fingerprint(root / "no") is None
        kept = fingerprint(root / "a.txt")
        assert kept is not None
        assert kept.bytes == 5
        for _ in range(2):
            remove(root / "a.txt")
        assert not exists(root / "a.txt")
        with pytest.raises(InputError, match=r"no: expected a file, found no such file"):
            read_text(root / "no")


def test_a_copy_has_the_content_and_messages_have_the_name() -> None:
    put("memory://b/clip.mp4", b"abc")
    path = to_path("memory://b/clip.mp4")
    with local(path) as copy:
        assert (copy.read_bytes(), copy.suffix) == (b"abc", ".mp4")
    assert not copy.exists()
    with pytest.raises(InputError) as raised, local(path) as copy:
        raise InputError(f"{copy}, line 3", expected="x", found=f"what {copy} says", fix="mend it")
    assert str(raised.value) == f"{path}, line 3: expected x, found what {path} says; mend it."
    with pytest.raises(Defect, match=f"what {path} says"), local(path) as copy:
        raise Defect(expected="x", found=f"what {copy} says", fix="mend it")
    with pytest.raises(InputError, match=r"memory://b/no\.mp4: expected a file, found no such file"):
        local(to_path("memory://b/no.mp4")).__enter__()


def test_a_file_is_uploaded_whole_or_not_at_all() -> None:
    path = to_path("memory://b/x.txt")
    write_text(path, "before")

    def fails(file: Any) -> None:
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"memory://b/x\.txt: expected a file that can be written, found No space"):
        write_file(path, fails)
    assert read_text(path) == "before"


def test_a_store_that_refuses_is_distinguished_from_a_missing_file(monkeypatch: pytest.MonkeyPatch, rcl_: Rcl) -> None:
    patch(monkeypatch, "info", failing(lambda name: "secret" in name, PermissionError("Access Denied")))
    said = r"memory://b/secret: expected an object store that answers, found PermissionError: Access Denied; check"
    for ask in (exists, is_file, is_dir, fingerprint):
        with pytest.raises(InputError, match=said):
            ask(to_path("memory://b/secret"))
    told = rcl_("extract", "memory://b/secret", "--output", "memory://b/pack")
    assert (told.status, told.err.count("\n")) == (2, 1)
    assert "Access Denied" in told.err


def test_a_name_is_not_a_pattern() -> None:
    for name in ("*", "[ab]", "a", "b"):
        write_text(to_path("memory://b/x") / f"{name}.json", name)
    remove(to_path("memory://b/x") / "*.json")
    assert [*keys("/b/x/")] == ["[ab].json", "a.json", "b.json"]
    remove(to_path("memory://b/x") / "[ab].json")
    assert [*keys("/b/x/")] == ["a.json", "b.json"]


# -- packs -------------------------------------------------------------------------------------------------------


def test_a_pack_in_a_store_equals_one_in_a_folder(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("video,start,end,label,subset\na,0.2,1.1,wave,training\nb,0,2,clap,validation\n")
    put("memory://b/labels.csv", labels.read_bytes())
    places = [(videos, tmp_path / "pack", labels), ("memory://b/videos", "memory://b/pack", "memory://b/labels.csv")]
    for source, pack, table in places:
        told = rcl_("extract", source, "--output", pack, "--labels", table, *TYPED)
        assert told.status == 0, told.err
        assert f"3 of 3 videos: {pack}" in told.out
    here = {str(file.relative_to(tmp_path / "pack")): file for file in (tmp_path / "pack").rglob("*") if file.is_file()}
    there = keys("/b/pack/")
    assert here.keys() == there.keys()
    assert all(here[name].read_bytes() == there[name] for name in here if not name.startswith("records/"))
    assert b'"source": "memory://b/videos/a.mp4"' in there["records/a.json"]


def test_detections_from_a_store_equal_those_from_files(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    settings = choose_extraction("motion", **SMALL)[1]
    facts = replace(FACTS, in_channels=376, extraction=settings.model_dump(mode="json"))
    checkpoint = save_untrained(tmp_path / "last.ckpt", facts)
    put("memory://b/run/last.ckpt", checkpoint.read_bytes())
    assert rcl_("extract", "memory://b/videos", "--output", "memory://b/pack", *TYPED).status == 0
    assert rcl_("detect", checkpoint, videos, "--output", tmp_path / "local.json").status == 0
    expected = load_detections(tmp_path / "local.json")
    assert len(expected)
    sources = {"videos": "memory://b/videos", "pack": "memory://b/pack", "one": "memory://b/pack/features/b.npy"}
    for name, source in sources.items():
        output = f"memory://b/results/{name}.json"
        told = rcl_(
            "detect", "memory://b/run/last.ckpt", source, "--output", output, "--subtitles", "memory://b/subtitles"
        )
        assert told.status == 0, told.err
        found = load_detections(output)
        chosen = expected if name != "one" else expected.without({"a", "c"})
        assert found.videos == chosen.videos
        np.testing.assert_allclose(found.scores, chosen.scores, atol=1e-6)
        np.testing.assert_allclose(found.segments_seconds, chosen.segments_seconds, atol=1e-3)
    assert {"b.srt", "b.vtt"} <= keys("/b/subtitles/").keys()
    assert not [name for name in keys() if name.endswith(".part")]
    found = Localizer.load("memory://b/run/last.ckpt").detect("memory://b/videos/b.mp4")  # type: ignore[arg-type]
    assert found.videos == ("b",)
    save_detections(found, "memory://b/results/b.csv")
    assert len(load_detections("memory://b/results/b.csv")) == len(found)


def test_results_are_evaluated_where_they_are(videos: Path, rcl_: Rcl) -> None:
    put("memory://b/t.csv", b"video,start,end,label,subset\na,0.2,1.1,wave,validation\nb,0,2,clap,validation\n")
    put("memory://b/found.csv", b"video,start,end,label,score\na,0.2,1.1,wave,0.9\nb,0,2,clap,0.8\n")
    told = rcl_("evaluate", "memory://b/found.csv", "memory://b/t.csv", "--json", "memory://b/evaluation.json")
    assert told.status == 0, told.err
    assert b'"average_mAP": 1.0' in keys()["/b/evaluation.json"]


def test_public_annotations_are_read_where_they_are() -> None:
    put("memory://b/thumos14.csv", b"video,type,type_idx,start,end\nvideo_validation_0000051,Billiards,1,2.0,5.5\n")
    path = to_path("memory://b/thumos14.csv")
    assert load_annotations(path).videos["video_validation_0000051"].labels == ("Billiards",)
    entry = b'{"duration_second": 10, "duration_frame": 320, "feature_frame": 320, "annotations": []}'
    put("memory://b/bmn.json", b'{"v1": ' + entry + b"}")
    info = b"video,numFrame,seconds,fps,rfps,subset,featureFrame\nv1,320,10,32,32,testing,320\n"
    put("memory://b/video_info_new.csv", info)
    assert load_annotations(to_path("memory://b/bmn.json")).videos["v1"].subset == "testing"


def test_a_detection_that_failed_alone_goes_on(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    features = np.random.default_rng(0).normal(size=(40, 32)).astype(np.float32)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", features)
        put(f"memory://b/features/{name}.npy", (tmp_path / f"{name}.npy").read_bytes())
    damaged = b"\x93NUMPY damaged"
    put("memory://b/features/c.npy", damaged)
    inputs = [f"memory://b/features/{name}.npy" for name in ("a", "b", "c")]
    command = ("detect", save_untrained(tmp_path / "last.ckpt"), *inputs, "--output", "memory://b/out/found.json")
    told = rcl_(*command)
    assert told.status == 2
    assert "rcl: memory://b/features/c.npy, video 'c': expected" in told.err
    assert len([name for name in keys("/b/out/") if name.startswith("found.json.unfinished/")]) == 2
    put("memory://b/features/a.npy", (tmp_path / "b.npy").read_bytes() + b" ")  # another size
    put("memory://b/features/c.npy", (tmp_path / "b.npy").read_bytes())
    told = rcl_(*command)
    assert told.status == 0, told.err
    assert "1 of 3 videos done before." in told.err
    assert [*keys("/b/out/")] == ["found.json"]
    assert sorted(load_detections("memory://b/out/found.json").videos) == ["a", "b", "c"]


def test_what_is_done_is_not_done_again(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    for pack in ("memory://b/pack", str(tmp_path / "pack")):
        assert rcl_("extract", "memory://b/videos", "--output", pack, *TYPED).status == 0
        before = {name: file.created for name, file in MemoryFileSystem.store.items() if "/features/" in name}
        told = rcl_("extract", "memory://b/videos", "--output", pack, *TYPED)
        assert "3 of 3 videos (3 done before)" in told.out
        assert before == {name: file.created for name, file in MemoryFileSystem.store.items() if "/features/" in name}
    put("memory://b/videos/b.mp4", render(tmp_path / "other.mp4", frames=12, rate=10).read_bytes())
    (again,) = [
        outcome
        for outcome in extract_many(writer("memory://b/pack"), find_videos(["memory://b/videos"])[0])
        if outcome.new
    ]
    assert again.video == "b"
    assert again.record is not None
    assert again.record.snippets == 6


def test_a_changed_tag_shows_a_changed_file_of_the_same_size(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"/b/videos/a.mp4": '"1"', "/b/videos/b.mp4": '"1"'}

    def tagged(original: Callable[..., Any], self: MemoryFileSystem, name: str, **options: Any) -> Any:
        kept = original(self, name, **options)
        return {**kept, "ETag": tags[kept["name"]]} if kept["name"] in tags else kept

    patch(monkeypatch, "info", tagged)
    found, _ = find_videos(["memory://b/videos"])
    list(extract_many(writer("memory://b/pack"), found))
    tags["/b/videos/a.mp4"] = '"2"'
    assert [outcome.video for outcome in extract_many(writer("memory://b/pack"), found) if outcome.new] == ["a"]


def test_addresses_of_files_are_those_files(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    told = rcl_("extract", f"file://{videos}", "--output", f"file://{tmp_path / 'one'}", *TYPED)
    assert told.status == 0, told.err
    assert rcl_("extract", videos, "--output", tmp_path / "two", *TYPED).status == 0
    for part in ("features/a.npy", "times/b.npy", "records/c.json", "annotations.json"):
        assert (tmp_path / "one" / part).read_bytes() == (tmp_path / "two" / part).read_bytes()
    assert not (Path.cwd() / "file:").exists()


def test_bad_objects_are_named_and_the_others_go_on(videos: Path, rcl_: Rcl) -> None:
    put("memory://b/videos/bad.mp4", b"not a video at all\n" * 20)
    put("memory://b/videos/empty.mp4", b"")
    told = rcl_("extract", "memory://b/videos", "memory://b/gone.mp4", "--output", "memory://b/pack", *TYPED)
    assert told.status == 2
    assert "3 of 6 videos: memory://b/pack" in told.out
    for name in ("memory://b/videos/bad.mp4", "memory://b/videos/empty.mp4", "memory://b/gone.mp4"):
        assert f"rcl: {name}: expected" in told.err
    assert "rcl-" not in told.err  # the name of a copy
    told = rcl_("extract", "memory://b/nothing", "--output", "memory://b/pack", *TYPED)
    assert (told.status, told.err) == (
        2,
        "rcl: memory://b/nothing: expected videos, or a folder of them, found no such file; check the path.\n",
    )


def test_a_failing_upload_keeps_what_is_done(videos: Path, monkeypatch: pytest.MonkeyPatch, rcl_: Rcl) -> None:
    with monkeypatch.context() as patched:
        patch(patched, "put_file", failing(lambda name: "features/b" in name, TimeoutError("too slow")))
        told = rcl_("extract", "memory://b/videos", "--output", "memory://b/pack", *TYPED)
    assert told.status == 2
    assert "memory://b/pack/features/b.npy: expected an object store that answers, found TimeoutError" in told.err
    assert "2 of 3 videos" in told.out
    assert writer("memory://b/pack").names() == ["a", "c"]
    told = rcl_("extract", "memory://b/videos", "--output", "memory://b/pack", *TYPED)
    assert "3 of 3 videos (2 done before)" in told.out


def test_results_that_cannot_be_uploaded_are_not_lost(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rcl_: Rcl
) -> None:
    write_text(tmp_path / "features" / "a.csv", "\n".join([",".join(["0.5"] * 32)] * 40))
    checkpoint = save_untrained(tmp_path / "last.ckpt")
    patch(monkeypatch, "put_file", failing(lambda name: "found.json" in name, TimeoutError("too slow")))
    told = rcl_("detect", checkpoint, tmp_path / "features" / "a.csv", "--output", "memory://b/found.json")
    assert told.status == 2
    (rescued,) = (tmp_path / "aside").glob("rcl-*/found.json")
    assert len(load_detections(rescued))
    rescued.unlink()
    rescued.parent.rmdir()


def test_a_store_that_fails_while_a_record_is_read_does_not_forget_a_video(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(extract_many(writer("memory://b/pack"), find_videos(["memory://b/videos"])[0]))
    before = keys("/b/pack/")
    patch(monkeypatch, "cat_file", failing(lambda name: "records/b" in name, TimeoutError("too slow")))
    with pytest.raises(InputError, match=r"records/b\.json: expected an object store that answers"):
        writer("memory://b/pack").annotate()
    assert keys("/b/pack/") == before


def test_another_object_of_a_name_is_refused(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(extract_many(writer("memory://b/pack"), find_videos(["memory://b/videos"])[0]))
    put("memory://b/other/a.mp4", (videos / "c.mp4").read_bytes())
    other = {"a": to_path("memory://b/other/a.mp4")}
    (outcome,) = extract_many(writer("memory://b/pack"), other)
    assert "found the name of memory://b/videos/a.mp4" in str(outcome.error)
    asked = []
    patch(
        monkeypatch, "info", lambda original, *names, **options: asked.append(names[-1]) or original(*names, **options)
    )
    (outcome,) = extract_many(
        writer("memory://b/pack"), {"a": videos / "a.mp4"}
    )  # the record is not trusted with questions
    assert "found the name of memory://b/videos/a.mp4" in str(outcome.error)
    assert not [name for name in asked if "videos" in name]
    remove(to_path("memory://b/videos/a.mp4"))
    (outcome,) = extract_many(writer("memory://b/pack"), other)
    assert outcome.record


# -- hostile names -----------------------------------------------------------------------------------------------


def test_names_in_a_store_do_not_leave_the_folder(videos: Path, tmp_path: Path) -> None:
    content = (videos / "c.mp4").read_bytes()
    names = (
        "../../up.mp4",
        "..//x.mp4",
        "/rooted.mp4",
        "p*.mp4",
        "q?r#s%20t.mp4",
        "zip::y.mp4",
        "s3://z.mp4",
        ".h/i.mp4",
    )
    for name in names:
        put(f"memory://hostile/in/{name}", content)
    found, _ = find_videos(["memory://hostile/in"])
    assert {"up", "x", "rooted", "p*", "q?r#s%20t", "z"} >= found.keys() >= {"p*", "q?r#s%20t"}
    for pack in ("memory://hostile/packs/one", tmp_path / "packs" / "one"):
        outcomes = list(extract_many(writer(pack), found))
        assert all(outcome.record for outcome in outcomes), outcomes
        assert writer(pack).names() == sorted(found)
    below = {name.split("/")[1] for name in keys("/hostile") if "/in/" not in name}
    assert below <= {"packs"}
    assert all(name.startswith("/one/") for name in keys("/hostile/packs"))
    assert [file.name for file in (tmp_path / "packs").iterdir()] == ["one"]


# -- what stays on this machine ----------------------------------------------------------------------------------


def test_an_address_is_refused_where_only_a_path_is_allowed(videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    put("memory://b/labels.csv", b"video,start,end,label\na,0.2,1.1,wave\n")
    fit = ("fit", "memory://b/videos", "memory://b/labels.csv")
    told = rcl_(*fit, "--output", "memory://b/run")
    assert (told.status, told.err.count("\n")) == (2, 1)
    assert "rcl: output: expected a path on this machine, found an address (memory://)" in told.err
    (tmp_path / "config.yaml").write_text("data:\n  root: s3://bucket/pack\n")
    told = rcl_("train", tmp_path / "config.yaml", "--output", tmp_path / "run")
    assert (told.status, told.err.count("\n")) == (2, 1)
    assert "data.root: expected a path on this machine: copy the pack here, found 's3://bucket/pack'" in told.err
    assert not (Path.cwd() / "memory:").exists()


def test_the_pack_of_a_configuration_may_be_an_address_of_files(tmp_path: Path) -> None:
    assert parse_config({"data": {"root": f"file://{tmp_path}"}}, where="test").data.root == tmp_path


def test_features_are_read_from_a_folder_in_a_store_but_not_from_an_archive(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", array)
        put(f"memory://b/features/{name}.npy", (tmp_path / f"{name}.npy").read_bytes())
    np.savez(tmp_path / "all.npz", a=array)
    put("memory://b/all.npz", (tmp_path / "all.npz").read_bytes())
    store = FeatureStore(to_path("memory://b/features"))
    assert (store.names(), store.shape("a"), store.check(["a", "b"])) == (["a", "b"], (7, 4), 4)
    np.testing.assert_array_equal(store.read("b"), array)
    np.testing.assert_array_equal(read_features(to_path("memory://b/all.npz"), video="a"), array)
    with pytest.raises(
        InputError, match=r"memory://b/all\.npz: expected a folder of feature files, or an archive on th"
    ):
        FeatureStore(to_path("memory://b/all.npz"))
    put("memory://b/features/bad.npy", b"\x93NUMPY damaged")
    with pytest.raises(InputError, match=r"^memory://b/features/bad\.npy, video 'bad': expected") as raised:
        FeatureStore(to_path("memory://b/features")).read("bad")
    assert "rcl-" not in str(raised.value)
