import base64
import json
import re
from dataclasses import replace
from graphlib import CycleError

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats.load import save_annotations
from rcl.data.formats.results import save_detections
from rcl.data.segments import Timeline, tiou
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.evaluation import evaluate
from rcl.evaluation.detad import diagnose
from rcl.evaluation.diagnosis import KINDS
from rcl.system.errors import InputError
from rcl.web.report.confidence_maps import CLOSE_UPS, OVERVIEW, cell_segments, draw_map
from rcl.web.report.matches import match_videos
from rcl.web.report.page import find_files, link_to, write_report
from rcl.web.report.page_data import to_block
from rcl.web.report.rendering import bundle
from rcl.web.report.summary import summarize
from typed import Rcl
from untrained import FACTS, save_untrained

THRESHOLDS = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
NASTY = ("</script><script>window.harmed=1</script>", "a\"b'c&d.<b>", "<!--<script>", "übung 1", "per%cent#hash?")


def made_case(videos=6, truths=8, found=40, seed=0, names=None):
    """Ground truth and noisy detections of several labels."""
    random = np.random.default_rng(seed)
    labels = ("clap", "jump", "walk")
    names = names or [f"video-{number}" for number in range(videos)]
    annotated = {}
    for name in names:
        start = random.uniform(0, 90, truths)
        segments = np.stack((start, start + random.choice([1.0, 4.0, 9.0], truths)), axis=1)
        own = tuple(labels[i] for i in random.integers(3, size=truths))
        annotated[name] = VideoAnnotation(name, "validation", 100.0, 5.0, segments, own)
    near = np.concatenate([video.segments_seconds for video in annotated.values()])  # (V · N, 2)
    rows = random.integers(len(near), size=found * len(names))
    segments = near[rows] + random.normal(0, 0.7, (len(rows), 2))
    segments = np.sort(np.clip(segments, 0, 100), axis=1) + np.array([0, 0.05])
    right = np.array([labels.index(label) for video in annotated.values() for label in video.labels])[rows]
    label = np.where(random.random(len(rows)) < 0.3, random.integers(3, size=len(rows)), right)
    scores = random.random(len(rows)) ** 2
    return Annotations(annotated), Detections(tuple(names), rows // truths, segments, labels, label, scores)


def blocks_of(text):
    """The data of a page, by id."""
    found = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', text, flags=re.DOTALL)
    return {key: json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} in a block")) for key, data in found}


# -- matching ----------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), cut=st.floats(0, 1), row=st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_errors_above_a_score_are_those_of_an_evaluation_of_these_detections_alone(seed, cut, row):
    annotations, detections = made_case(videos=3, seed=seed)
    matches = match_videos(detections, annotations, THRESHOLDS)
    kept = [np.flatnonzero(video.scores >= cut) for video in matches.videos]
    rest = Detections(
        detections.videos,
        np.repeat(np.arange(3), [len(rows) for rows in kept]),
        np.concatenate([video.segments_seconds[rows] for video, rows in zip(matches.videos, kept, strict=True)]),
        matches.labels,
        np.concatenate([video.labels[rows] for video, rows in zip(matches.videos, kept, strict=True)]),
        # Scores are shown with four digits; the order is that of the full ones.
        np.concatenate([video.scores[rows] - 1e-9 * rows for video, rows in zip(matches.videos, kept, strict=True)]),
    )
    alone = match_videos(rest, annotations, THRESHOLDS)
    for video, rows, other in zip(matches.videos, kept, alone.videos, strict=True):
        assert np.array_equal(video.taken[:, rows], other.taken)
        assert np.array_equal(video.kinds[:, rows], other.kinds)
        assert video.errors(cut, row) == other.errors(-1, row)


def test_what_a_detection_took_is_a_ground_truth_of_its_own_video_that_fits():
    annotations, detections = made_case()
    for video in match_videos(detections, annotations, THRESHOLDS).videos:
        assert (video.taken >= 0).any()
        for threshold, taken in zip(THRESHOLDS, video.taken, strict=True):
            own = np.flatnonzero(taken >= 0)
            assert len(set(taken[own])) == len(own)
            for detection, truth in zip(own, taken[own], strict=True):
                assert video.labels[detection] == video.truth_labels[truth]
                pair = torch.from_numpy(np.stack((video.segments_seconds[detection], video.truths_seconds[truth])))
                assert tiou(pair[:1], pair[1:]).item() >= threshold


def test_kinds_are_those_of_detad():
    annotations, detections = made_case(found=20)  # fewer than 10·G, so that DETAD looks at all of them
    kinds = np.concatenate([v.kinds for v in match_videos(detections, annotations, THRESHOLDS).videos], axis=1)
    counts = diagnose(detections, annotations, tiou_thresholds=THRESHOLDS).false_positives.counts.sum(axis=1)
    assert counts.sum() == kinds.size
    assert [np.bincount(row, minlength=len(KINDS)).tolist() for row in kinds] == counts.tolist()


def test_the_first_threshold_shows_as_many_detections_as_there_are_ground_truths():
    annotations, detections = made_case()
    matches = match_videos(detections, annotations, THRESHOLDS)
    shown = sum(int((video.scores >= matches.threshold).sum()) for video in matches.videos)
    assert abs(shown - 6 * 8) <= 2  # ties of rounded scores
    without = match_videos(detections, None, THRESHOLDS)
    assert without.threshold == 0.4
    assert all(not video.annotated and not len(video.kinds) for video in without.videos)


# -- summary -----------------------------------------------------------------------------------------------------


def test_calibration_counts_every_detection_once_and_its_hits_are_those_of_matching():
    annotations, detections = made_case()
    calibration = summarize(detections, annotations, tiou_thresholds=THRESHOLDS).reliability
    matches = match_videos(detections, annotations, [0.5])
    assert calibration.counts.sum() == len(detections)
    assert calibration.right.sum() == sum(int((video.taken >= 0).sum()) for video in matches.videos)
    inside = (detections.scores >= 0.3) & (detections.scores < 0.4)
    assert calibration.counts[3] == inside.sum()
    assert calibration.mean_scores[3] == pytest.approx(detections.scores[inside].mean())
    assert 0 < calibration.error < 1


def test_scores_that_are_no_shares_have_bins_of_their_own_and_no_calibration_error():
    annotations, detections = made_case()
    scaled = replace(detections, scores=detections.scores * 50 - 9)
    calibration = summarize(scaled, annotations, tiou_thresholds=THRESHOLDS).reliability
    assert calibration.error is None
    assert calibration.counts.sum() == len(detections)


def test_the_summary_is_that_of_the_evaluation():
    annotations, detections = made_case()
    summary = summarize(detections, annotations, tiou_thresholds=THRESHOLDS)
    assert summary.evaluation.average_map == evaluate(detections, annotations, tiou_thresholds=THRESHOLDS).average_map
    assert summary.counts == {"videos": 6, "ground truths": 48, "labels": 3, "detections": 240}
    assert summary.evaluation.counts["short_ground_truths"] >= 48 / 3
    assert summary.diagnosis is not None


# -- page --------------------------------------------------------------------------------------------------------


def test_a_page_holds_every_video_and_asks_for_nothing_from_the_network(tmp_path):
    annotations, detections = made_case()
    write_report(tmp_path / "report.html", detections=detections, annotations=annotations)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    blocks = blocks_of(text)
    assert sum(key.startswith("video-") for key in blocks) == 6
    count = int((detections.video_index == 0).sum())
    assert len(blocks["video-0"]["scores"]) == count
    assert [len(row) for row in blocks["video-0"]["kinds"]] == [count] * 5
    without_plotly = re.sub(r'<script type="text/plain" id="plotly">.*?</script>', "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", without_plotly)
    assert not re.findall(r"@import|url\(\s*[\"']?http", without_plotly)
    assert "connect-src" not in text  # what is not allowed is forbidden:
    assert "default-src 'none'" in text
    assert "NaN" not in without_plotly.replace("Number.isNaN", "")


def test_the_same_input_gives_the_same_bytes(tmp_path):
    annotations, detections = made_case()
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, detections=detections, annotations=annotations)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_modules_are_joined_after_those_that_they_import():
    modules = {
        "a.js": 'import {two} from "./b.js";\nimport {\n  one,\n} from "./c.js";\nuse(one, two);\n',
        "b.js": 'import {one} from "./c.js";\nexport const two = one + 1;\n',
        "c.js": "export let one = 1;\nexport async function f() {}\n",
    }
    expected = '"use strict";\nlet one = 1;\nasync function f() {}\nconst two = one + 1;\nuse(one, two);\n'
    assert bundle(modules) == expected
    with pytest.raises(CycleError):
        bundle(modules | {"c.js": 'import {two} from "./b.js";\n'})


def test_names_cannot_break_out_of_their_place(tmp_path):
    annotations, detections = made_case(names=NASTY)
    labels = ("</script><img src=x onerror=alert(1)>", *detections.labels[1:])
    renamed = {
        name: VideoAnnotation(name, "validation", 100.0, 5.0, video.segments_seconds, (labels[0],) * 8)
        for name, video in annotations.videos.items()
    }
    detections = replace(detections, labels=labels)
    path = tmp_path / "report.html"
    write_report(path, detections=detections, annotations=Annotations(renamed), title=NASTY[0])
    text = path.read_text(encoding="utf-8")
    assert "<script>window.harmed" not in text
    assert "<img" not in text
    blocks = blocks_of(text)
    assert [video["name"] for video in blocks["report"]["videos"]] == list(NASTY)
    assert labels[0] in blocks["report"]["labels"]


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_block_has_no_angle_and_reads_back(data):
    text = to_block(data)
    assert "<" not in text
    assert json.loads(text) == data


def test_a_page_without_annotations_counts_and_shows(tmp_path):
    _, detections = made_case()
    notes = write_report(tmp_path / "report.html", detections=detections)
    blocks = blocks_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert notes == ()
    assert list(blocks["report"]["charts"]) == ["scores"]
    assert blocks["video-0"]["kinds"] == []


def test_detections_of_unknown_videos_and_labels_are_counted_in_notes(tmp_path):
    annotations, detections = made_case()
    known = {name: video for name, video in annotations.videos.items() if name != "video-5"}
    known = {
        name: VideoAnnotation(name, "validation", None, None, v.segments_seconds, ("clap",) * 8)
        for name, v in known.items()
    }
    path = tmp_path / "report.html"
    notes = write_report(path, detections=detections, annotations=Annotations(known))
    outside = int((detections.video_index == 5).sum())
    assert f"{outside} detections in 1 video without annotations: counted as wrong. They are in 'video-5'." in notes
    assert any("labels that no ground truth has" in note for note in notes)
    video = blocks_of(path.read_text(encoding="utf-8"))["video-5"]
    assert not video["annotated"]


def test_notes_end_with_one_full_stop(tmp_path, localizer):
    annotations, detections = made_case(videos=3)
    readers = dict.fromkeys(annotations.videos, lambda: (_ for _ in ()).throw(InputError.missing("a.npy")))
    timeless = {
        name: VideoAnnotation(name, "validation", 100.0, 5.0, np.full((8, 2), 7.0), video.labels)
        for name, video in annotations.videos.items()
    }
    notes = write_report(
        tmp_path / "report.html",
        detections=detections,
        annotations=Annotations(timeless),
        localizer=localizer,
        features=readers,
    )
    assert [note.partition(" ")[0] for note in notes] == ["24", "No", "No"]  # instances without a length
    for note in notes:
        assert note.endswith(".")
        assert not note.endswith("..")


@pytest.mark.parametrize("change", ["videos", "labels", "no instance"])
def test_annotations_of_something_else_are_refused(tmp_path, change):
    annotations, detections = made_case()
    videos = {
        (f"other-{name}" if change == "videos" else name): VideoAnnotation(
            name,
            "validation",
            100.0,
            5.0,
            video.segments_seconds[: 0 if change == "no instance" else None],
            () if change == "no instance" else ("nap",) * 8 if change == "labels" else video.labels,
        )
        for name, video in annotations.videos.items()
    }
    with pytest.raises(InputError, match="expected"):
        write_report(tmp_path / "report.html", detections=detections, annotations=Annotations(videos))
    assert not (tmp_path / "report.html").exists()


def test_proposals_are_matched_whatever_the_labels(tmp_path):
    annotations, detections = made_case()
    proposals = replace(detections, labels=("",), label_index=np.zeros(len(detections), dtype=np.int64))
    write_report(tmp_path / "report.html", detections=proposals, annotations=annotations)
    blocks = blocks_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert blocks["report"]["labels"] == [""]
    assert any(taken >= 0 for taken in blocks["video-0"]["taken"][0])


def test_an_empty_result_and_videos_without_detections_are_fine(tmp_path):
    annotations, _ = made_case()
    write_report(tmp_path / "report.html", detections=Detections.empty(), annotations=annotations)
    index = blocks_of((tmp_path / "report.html").read_text(encoding="utf-8"))["report"]
    assert [video["errors"] for video in index["videos"]] == [8] * 6
    with pytest.raises(InputError, match="none"):
        write_report(tmp_path / "report.html", detections=Detections.empty())


def test_videos_are_linked_relative_to_the_page(tmp_path):
    (tmp_path / "films").mkdir()
    file = tmp_path / "films" / "a b#1%.mp4"
    file.touch()
    assert link_to(file, tmp_path / "out" / "report.html") == "../films/a%20b%231%25.mp4"
    annotations, detections = made_case()
    (tmp_path / "video-2.webm").touch()
    write_report(tmp_path / "report.html", detections=detections, annotations=annotations)
    blocks = blocks_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert blocks["video-2"]["file"] == "video-2.webm"
    assert blocks["video-1"]["file"] is None


IN_FOLDERS = ("Subject 1/ADL/10", "Subject 1/Fall/10", "Subject 2/ADL/10")


def links_of(path):
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    return {video["name"]: blocks[f"video-{number}"]["file"] for number, video in enumerate(blocks["report"]["videos"])}


def test_videos_in_folders_beside_the_page_are_linked(tmp_path):
    annotations, detections = made_case(names=IN_FOLDERS)
    for name in IN_FOLDERS[:2]:
        (tmp_path / name).parent.mkdir(parents=True)
        for extension in (".webm", ".MP4", ".txt"):
            (tmp_path / f"{name}{extension}").touch()
    path = tmp_path / "report.html"
    assert write_report(path, detections=detections, annotations=annotations) == ()
    assert list(links_of(path).values()) == ["Subject%201/ADL/10.MP4", "Subject%201/Fall/10.MP4", None]


def test_names_that_lead_out_of_the_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.mp4").touch()
    (tmp_path / "page").mkdir()
    annotations, detections = made_case(names=("../secret", str(tmp_path / "secret")))
    path = tmp_path / "page" / "report.html"
    write_report(path, detections=detections, annotations=annotations)
    assert set(links_of(path).values()) == {None}


# -- maps --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def localizer(tmp_path_factory):
    return Localizer.load(save_untrained(tmp_path_factory.mktemp("untrained") / "last.ckpt"), device="cpu")


def features_of(snippets=300, seed=0):
    features = torch.randn(FACTS.in_channels, snippets, generator=torch.Generator().manual_seed(seed))
    return features, Timeline(5.0, end_seconds=snippets / 5)


def test_maps_are_what_the_function_answers(localizer):
    features, timeline = features_of()
    segments = localizer.detect_prepared(features, timeline, video="v").segments_seconds
    drawn = draw_map(localizer, EncodedVideo(features, timeline), segments)
    assert drawn.tiles[0].confidence.shape == OVERVIEW[::-1]
    assert 1 < len(drawn.tiles) <= 1 + CLOSE_UPS
    for tile in drawn.tiles:
        size = tile.confidence.shape[::-1]
        cells = cell_segments(tile.start_seconds, tile.length_seconds, size)
        inside = cells[..., 1] <= drawn.end_seconds
        rows = np.flatnonzero(inside)[:: max(inside.sum() // 50, 1)]
        asked = localizer.score(features.T, cells.reshape(-1, 2)[rows]).confidence
        assert np.abs(tile.confidence.ravel()[rows] / 255 - asked).max() <= 0.5 / 255 + 1e-5
        assert not tile.confidence[~inside].any()
        png = cv2.imdecode(np.frombuffer(base64.b64decode(tile.to_json()["png"]), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(png, tile.confidence)


@pytest.mark.parametrize("window", [None, 64])
def test_paths_lead_from_anchors_to_the_detections(tmp_path, window):
    sections = {"data": {"root": "PACK", "window": window}} if window else {}
    path = save_untrained(tmp_path / "last.ckpt", inference={"refine_above": 0.0}, **sections)
    localizer = Localizer.load(path, device="cpu")
    features, timeline = features_of()
    found = localizer.detect_prepared(features, timeline, video="v")
    drawn = draw_map(localizer, EncodedVideo(features, timeline), found.segments_seconds)
    paths = [path for path in drawn.paths_seconds[:100] if path is not None]
    assert len(paths) == min(len(found), 100)
    for path, segment in zip(paths, found.segments_seconds, strict=False):
        assert path.shape == (3, 2)  # anchor, one step, detection
        assert np.abs(path[-1] - segment).max() < 0.01
    other = draw_map(localizer, EncodedVideo(features, timeline), found.segments_seconds + np.array([0.0, 0.03]))
    assert sum(path is not None for path in other.paths_seconds) < len(paths) / 2


def test_two_hundred_videos_with_two_hundred_detections_each_are_small_enough(tmp_path, localizer):
    annotations, detections = made_case(videos=200, truths=12, found=200)
    features = features_of(500)
    drawn = draw_map(localizer, EncodedVideo(*features), detections.for_video("video-0").top(200).segments_seconds)
    size = len(to_block(drawn.to_json()))
    path = tmp_path / "report.html"
    write_report(path, detections=detections, annotations=annotations)
    assert path.stat().st_size + 200 * size < 25_000_000


# -- command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pack(tmp_path):
    annotations, detections = made_case(videos=2)
    (tmp_path / "features").mkdir()
    for name in annotations.videos:
        np.save(tmp_path / "features" / f"{name}.npy", features_of(500)[0].T.numpy())
    save_annotations(annotations, tmp_path / "annotations.json")
    save_detections(detections, tmp_path / "detections.json")
    return tmp_path


def test_the_command_writes_a_page_with_maps(rcl_: Rcl, pack):
    save_untrained(pack / "last.ckpt")
    page = pack / "pages" / "report.html"
    arguments = ("--annotations", pack, "--checkpoint", pack / "last.ckpt", "--output", page)
    result = rcl_("report", pack / "detections.json", *arguments)
    assert result.status == 0, result.err
    assert "80 detections in 2 videos" in result.out
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    assert blocks["report"]["maps"]
    assert len(blocks["map-1"]["tiles"]) > 1


def test_features_that_do_not_fit_are_a_note(rcl_: Rcl, pack):
    np.save(pack / "features" / "video-1.npy", np.zeros((500, 7), dtype=np.float32))
    save_untrained(pack / "last.ckpt")
    arguments = ("--annotations", pack, "--checkpoint", pack / "last.ckpt", "--output", pack / "report.html")
    result = rcl_("report", pack / "detections.json", *arguments)
    assert result.status == 0
    assert "No confidence map" in result.err
    assert "map-1" not in blocks_of((pack / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"results": {"video-0": [{"segment": [1, 2], "label": "clap", "score": NaN}]}}', "finite number as score"),
        ('{"results": {"elsewhere": [{"segment": [1, 2], "label": "clap", "score": 1}]}}', "elsewhere"),
        ('{"results": {"video-0": [{"segment": [1, 2], "label": "nap", "score": 1}]}}', "nap"),
    ],
)
def test_bad_input_is_one_sentence(rcl_: Rcl, pack, content, message):
    (pack / "bad.json").write_text(content)
    result = rcl_("report", pack / "bad.json", "--annotations", pack, "--output", pack / "report.html")
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_wrong_options_are_refused(rcl_: Rcl, pack):
    for options in (("--output", "report.pdf"), ("--output", "report.html", "--features", pack)):
        assert rcl_("report", pack / "detections.json", *options).status == 2


# -- files of videos ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "files", "found"),
    [
        ("a", ["a.webm", "a.mp4", "a.txt"], "a.mp4"),
        ("a.webm", ["a.webm", "a.mp4"], "a.webm"),
        ("a.avi", ["a.mp4", "b.mp4"], "a.mp4"),
        ("cam1/001.mp4", ["cam1/001.mp4", "cam2/001.mp4"], "cam1/001.mp4"),
        ("cam1\\001", ["cam1/001.mp4", "cam2/001.mp4"], "cam1/001.mp4"),
        ("cam1/001", ["001.mov"], "001.mov"),
        ("\u00fc", ["u\u0308.mp4"], "u\u0308.mp4"),
        ("A", ["a.mp4"], None),
        ("../a", ["a.txt"], None),
    ],
)
def test_the_page_finds_the_files_of_its_videos(tmp_path, name, files, found):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert find_files([name], tmp_path) == ({name: tmp_path / found} if found else {})


def test_a_file_that_two_names_may_mean_is_none_of_them(tmp_path):
    (tmp_path / "001.mp4").touch()
    assert find_files(["cam1/001", "cam2/001"], tmp_path) == {}
