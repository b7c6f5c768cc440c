"""Packs made from videos: unchanged videos are not extracted again, and a bad file does not affect the others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from networks import write_onnx, write_script
from rcl.data.formats.load import load_annotations
from rcl.system.device import usable_cores
from rcl.system.errors import InputError
from rcl.system.text_files import write_text
from rcl.video.backbones.motion import MotionBackbone
from rcl.video.backbones.onnx_weights import external_data
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extract_many import extract_many
from rcl.video.extraction import (
    VideoExtractor,
    choose_extraction,
    extract_features,
    rebuild_backbone,
)
from rcl.video.finding import find_videos
from rcl.video.packs import PackWriter
from rcl.video.records import names_in_pack
from rcl.video.settings import ExtractionSettings, read_settings
from rendered import read_number, render, render_audio
from threads import threads_of_torch
from typed import Rcl
from waiting import PATIENCE_SECONDS, wait_until

SMALL = {"rate": 10.0, "window": 3, "stride": 2}


class NumberBackbone:
    """Its features are the numbers that the frames of a snippet show."""

    rate, window, stride, fixed_window = 10.0, 3, 2, None

    @staticmethod
    def frame_size(frame: torch.Tensor) -> torch.Tensor:
        return frame

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[read_number(frame) for frame in clip.unbind(1)] for clip in frames]).float()


def contents(pack: Path) -> dict[str, bytes]:
    """Every file of a pack."""
    return {str(file.relative_to(pack)): file.read_bytes() for file in sorted(pack.rglob("*")) if file.is_file()}


def writer(pack: Path, **settings: object) -> PackWriter:
    return PackWriter(pack, choose_extraction("motion", **{**SMALL, **settings})[1])


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, frames in (("a", 20), ("b", 31), ("c", 7)):
        render(folder / f"{name}.mp4", frames=frames, rate=10)
    return folder


# -- features and their times ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 2), (4, 3), (16, 4), (2, 5)])
@pytest.mark.parametrize(("native", "rate"), [(25, 25.0), (30, 15.0), (10, 25.0)])
def test_snippet_times_are_right_to_a_frame(tmp_path: Path, window: int, stride: int, native: int, rate: float) -> None:
    video = render(tmp_path / "a.mp4", frames=41, rate=native)
    settings = ExtractionSettings(backbone="motion", rate=rate, window=window, stride=stride)
    found = extract_features(video, NumberBackbone(), settings)
    assert found.features.shape == (-(-round(41 / native * rate) // stride), window)
    assert found.duration_seconds == pytest.approx(41 / native)
    assert found.problems == ()
    for snippet, (numbers, (start, end)) in enumerate(zip(found.features, found.times_seconds, strict=True)):
        if end > start:  # the frames on the screen just after its beginning and just before its end
            assert numbers[0] == pytest.approx(start * native, abs=1)
            assert numbers[-1] == pytest.approx(min(end * native, 41) - 1, abs=1)
        middle = (snippet + 0.5) / found.snippets_per_second  # of the time that the snippet stands for
        assert numbers.mean() == pytest.approx(min(middle * native, 40), abs=max(1, window / 2 * native / rate))


def test_a_feature_that_is_no_number_is_refused(tmp_path: Path) -> None:
    video = render(tmp_path / "a.mp4", frames=100)
    calls = []

    class Broken(NumberBackbone):
        def __call__(self, frames: torch.Tensor) -> torch.Tensor:
            calls.append(len(frames))
            return super().__call__(frames) / 0.0

    with pytest.raises(InputError, match=r"a\.mp4: expected finite features from motion, found NaN or infinity"):
        extract_features(video, Broken(), ExtractionSettings(backbone="motion", **SMALL))
    assert len(calls) == 1  # not after hours


def test_features_of_a_long_video_are_on_disk_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = render(tmp_path / "a.mp4", frames=100)
    settings = ExtractionSettings(backbone="motion", **SMALL)
    expected = extract_features(video, NumberBackbone(), settings).features
    assert not isinstance(expected, np.memmap)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("rcl.video.feature_buffer.SPOOLED_BYTES", 64)
    found = extract_features(video, NumberBackbone(), settings).features
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, expected)
    found += 1  # the caller's own, as in memory
    del found
    assert not list((tmp_path / "temporary").iterdir())


def test_progress_is_the_share_of_the_video_that_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcl.video.extraction.rebuild_backbone", lambda *_, **__: NumberBackbone())
    extractor, told = VideoExtractor(ExtractionSettings(backbone="motion", **SMALL)), list[float]()
    extractor(render(tmp_path / "a.mp4", frames=200, rate=10), progress=told.append)
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    monkeypatch.setattr("rcl.video.feature_buffer.SPOOLED_BYTES", 64)
    with pytest.raises(InputError, match=r"space for the features of .*a\.mp4.*No space left.*TMPDIR"):
        extract_features(render(tmp_path / "a.mp4"), NumberBackbone(), ExtractionSettings(backbone="motion", **SMALL))


def test_a_moved_backbone_is_the_same_and_a_changed_one_is_not(tmp_path: Path) -> None:
    write_script(torch.nn.Flatten(), tmp_path / "a.pt")
    shutil.copy(tmp_path / "a.pt", tmp_path / "moved.pt")
    options = BackboneOptions(size=8)
    _, settings = choose_extraction(f"torchscript:{tmp_path / 'a.pt'}", options, window=2, stride=2)
    _, moved = choose_extraction(f"torchscript:{tmp_path / 'moved.pt'}", options, window=2, stride=2)
    assert settings.difference(moved) is None
    video = render(tmp_path / "v.mp4", frames=8)
    expected = VideoExtractor(settings)(video).features
    (tmp_path / "a.pt").unlink()
    with pytest.raises(InputError, match=r"a\.pt"):
        VideoExtractor(settings)(video)
    again = VideoExtractor(settings, backbone=f"torchscript:{tmp_path / 'moved.pt'}")(video).features
    np.testing.assert_array_equal(again, expected)
    (tmp_path / "a.pt").write_bytes((tmp_path / "moved.pt").read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"expected the weights that the features were extracted with"):
        rebuild_backbone(settings)


def test_the_digest_of_an_onnx_model_covers_its_external_weights_and_no_other_file(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "a.onnx", ["batch", 3, 4, 8, 8])
    onnx = pytest.importorskip("onnx")
    onnx.save(onnx.load(model), model, save_as_external_data=True, location="weights.bin", size_threshold=64)

    def digest() -> str:
        return choose_extraction(f"onnx:{model}")[1].weights["onnx"]

    before = digest()
    (tmp_path / "video").write_bytes(b"a file that is named like the input of the network")
    assert digest() == before
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"\1" + weights.read_bytes()[1:])
    assert digest() != before


def test_the_digest_of_an_onnx_model_covers_weights_of_a_subgraph_in_a_subfolder(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "sub").mkdir()
    weights = tmp_path / "sub" / "w.bin"
    weights.write_bytes(bytes(4))
    constant = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", "sub/w.bin"), ("offset", "0"), ("length", "4")):
        constant.external_data.add(key=key, value=value)
    make = onnx.helper
    output = make.make_tensor_value_info("w", 1, [1])
    branch = make.make_graph([], "branch", [], [output], [constant])
    node = make.make_node("If", ["condition"], ["w"], then_branch=branch, else_branch=branch)
    graph = make.make_graph([node], "graph", [make.make_tensor_value_info("condition", 9, [])], [output])
    model = tmp_path / "a.onnx"
    model.write_bytes(make.make_model(graph).SerializeToString())
    assert external_data(model) == [weights]


@pytest.mark.parametrize("content", [b"", b"text", b"\x3a\xff\xff\xff\xff\x0f", b"\x0b" * 20, b"\xff" * 20])
def test_a_damaged_onnx_model_has_no_external_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    assert external_data(tmp_path / "a.onnx") == []


def test_only_the_window_that_a_backbone_takes(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "a.onnx", ["batch", 3, 4, 8, 8])
    with pytest.raises(InputError, match=r"--window: expected 4 frames, the only length that .* takes, found 5"):
        choose_extraction(f"onnx:{model}", window=5)


def test_invalid_settings_and_unknown_backbones_are_refused() -> None:
    for wrong in ({"rate": -1.0}, {"rate": 0.0}, {"stride": -3}, {"window": 0}):
        with pytest.raises(InputError, match="extraction: expected settings"):
            choose_extraction("motion", **wrong)
    with pytest.raises(InputError, match="--backbone: expected motion, cuts, lite0, lite0-change, hf:NAME_OR_FOLDER"):
        choose_extraction("slowfast")
    with pytest.raises(InputError, match="--pooling: expected an option of the backbone motion"):
        choose_extraction("motion", BackboneOptions(pooling="cls"))


# -- packs -------------------------------------------------------------------------------------------------------


def test_a_pack_is_what_training_reads(tmp_path: Path, videos: Path) -> None:
    pack = writer(tmp_path / "pack")
    outcomes = list(extract_many(pack, find_videos([videos])[0]))
    annotations = pack.annotate()
    assert [outcome.video for outcome in outcomes] == ["a", "b", "c"]
    assert all(outcome.new and not outcome.error for outcome in outcomes)
    assert [video.duration_seconds for video in annotations.videos.values()] == [2.0, 3.1, 0.7]
    assert {video.snippets_per_second for video in annotations.videos.values()} == {5.0}
    features, times = (np.load(tmp_path / "pack" / part / "b.npy") for part in ("features", "times"))
    assert features.shape == (16, 376)
    assert features.dtype == np.float32
    np.testing.assert_allclose(times[[0, 1, -1]], [[0, 0.3], [0.2, 0.5], [3.0, 3.1]])
    record = json.loads((tmp_path / "pack" / "records" / "b.json").read_text())
    assert record["source"] == str(videos / "b.mp4")
    assert {"rcl-tad", "torch", "av", "opencv-python-headless"} <= record["versions"].keys()
    assert read_settings(tmp_path / "pack") == pack.settings


def test_unchanged_videos_are_not_extracted_again(tmp_path: Path, videos: Path) -> None:
    found, _ = find_videos([videos])
    list(extract_many(writer(tmp_path / "pack"), found))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "pack" / "features").iterdir()}
    render(videos / "b.mp4", frames=12, rate=10)  # another video
    (tmp_path / "pack" / "records" / "c.json").write_text('{"source": ')  # a damaged record is none
    outcomes = {outcome.video: outcome for outcome in extract_many(writer(tmp_path / "pack"), found)}
    assert {name: outcome.new for name, outcome in outcomes.items()} == {"a": False, "b": True, "c": True}
    assert len(np.load(tmp_path / "pack" / "features" / "b.npy")) == 6
    changed = {file.stem for file, then in before.items() if file.stat().st_mtime_ns != then}
    assert changed == {"b", "c"}


def test_a_video_that_cannot_be_read_any_more_is_not_in_the_pack(tmp_path: Path, videos: Path) -> None:
    found, _ = find_videos([videos])
    list(extract_many(writer(tmp_path / "pack"), found))
    (videos / "b.mp4").write_text("no longer a video")
    pack = writer(tmp_path / "pack")
    assert [outcome.video for outcome in extract_many(pack, found) if outcome.error] == ["b"]
    assert [*pack.annotate().videos] == ["a", "c"]


def test_a_missing_video_keeps_its_features(tmp_path: Path, videos: Path) -> None:
    found, _ = find_videos([videos])
    list(extract_many(writer(tmp_path / "pack"), found))
    (videos / "b.mp4").rename(tmp_path / "b.mp4")
    pack = writer(tmp_path / "pack")
    assert [outcome.video for outcome in extract_many(pack, found) if outcome.error] == ["b"]
    assert pack.names() == ["a", "b", "c"]
    (tmp_path / "b.mp4").rename(videos / "b.mp4")
    assert not any(outcome.new for outcome in extract_many(pack, found))


def test_another_video_of_a_name_is_refused_while_the_first_is_there(tmp_path: Path, videos: Path) -> None:
    list(extract_many(writer(tmp_path / "pack"), find_videos([videos])[0]))
    (tmp_path / "other").mkdir()
    render(tmp_path / "other" / "a.mp4", frames=9)
    (outcome,) = extract_many(writer(tmp_path / "pack"), {"a": tmp_path / "other" / "a.mp4"})
    assert "expected a video with a unique name, found the name of" in str(outcome.error)
    (videos / "a.mp4").unlink()
    (outcome,) = extract_many(writer(tmp_path / "pack"), {"a": tmp_path / "other" / "a.mp4"})
    assert outcome.record


def test_a_video_has_one_name_also_when_one_like_it_comes_and_goes(tmp_path: Path, videos: Path) -> None:
    pack, first = writer(tmp_path / "pack"), 1
    for names in (["a"], ["a", "a.avi"], ["a"]):
        found = names_in_pack(tmp_path / "pack", find_videos([*videos.glob("a.*")])[0])
        assert [*found] == names
        outcomes = {outcome.video: outcome for outcome in extract_many(pack, found)}
        assert [name for name in names if outcomes[name].new] == (["a.avi"] if len(names) == 2 else [names[0]][:first])
        first = 0
        twin = videos / "a.avi"
        if twin.exists():
            twin.unlink()
        else:
            render(twin, codec="mpeg4", frames=8)
    assert pack.names() == ["a", "a.avi"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unexpected_error_fails_only_its_video(
    tmp_path: Path, videos: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if workers == 1:
        monkeypatch.setattr(MotionBackbone, "__call__", lambda *_: 1 / 0)
        expected = "found ZeroDivisionError: "
        settings = writer(tmp_path / "pack").settings
    else:  # a backbone that workers cannot build
        write_script(torch.nn.Flatten(), tmp_path / "a.pt")
        name = f"torchscript:{tmp_path / 'a.pt'}"
        _, settings = choose_extraction(name, BackboneOptions(size=8), window=2, stride=2)
        (tmp_path / "a.pt").unlink()
        expected = "a.pt: expected a file, found no such file"
    outcomes = list(extract_many(PackWriter(tmp_path / "pack", settings), find_videos([videos])[0], workers=workers))
    assert len(outcomes) == 3
    assert all(expected in str(outcome.error) for outcome in outcomes)


def test_a_pack_without_features_takes_other_settings(tmp_path: Path) -> None:
    writer(tmp_path / "pack", rate=1e-5)  # mistyped, and stopped
    assert writer(tmp_path / "pack").settings == read_settings(tmp_path / "pack")


def test_two_settings_do_not_mix(tmp_path: Path, videos: Path) -> None:
    list(extract_many(writer(tmp_path / "pack"), {"a": videos / "a.mp4"}))
    for change, said in (({"stride": 3}, "stride 2 and 3"), ({"rate": 12.5}, r"rate 10\.0 and 12\.5")):
        with pytest.raises(InputError, match=f"pack: expected the settings .* found other settings .{said}"):
            writer(tmp_path / "pack", **change)
    writer(tmp_path / "pack")
    (tmp_path / "hand" / "features").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a pack without extraction\.json"):
        writer(tmp_path / "hand")
    write_text(tmp_path / "pack" / "extraction.json", '{"format": 1, "settings": {"rate": 10}}')
    with pytest.raises(InputError, match=r"extraction\.json: expected settings of an extraction, found backbone: "):
        writer(tmp_path / "pack")
    write_text(tmp_path / "pack" / "extraction.json", '{"format": 99}')
    with pytest.raises(InputError, match=r"extraction\.json: expected format 1 or 2, found format 99"):
        writer(tmp_path / "pack")


def test_bad_files_are_reported_and_any_number_of_processes_makes_the_same_pack(tmp_path: Path, videos: Path) -> None:
    (videos / "empty.mp4").touch()
    (videos / "text.mp4").write_text("not a video at all\n" * 20)
    (videos / "random.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    render_audio(videos / "sound.mp4")
    render(videos / "cut.mp4", frames=200, rate=10, faststart=True, options={"g": "10"})
    whole = (videos / "cut.mp4").read_bytes()
    (videos / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    found, _ = find_videos([videos])
    for workers in (1, 2):
        pack = writer(tmp_path / f"pack{workers}")
        with threads_of_torch(max(1, usable_cores() // 2)):  # as many as each of two processes takes
            outcomes = {outcome.video: outcome for outcome in extract_many(pack, found, workers=workers)}
        assert outcomes.keys() == found.keys()
        failed = {name for name, outcome in outcomes.items() if outcome.error}
        assert failed == {"empty", "text", "random", "sound"}
        for name in failed:
            assert f"{name}." in str(outcomes[name].error)
        assert outcomes["cut"].record is not None
        assert outcomes["cut"].record.problems[0].startswith("ends after ")
        assert sorted(pack.annotate().videos) == ["a", "b", "c", "cut"]
    assert contents(tmp_path / "pack1") == contents(tmp_path / "pack2")


def test_a_killed_extraction_goes_on_to_the_same_result(tmp_path: Path, rcl_: Rcl) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(6):
        render(folder / f"v{number}.mp4", frames=150, rate=10, width=160, height=96)

    def command(pack: str) -> list[str]:
        return ["extract", str(folder), "--output", str(tmp_path / pack), "--workers", "1"]

    # Stopped by itself after its second video, so that the kill always comes in the middle.
    stop = """
import os, signal, rcl.cli
from rcl.video.packs import PackWriter

extract_one, done = PackWriter.extract_one, []

def extract_and_stop(*arguments, **options):
    done.append(extract_one(*arguments, **options))
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    return done[-1]

PackWriter.extract_one = extract_and_stop
rcl.cli.main()
"""
    process = subprocess.Popen([sys.executable, "-c", stop, *command("killed")])
    records = tmp_path / "killed" / "records"
    wait_until(lambda: len(list(records.glob("*.json"))) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {file.name: file.stat().st_mtime_ns for file in records.glob("*.json")}
    assert len(done) == 2
    for pack in ("killed", "undisturbed"):
        assert rcl_(*command(pack)).status == 0
    assert {name: (records / name).stat().st_mtime_ns for name in done} == done
    left_over = {name for name in contents(tmp_path / "killed") if name.endswith(".part")}
    finished = {name: text for name, text in contents(tmp_path / "killed").items() if name not in left_over}
    assert finished == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_of_an_extraction_that_was_stopped(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "videos").mkdir()
    render(tmp_path / "videos" / "v0.mp4", frames=20, rate=10, width=320, height=240)  # whose features are soon there
    video = tmp_path / "videos" / "v1.mp4"
    render(video, frames=1500, rate=10, width=320, height=240, options={"preset": "ultrafast"})
    for number in (2, 3):
        shutil.copy(video, video.with_stem(f"v{number}"))
    command = [sys.executable, "-m", "rcl.cli", "extract", str(tmp_path / "videos"), "--output", str(tmp_path / "pack")]
    process = subprocess.Popen([*command, "--workers", "2"])
    parent = psutil.Process(process.pid)
    wait_until((tmp_path / "pack" / "features").exists, process)
    workers = parent.children(recursive=True)
    process.send_signal(sent)
    assert process.wait(timeout=60) in (130, -sent)
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_a_video_that_kills_its_process_is_reported_and_the_others_go_on(tmp_path: Path, videos: Path) -> None:
    (videos / "c.mp4").unlink()  # every video is tried again in a process of its own
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from rcl.video import finding, packs
from rcl.video.extract_many import extract_many

def main():
    pack = packs.PackWriter(Path({str(tmp_path / "pack")!r}), packs.ExtractionSettings(backbone="motion", **{SMALL!r}))
    for outcome in extract_many(pack, finding.find_videos([{str(videos)!r}])[0], workers=2):
        print(outcome.video, "failed" if outcome.error else "done")

extract_one = packs.PackWriter.extract_one
def dies(self, name, *arguments, **options):
    if name == "b":
        os._exit(1)
    return extract_one(self, name, *arguments, **options)
packs.PackWriter.extract_one = dies

if __name__ == "__main__":
    main()
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert sorted(run.stdout.split("\n")[:-1]) == ["a done", "b failed"]


# -- names -------------------------------------------------------------------------------------------------------


def test_videos_are_found_by_name(tmp_path: Path) -> None:
    for name in ("a.MP4", "sub/b.mkv", "c.mov", "c.avi", ".hidden.mp4", ".git/x.mp4", "labels.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    videos, others = find_videos([tmp_path])
    assert {name: str(path.relative_to(tmp_path)) for name, path in videos.items()} == {
        "a": "a.MP4",
        "c.avi": "c.avi",
        "c.mov": "c.mov",
        "sub/b": "sub/b.mkv",
    }
    assert [path.name for path in others] == ["labels.csv"]
    assert [*find_videos([tmp_path / "c.mov", tmp_path / "c.mov", tmp_path / "labels.csv"])[0]] == ["c", "labels"]


def test_names_are_relative_and_stay_when_videos_are_added(tmp_path: Path) -> None:
    first = ["x.mp4", "cam1/001.mp4", "cam 2/day 1/001.mp4"]
    later = ["001.mp4", "cam2/001.mp4", "cam 2/001.avi", "x/x.mp4"]
    names = {}
    for files in (first, [*first, *later]):
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        found = {str(file.relative_to(tmp_path)): name for name, file in find_videos([tmp_path])[0].items()}
        assert found == {name: name.rpartition(".")[0] for name in files}
        assert all(found[file] == name for file, name in names.items())
        names = found


@pytest.mark.parametrize(
    ("given_paths", "names"),
    [
        (["cam1", "cam2"], ["cam1/001", "cam1/x/002", "cam2/001", "cam2/x/002"]),
        (["cam1/001.mp4", "cam2/001.mp4"], ["cam1/001", "cam2/001"]),
        (["cam1", "cam2/x"], ["001", "002", "x/002"]),
        (["a/cam1", "b/cam1"], ["a/cam1/001", "b/cam1/001"]),
        (["cam1", "cam1/001.mp4", "./cam1"], ["001", "x/002"]),
        (["cam1/001.mp4", "cam1/001.avi"], ["001.avi", "001.mp4"]),
    ],
)
def test_folders_tell_equal_names_apart(
    tmp_path: Path, given_paths: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cam1/001", "cam1/x/002", "cam2/001", "cam2/x/002", "a/cam1/001", "b/cam1/001"):
        (tmp_path / f"{name}.mp4").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.mp4").touch()
    monkeypatch.chdir(tmp_path)
    assert [*find_videos(given_paths)[0]] == names


def test_names_are_composed_and_files_are_as_they_are(tmp_path: Path) -> None:
    written = unicodedata.normalize("NFD", "Übung/é.mp4")
    (tmp_path / written).parent.mkdir()
    (tmp_path / written).touch()
    (name, file), *_ = find_videos([tmp_path])[0].items()
    assert name == unicodedata.normalize("NFC", "Übung/é")
    assert file.exists()
    (tmp_path / "Übung").mkdir(exist_ok=True)
    (tmp_path / unicodedata.normalize("NFC", "Übung/é.mp4")).touch()
    with pytest.raises(InputError, match=r"expected one file of this name, found .* and .*; rename one of them"):
        find_videos([tmp_path])


def test_a_folder_without_videos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected video files, found none"):
        find_videos([tmp_path])


def test_labels_stay_when_videos_are_added(tmp_path: Path, videos: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("video,start,end,label,subset\na,0.5,1.5,x,training\nmissing,0,1,x,training\n")
    pack = writer(tmp_path / "pack")
    list(extract_many(pack, find_videos([videos / "a.mp4"])[0]))
    pack.annotate(load_annotations(table))
    list(extract_many(pack, find_videos([videos])[0]))
    table.write_text("video,start,end,label,subset\nc,0.1,0.5,y,validation\n")
    videos_of_pack = pack.annotate(load_annotations(table)).videos
    assert [(name, video.subset, video.labels) for name, video in videos_of_pack.items()] == [
        ("a", "training", ("x",)),
        ("b", "testing", ()),
        ("c", "validation", ("y",)),
    ]
    assert load_annotations(tmp_path / "pack" / "annotations.json").videos["a"].segments_seconds.tolist() == [
        [0.5, 1.5]
    ]
