"""What was looked at: arithmetic of intervals, files, samples and batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.batches import Augmentation, collate, cropped, reviewed_snippets, seeded
from rcl.data.datasets import Sample, VideoDataset, WindowDataset
from rcl.data.feature_store import FeatureStore
from rcl.data.formats import audacity, fiftyone
from rcl.data.formats.exported import Exported
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables import table
from rcl.data.reviewed import clipped, covered, intersection, joined, unreviewed_share
from rcl.data.reviewed_time import describe_reviewed
from rcl.data.segments import Timeline
from rcl.system.errors import InputError

CELLS = 40

pairs = st.lists(st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)).map(sorted).map(tuple), max_size=6).map(
    lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 2)
)


def mask(intervals):
    """Which of the cells lie in one of the intervals, whose ends are whole numbers."""
    cells = np.arange(CELLS) + 0.5
    return ((intervals[:, :1] < cells) & (cells < intervals[:, 1:])).any(axis=0)


@given(one=pairs, other=pairs)
def test_the_union_is_that_of_the_cells_sorted_and_disjoint(one, other):
    union = joined(one, other)
    assert mask(union).tolist() == (mask(one) | mask(other)).tolist()
    assert (union[:, 1] > union[:, 0]).all()
    assert (union[1:, 0] > union[:-1, 1]).all()


@given(one=pairs, other=pairs)
def test_the_intersection_is_that_of_the_cells(one, other):
    both = intersection(joined(one), joined(other))
    assert mask(both).tolist() == (mask(one) & mask(other)).tolist()
    assert (both[1:, 0] > both[:-1, 1]).all()


@given(segments=pairs, intervals=pairs, end=st.integers(1, CELLS))
def test_covered_and_unreviewed_count_cells(segments, intervals, end):
    intervals = joined(intervals)
    inside, before_end = mask(intervals), np.arange(CELLS) < end
    own = [mask(segment[None]) for segment in segments]
    assert covered(segments, intervals).tolist() == [(cells & inside).sum() for cells in own]
    shares = [(cells & ~inside & before_end).sum() / max(cells.sum(), 1) for cells in own]
    for row in np.flatnonzero(segments[:, 0] == segments[:, 1]):  # a point
        at = segments[row, 0]
        shares[row] = float(at <= end and not any(first <= at <= last for first, last in clipped(intervals, 0, end)))
    assert unreviewed_share(segments, clipped(intervals, 0, end), end) == pytest.approx(shares)


# -- annotations and files ---------------------------------------------------------------------------------------


def video(name="v", *, reviewed=((0.0, 30.0), (60.0, 90.0)), segments=((5.0, 10.0), (62.0, 70.0)), duration=120.0):
    times = np.array(segments, dtype=np.float64).reshape(-1, 2)
    intervals = None if reviewed is None else np.array(reviewed, dtype=np.float64).reshape(-1, 2)
    labels = ("jump", "walk", "run")[: len(times)]
    return VideoAnnotation(name, "training", duration, None, times, labels, None, intervals)


def test_an_instance_outside_was_seen_by_whoever_labelled_it():
    own = video(reviewed=[(0, 8)], segments=[(5, 10), (40, 41)])
    assert own.reviewed_seconds.tolist() == [[0, 10], [40, 41]]
    left = Annotations({"v": own}).without_labels(["jump", "walk"]).videos["v"]
    assert left.reviewed_seconds.tolist() == [[0, 10], [40, 41]]
    assert len(left.labels) == 0


CONTENT = Annotations(
    {
        "part": video("part"),
        "whole": video("whole", reviewed=None),
        "nothing": video("nothing", reviewed=(), segments=()),
        "background": video("background", reviewed=[(1e-5, 0.1 + 0.2)], segments=()),
    }
)


def same(found):
    assert {*found.videos} == {*CONTENT.videos}
    for name, own in found.videos.items():
        wanted = CONTENT.videos[name].reviewed_seconds
        assert (own.reviewed_seconds is None) == (wanted is None)
        if wanted is not None:
            assert own.reviewed_seconds.tolist() == wanted.tolist()


def test_json_and_tables_and_tools_that_keep_what_we_know_give_it_back(tmp_path):
    save_annotations(CONTENT, tmp_path / "a.json")
    same(load_annotations(tmp_path / "a.json"))
    assert table.write(CONTENT, tmp_path / "a.csv") == []
    same(load_annotations(tmp_path / "a.csv"))
    assert fiftyone.write(Exported.of(CONTENT), tmp_path / "f.json") == []
    same(load_annotations(tmp_path / "f.json"))


def test_formats_without_a_place_say_so(tmp_path):
    (lost,) = [text for text in audacity.write(Exported.of(CONTENT), tmp_path) if "reviewed" in text]
    assert "3 videos" in lost


def parsed(text, **options):
    return table.parse(text, "labels.csv", ReadOptions(**options)).videos


def test_rows_add_up_in_the_unit_of_the_times():
    text = 'video,start,end,label,reviewed\nv,10,20,jump,"0-30; 60 - 90"\nv,80,90,walk,25-40\nw,,,,\n'
    videos = parsed(text)
    assert videos["v"].reviewed_seconds.tolist() == [[0, 40], [60, 90]]
    assert videos["w"].reviewed_seconds is None
    assert parsed(text, times="frames", fps=10)["v"].reviewed_seconds.tolist() == [[0, 4], [6, 9]]
    clock = "video,start,end,label,reviewed\nv,0:10,0:20,jump,0:00-1:30\n"
    assert parsed(clock)["v"].reviewed_seconds.tolist() == [[0, 90]]


@pytest.mark.parametrize("cell", ["30-0", "0-30 60-90", "0-30;x", "0-1-2"])
def test_a_damaged_cell_is_named(cell):
    with pytest.raises(InputError, match=r"line 2"):
        parsed(f"video,start,end,label,reviewed\nv,1,2,jump,{cell}\nv,3,4,jump,0-5\n")


def test_a_column_of_yes_and_no_says_nothing_about_times(caplog):
    assert parsed("video,start,end,label,reviewed\nv,1,2,jump,yes\n")["v"].reviewed_seconds is None
    assert "the column 'reviewed' is not read" in caplog.text


@pytest.mark.parametrize("value", [5, [1, 2], [[2, 1]], [[0, "x"]], {"0": 30}])
def test_a_damaged_entry_is_named(tmp_path, value):
    import json

    entry = {"subset": "training", "annotations": [], "reviewed": value}
    (tmp_path / "a.json").write_text(json.dumps({"database": {"clip": entry}}))
    with pytest.raises(InputError, match="clip"):
        load_annotations(tmp_path / "a.json")


def test_the_time_that_was_reviewed_in_words():
    assert describe_reviewed(Annotations({"v": video(reviewed=None)})) is None
    both = {"v": video(reviewed=[(0, 1800), (7000, 9999)], duration=7200.0), "w": video("w", reviewed=None)}
    assert describe_reviewed(Annotations(both)) == "reviewed: 35 of 122 minutes"


# -- samples and batches -----------------------------------------------------------------------------------------


def videos_of(tmp_path, videos, snippets=40):
    (tmp_path / "features").mkdir()
    for own in videos:
        np.save(tmp_path / "features" / f"{own.name}.npy", np.zeros((snippets, 3), dtype=np.float32))
    annotations = Annotations({own.name: own for own in videos})
    return VideoDataset(annotations, FeatureStore(tmp_path / "features"), ["jump", "walk", "run"])


def test_samples_and_windows_have_their_part_in_snippets(tmp_path):
    part = video("part", reviewed=[(0, 4), (10, 99)], segments=[(11, 13)], duration=20.0)
    late = video("late", reviewed=[(21, 99)], segments=(), duration=20.0)
    videos = videos_of(tmp_path, [part, late, video("whole", reviewed=None, segments=[(0, 4)], duration=20.0)])
    assert videos[0].reviewed.tolist() == [[0, 8], [20, 40]]
    assert videos[2].reviewed is None
    assert [own.name for own in videos.where_reviewed().videos] == ["part", "whole"]
    windows = WindowDataset(videos, 16, stride=8)
    found = [(windows[index].video, windows[index].reviewed) for index in range(len(windows))]
    assert [part.tolist() for name, part in found if name == "part"] == [[[4, 16]]]


def sample_of(reviewed, snippets=100):
    intervals = None if reviewed is None else torch.tensor(reviewed, dtype=torch.float64).reshape(-1, 2)
    features = torch.arange(snippets, dtype=torch.float32)[None]
    return Sample("v", features, torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), Timeline(1.0), intervals)


@settings(deadline=None)
@given(first=st.integers(0, 98), length=st.integers(1, 5), crop=st.integers(1, 99), number=st.integers(0, 99))
def test_a_crop_has_a_reviewed_part_at_the_same_times(first, length, crop, number):
    reviewed = [[first, min(first + length, 100)]]
    found = cropped(sample_of(reviewed), crop, seeded(0, number))
    start = int(found.timeline.start_seconds)
    assert found.features.shape == (1, crop)
    assert len(found.reviewed)
    assert (found.reviewed + start).tolist() == clipped(np.array(reviewed, float), start, start + crop).tolist()


def test_speed_changes_what_was_reviewed_and_batches_say_it_per_snippet():
    fast = Augmentation(speed=0.5)(sample_of([[20, 40]]), seeded(0, 1))
    snippets = fast.features.shape[1]
    assert fast.reviewed.tolist() == [pytest.approx([20 * snippets / 100, 40 * snippets / 100])]
    part, whole = sample_of([[2.4, 5.6]], 8), sample_of(None, 4)
    assert reviewed_snippets(part).tolist() == [False, False, True, True, True, True, False, False]
    batch = collate([(part, torch.ones(1, 2)), (whole, torch.ones(1, 2))])
    assert batch.reviewed.tolist() == [reviewed_snippets(part).tolist(), [True] * 8]
