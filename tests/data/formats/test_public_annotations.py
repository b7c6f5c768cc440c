from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from places import SHARED
from rcl.data.formats import opening
from rcl.data.formats.bmn import effective_seconds, is_bmn
from rcl.data.formats.load import (
    import_annotations,
    load_annotations,
    load_both,
    load_content,
    read_bmn,
    read_thumos14,
    read_video_info,
)
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import load_detections
from rcl.data.formats.thumos14 import THUMOS14_LEFT_OUT, is_thumos14
from rcl.data.segments import Timeline
from rcl.data.windows import window_members, window_segments, window_starts
from rcl.system.errors import InputError
from rcl.system.text_files import read_text

needs_shared = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason=f"the real annotations are not at {SHARED}")

HEADER = "video,type,type_idx,start,end,startFrame,endFrame\n"
INFO_HEADER = "video,numFrame,seconds,fps,rfps,subset,featureFrame\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def entry(duration: object = 10.0, frames: object = 250, features: object = 240, annotations: object = ()) -> dict:
    items = list(annotations) if isinstance(annotations, tuple) else annotations
    return {"duration_second": duration, "duration_frame": frames, "annotations": items, "feature_frame": features}


def error_of(path: Path, call: object) -> str:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# -- THUMOS14 ----------------------------------------------------------------------------------------------------


def test_tables_of_both_subsets_become_one_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = write(tmp_path / "val.csv", HEADER + "video_validation_0000051,Billiards,12,67.5,75.9,2025,2277\n")
    test = write(
        tmp_path / "test.csv",
        HEADER
        + "video_test_0000004,CricketShot,24,1.0,1.5,30,45\n"
        + "video_test_0000004,CricketBowling,23,0.2,1.1,6,33\n",
    )
    assert is_thumos14(training.read_text())
    annotations = read_thumos14(training, test)
    first, second = annotations.videos.values()
    assert (first.subset, second.subset) == ("training", "validation")
    assert (first.duration_seconds, first.snippets_per_second) == (None, None)
    assert second.segments_seconds.tolist() == [[1.0, 1.5], [0.2, 1.1]]
    assert second.labels == ("CricketShot", "CricketBowling")
    assert not caplog.records  # every column of the format is known


def test_ambiguous_instances_go_or_stay_and_their_video_stays(tmp_path: Path) -> None:
    rows = "video_test_0000001,Ambiguous,0,1,2,30,60\nvideo_test_0000002,Ambiguous,0,1,2,30,60\n"
    path = write(tmp_path / "t.csv", HEADER + rows + "video_test_0000002,Diving,26,3,4,90,120\n")
    videos = read_thumos14(path).videos
    assert [video.labels for video in videos.values()] == [(), ("Diving",)]
    assert videos["video_test_0000001"].segments_seconds.shape == (0, 2)
    kept = read_thumos14(path, ambiguous=True).videos
    assert [video.labels for video in kept.values()] == [("Ambiguous",), ("Ambiguous", "Diving")]
    assert list(read_thumos14(path, leave_out=("video_test_0000001",)).videos) == ["video_test_0000002"]
    assert len(THUMOS14_LEFT_OUT) == 3


@pytest.mark.parametrize("rate", [15.0, 24.0, 25.0, 29.97002997, 30.0])
def test_the_frame_rate_of_every_video_is_found(tmp_path: Path, rate: float) -> None:
    times = np.random.default_rng(0).uniform(0, 300, (20, 2)).round(1)
    times.sort(axis=1)
    rows = [f"video_test_0000001,Diving,26,{s},{e},{int(s * rate)},{int(e * rate)}\n" for s, e in times.tolist()]
    path = write(tmp_path / "t.csv", HEADER + "".join(rows))
    (video,) = read_thumos14(path, stride_frames=5).videos.values()
    assert video.snippets_per_second is not None
    assert abs(video.snippets_per_second * 5 - rate) * 300 < 1.5  # frames, at the end of five minutes


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("video_test_0000001,Diving,26,2,1,1,2", "start 2.0 and end 1.0"),
        ("video_test_0000001,Diving,26,x,1,1,2", "'x'"),
        ("video_test_0000001,,26,0,1,1,2", "name of an action"),
        (",Diving,26,0,1,1,2", "name of a video"),
        ("cooking_1,Diving,26,0,1,1,2", "a video of THUMOS14"),
        ("video_test_0000001,Diving,26,0,1,9,2", "start 9.0 and end 2.0"),
        ("video_test_0000001,Diving,26,0,1,1", "expected 7 fields"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, row: str, found: str) -> None:
    path = write(tmp_path / "t.csv", HEADER + "video_test_0000001,Diving,26,0,1,0,30\n" + row + "\n")
    message = error_of(path, lambda: read_thumos14(path, stride_frames=5))
    assert found in message
    assert "line 3" in message


def test_a_table_with_scores_holds_detections(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "video,type,start,end,score\nvideo_test_0000001,Diving,0,1,0.5\n")
    for detections in (load_detections(path), load_content(path)):
        assert [*detections] == [("video_test_0000001", 0, 1, "Diving", 0.5)]
    assert import_annotations(path).labels == ("Diving",)


def test_the_lists_of_single_actions_are_refused_with_a_way_on(tmp_path: Path) -> None:
    path = write(tmp_path / "Diving_test.txt", "video_test_0000001  0.5 1.5\nvideo_test_0000002 3 4\n")
    message = error_of(path, lambda: import_annotations(path))
    assert "a list of THUMOS14" in message
    assert "a table video,type,start,end" in message


def test_other_tables_are_refused(tmp_path: Path) -> None:
    own = write(tmp_path / "own.csv", "video,start,end,label\nv,0,1,run\n")
    assert not is_thumos14(own.read_text())
    assert "without type" in error_of(own, lambda: read_thumos14(own))
    empty = write(tmp_path / "empty.csv", HEADER)
    assert "annotated videos" in error_of(empty, lambda: read_thumos14(empty))
    frameless = write(tmp_path / "f.csv", "video,type,start,end\nvideo_test_0000001,Diving,0,1\n")
    assert read_thumos14(frameless).labels == ("Diving",)
    assert "startframe" in error_of(frameless, lambda: read_thumos14(frameless, stride_frames=5))
    assert "in two" in error_of(frameless, lambda: read_thumos14(frameless, frameless))
    unframed = write(tmp_path / "u.csv", HEADER + "video_test_0000001,Diving,26,0,1,0,0\n")
    with pytest.raises(InputError, match="video 'video_test_0000001': expected a number of frames per second"):
        read_thumos14(unframed, stride_frames=5)


# -- ActivityNet -------------------------------------------------------------------------------------------------


def write_bmn(folder: Path, database: object, info: str | None = None) -> Path:
    if info is not None:
        write(folder / "video_info_new.csv", INFO_HEADER + info)
    return write(folder / "anet_anno_action.json", json.dumps(database))


def test_subsets_come_from_the_file_beside(tmp_path: Path) -> None:
    item = {"segment": [0.01, 12.5], "label": "Polo"}
    path = write_bmn(
        tmp_path,
        {"v_a": entry(14.07, 418, 400, (item,)), "v_b": entry(), "v_c": entry()},
        "v_c,250,10.0,25.0,25,testing,240\nv_b,250,10.0,25.0,25,validation,240\n"
        "v_a,418,14.07,30.0,29.7,training,400\nv_more,1,1,1,1,training,16\n",
    )
    assert is_bmn(json.loads(path.read_text()))
    videos = read_bmn(path).videos
    assert [video.subset for video in videos.values()] == ["training", "validation", "testing"]
    assert videos["v_a"].duration_seconds == pytest.approx(14.07 * 400 / 418)
    assert videos["v_a"].snippets_per_second is None
    assert videos["v_a"].segments_seconds.tolist() == [[0.01, 12.5]]
    assert read_video_info(tmp_path / "video_info_new.csv")["v_a"] == ("training", 14.07, 418, 400)


def test_training_and_evaluation_read_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bmn(tmp_path, {"v_a": entry(10.0, 250, 240)}, "v_a,250,10.0,25.0,25,training,240\n")
    opened = list[Path]()
    monkeypatch.setattr(opening, "read_text", lambda path: opened.append(path) or read_text(path))
    clipped, written = load_both(path)
    assert clipped.videos["v_a"].duration_seconds == 9.6
    assert written.videos["v_a"].duration_seconds == 10.0
    assert opened == [path, tmp_path / "video_info_new.csv"]


def test_extents() -> None:
    assert effective_seconds(100.0, 1000, 960, "features") == 96.0
    assert effective_seconds(100.0, 1000, 960, "whole_snippets") == pytest.approx(99.2)
    assert effective_seconds(100.0, 1000, 1008, "features") == pytest.approx(100.8)  # there are such videos
    assert effective_seconds(100.0, 1000, 960, "video") == 100.0


def test_subsets_without_the_file_beside(tmp_path: Path) -> None:
    path = write_bmn(tmp_path, {"v_a": entry() | {"subset": "train"}, "v_b": entry()})
    assert f"{path}, video 'v_b': expected its subset" in error_of(path, lambda: read_bmn(path))
    assert {video.subset for video in read_bmn(path, subset="val").videos.values()} == {"validation"}
    info = write(tmp_path / "i.csv", INFO_HEADER + "v_b,250,10.0,25.0,25,testing,240\n")
    assert [video.subset for video in read_bmn(path, info=info).videos.values()] == ["training", "testing"]


@pytest.mark.parametrize("changes", [{"feature_frame": 0}, {"feature_frame": 0, "duration_frame": 0}])
@pytest.mark.parametrize("missing", [(), ("feature_frame", "duration_frame")])
@pytest.mark.parametrize(
    ("name", "likely"), [("anno_val", "validation"), ("my-Test", "testing"), ("train_set", "training")]
)
def test_frames_that_people_filled_in_as_0(
    tmp_path: Path, changes: dict[str, int], missing: tuple[str, ...], name: str, likely: str
) -> None:
    item = entry(10.0, 250, 240, ({"segment": [1.5, 3.25], "label": "walk"},)) | changes | {"fps": 25.0, "rfps": 25.0}
    own = {key: value for key, value in item.items() if key not in missing}
    path = write(tmp_path / f"{name}.json", json.dumps({"clip": own}))
    message = error_of(path, lambda: import_annotations(path))
    assert f"give it to rcl import with --subset {likely}, as its name says" in message
    for each in (
        import_annotations(path, options=ReadOptions(subset="val")),
        load_annotations(path, options=ReadOptions(subset="val")),
        read_bmn(path, subset="val"),
    ):
        (video,) = each.videos.values()
        assert (video.subset, video.duration_seconds, video.labels) == ("validation", 10.0, ("walk",))


def test_no_subset_is_proposed_where_the_name_has_none(tmp_path: Path) -> None:
    path = write(tmp_path / "evaluate.json", json.dumps({"clip": entry()}))
    assert "--subset training, validation or testing, or put" in error_of(path, lambda: import_annotations(path))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (entry(duration=0), "positive duration_second"),
        (entry(frames=0), "whole number of frames as duration_frame"),
        (entry(frames=2.5), "whole number of frames as duration_frame"),
        (entry(features=None), "finite number as feature_frame"),
        (entry(annotations=None), "without annotations"),
        (entry(annotations=(3,)), '{"segment", "label"}'),
        (entry(annotations=({"segment": [2, 1], "label": "x"},)), "start 2.0 and end 1.0"),
        (entry(annotations=({"segment": [0, 1], "label": ""},)), "name of an action"),
        ([], "expected a video"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, wrong: object, found: str) -> None:
    path = write_bmn(tmp_path, {"v_a": entry(), "v_b": wrong})
    message = error_of(path, lambda: read_bmn(path, subset="training"))
    assert found in message
    assert "video 'v_b'" in message


def test_other_json_is_refused(tmp_path: Path) -> None:
    for data in ({"database": {}}, {}, {"results": {"v": []}}):
        path = write_bmn(tmp_path, data)
        assert "the annotation file of BSN or BMN" in error_of(path, lambda path=path: read_bmn(path))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("v_a,250,10.0,25,25,training,240", "it twice"),
        (",250,10.0,25,25,training,240", "found none"),
        ("v_b,250,10.0,25,25,somewhere,240", "'somewhere'"),
        ("v_b,x,10.0,25,25,training,240", "numFrame"),
        ("v_b,250,-1,25,25,training,240", "positive seconds"),
    ],
)
def test_wrong_info_is_named(tmp_path: Path, row: str, found: str) -> None:
    path = write(tmp_path / "i.csv", INFO_HEADER + "v_a,250,10.0,25,25,training,240\n" + row + "\n")
    message = error_of(path, lambda: read_video_info(path))
    assert found in message
    assert "line 3" in message


# -- real annotations --------------------------------------------------------------------------------------------


@needs_shared
def test_real_thumos14_written_as_public_tables_reads_back(tmp_path: Path) -> None:
    truth = load_annotations(SHARED / "data" / "thumos14" / "annotations.json", clip=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("training", "validation")}
    for subset, path in paths.items():
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(HEADER.strip().split(","))
            for video in truth.subset(subset).videos.values():
                for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True):
                    writer.writerow((video.name, label, 0, start, end, int(start * 30), int(end * 30)))
    found = read_thumos14(*paths.values(), stride_frames=5)
    written = {name for name, video in truth.videos.items() if video.labels}
    assert set(found.videos) == written
    for name in written:
        own, real = found.videos[name], truth.videos[name]
        assert np.array_equal(own.segments_seconds, real.segments_seconds)
        assert (own.labels, own.subset) == (real.labels, real.subset)
        assert own.snippets_per_second == pytest.approx(6, abs=0.02)


@needs_shared
def test_golden_labels_of_bmn_have_our_durations() -> None:
    path = SHARED / "golden" / "bmn" / "bmn_labels.json"
    for item in json.loads(path.read_text()):
        info, expected = item["info"], np.load(path.with_name(f"bmn_gt_iou_map_{item['video']}.npy"))
        args = info["duration_second"], info["duration_frame"], info["feature_frame"]
        timeline = Timeline(100 / effective_seconds(*args, "features"))
        seconds = torch.tensor([a["segment"] for a in info["annotations"]], dtype=torch.float64)
        truth = timeline.to_snippets(seconds).clamp(0, 100)  # (N, 2)
        start, end = torch.arange(100)[:, None, None], torch.arange(1, 101)[None, :, None]
        common = (torch.minimum(end, truth[:, 1]) - torch.maximum(start, truth[:, 0])).clamp(min=0)
        overlap = (common / (end - start + truth[:, 1] - truth[:, 0] - common)).amax(dim=-1)
        upper = np.triu(np.ones((100, 100), dtype=bool))
        np.testing.assert_allclose(overlap.numpy()[upper], expected[upper], atol=1e-5)


@needs_shared
def test_activitynet_is_read_and_cut_into_windows_in_seconds(tmp_path: Path) -> None:
    truth = load_annotations(SHARED / "data" / "activitynet-1.3" / "annotations.json", clip=False)
    database, info = {}, []
    for video in truth.videos.values():
        assert video.duration_seconds is not None
        frames = max(16, round(video.duration_seconds * 30))
        items = [
            {"segment": segment, "label": label}
            for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ]
        database[video.name] = entry(video.duration_seconds, frames, frames // 16 * 16, items)
        info.append(f"{video.name},{frames},{video.duration_seconds},30,30,{video.subset},{frames // 16 * 16}\n")
    path = write_bmn(tmp_path, database, "".join(info))

    began = time.process_time()
    annotations = read_bmn(path)
    for video in [*annotations.videos.values()][:14_000]:
        assert video.duration_seconds is not None
        rate = 30 / 16
        snippets = max(1, int(video.duration_seconds * rate))
        starts = window_starts(snippets, 128, 64)
        segments = torch.from_numpy(video.segments_seconds) * rate
        members = window_members(segments, starts, 128, minimum_share=0.75)
        window_segments(segments, starts, 128)
        lengths = segments[:, 1] - segments[:, 0]
        easy = (lengths > 0) & (lengths <= 64) & (segments[:, 1] <= snippets)  # half a window, inside
        assert members.any(dim=0)[easy].all()
    assert time.process_time() - began < 60
    assert [*annotations.videos] == [*truth.videos]
    assert {name: video.subset for name, video in annotations.videos.items()} == {
        name: video.subset for name, video in truth.videos.items()
    }
