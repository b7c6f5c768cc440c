"""Pose tracks: files in the public layouts of DeepLabCut, SLEAP, COCO, OpenPose, AlphaPose and MediaPipe.

``files/deeplabcut*`` were written by pandas 3.1 (``to_hdf`` in both formats, ``to_csv``) from a table with the columns
that DeepLabCut gives two animals.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from rcl.data.signals.opening import is_recording, open_recording
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import InputError

FILES = Path(__file__).parent / "files"
RANDOM = np.random.default_rng(0)


def read(path, rate=10.0, **options):
    recording = open_recording(path, RecordingOptions(rate=rate, **options))
    assert recording.kind == "pose"
    times, values = (np.concatenate(each) for each in zip(*recording.blocks(), strict=True))
    assert values.shape == (len(times), len(recording.columns))
    return times, values, recording


# -- DeepLabCut --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deeplabcut.csv", "deeplabcut_table.h5", "deeplabcut_fixed.h5"])
def test_deeplabcut_as_pandas_writes_it(name):
    assert is_recording(FILES / name)
    times, values, recording = read(FILES / name)
    expected = np.arange(48, dtype=np.float32).reshape(4, 12)
    expected[1, 3] = np.nan
    assert recording.individuals == ("mouse1", "mouse2")
    assert recording.rate == 10
    assert recording.columns[:4] == ("mouse1/nose/x", "mouse1/nose/y", "mouse1/nose/likelihood", "mouse1/tail/x")
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(values, expected)
    _, values, recording = read(FILES / name, columns=("mouse2/tail", "mouse1/nose/x"))
    assert recording.columns == ("mouse2/tail/x", "mouse2/tail/y", "mouse2/tail/likelihood", "mouse1/nose/x")
    np.testing.assert_array_equal(values, expected[:, [9, 10, 11, 0]])
    with pytest.raises(InputError, match="'mouse3/nose', found 'mouse"):
        read(FILES / name, columns=("mouse3/nose",))


def test_one_animal_and_the_corners_of_a_cage(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("scorer,N,N,N\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1,2,0.5\n2,3,4,0.6\n3,5")
    times, _, recording = read(path)
    assert recording.columns == ("nose/x", "nose/y", "nose/likelihood")
    assert recording.individuals == ()
    assert times.tolist() == [0, 0.2]
    assert recording.problems == ["the last line is cut short, and left out"]
    path.write_text(
        "scorer,N,N,N,N\nindividuals,m1,m1,single,single\nbodyparts,nose,nose,door,door\ncoords,x,y,x,y\n0,1,2,3,4\n"
    )
    _, _, recording = read(path)
    assert recording.columns == ("m1/nose/x", "m1/nose/y", "door/x", "door/y")
    assert recording.individuals == ("m1",)


def test_training_labels_are_no_tracks(tmp_path):
    path = tmp_path / "CollectedData.csv"
    path.write_text("scorer,N,N\nbodyparts,nose,nose\ncoords,x,y\nlabeled-data/v/img0001.png,1,2\n")
    with pytest.raises(InputError, match="labels for training"):
        open_recording(path)


def test_nothing_in_a_file_of_pandas_is_run(tmp_path):
    """A file that pickles a call instead of its columns is refused; the call is not made."""
    path, target = tmp_path / "a.h5", tmp_path / "made"
    path.write_bytes((FILES / "deeplabcut_table.h5").read_bytes())

    class Call:
        def __reduce__(self):
            return Path.touch, (target,)

    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(pickle.dumps(Call(), 0))
    assert not is_recording(path)
    with pytest.raises(InputError):
        open_recording(path)
    assert not target.exists()


def test_damaged_and_other_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    whole = (FILES / "deeplabcut_fixed.h5").read_bytes()
    for damaged in (b"", whole[:1000], whole[:9000], b"no HDF5" * 100):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="a complete HDF5 file"):
            open_recording(path)
        assert not is_recording(path)
    path.unlink()
    with h5py.File(path, "w") as file:
        file["v1"] = np.zeros((5, 3))
    assert not is_recording(path)
    with pytest.raises(InputError, match="pose tracks of DeepLabCut, or"):
        open_recording(path)


# -- SLEAP -------------------------------------------------------------------------------------------------------

AXES = ("frame", "track", "node", "xy")
SLEAP = RANDOM.random((7, 2, 3, 2))  # frames, tracks, nodes, coordinates
SCORES = RANDOM.random((7, 2, 3))
SLEAP[3, 1] = np.nan


def written_sleap(path, axes, *, tracks=2, dims=True, scores=True):
    with h5py.File(path, "w") as file:
        file["tracks"] = SLEAP[:, :tracks].transpose([AXES.index(axis) for axis in axes])
        rest = [axis for axis in axes if axis != "xy"]
        if scores:
            file["point_scores"] = SCORES[:, :tracks].transpose([AXES.index(axis) for axis in rest])
        if dims:
            file["tracks"].attrs["dims"] = json.dumps(axes)
        file["node_names"] = [b"head", b"thorax", b"abdomen"]
        file["track_names"] = [b"fly1", b"fly2"][:tracks]
        file["track_occupancy"] = np.ones((7, tracks))
    return path


@pytest.mark.parametrize("axes", [*itertools.permutations(AXES)])
@pytest.mark.parametrize("dims", [True, False])
def test_sleap_with_axes_in_any_order(tmp_path, axes, dims):
    usual = (("track", "xy", "node", "frame"), ("frame", "node", "xy", "track"), ("frame", "track", "node", "xy"))
    if not dims and axes not in usual:
        return  # two tracks and two coordinates: only the file could say which is which
    path = written_sleap(tmp_path / "a.h5", axes, dims=dims)
    times, values, recording = read(path)
    assert is_recording(path)
    assert recording.individuals == ("fly1", "fly2")
    assert recording.columns[9:12] == ("fly2/head/x", "fly2/head/y", "fly2/head/likelihood")
    expected = np.concatenate([SLEAP, SCORES[..., None]], axis=-1).reshape(7, -1)
    np.testing.assert_allclose(times, np.arange(7) / 10)
    np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_sleap_of_one_animal_without_scores(tmp_path):
    path = written_sleap(tmp_path / "a.h5", ("track", "xy", "node", "frame"), tracks=1, dims=False, scores=False)
    _, values, recording = read(path)
    assert recording.individuals == ()
    assert recording.columns == ("head/x", "head/y", "thorax/x", "thorax/y", "abdomen/x", "abdomen/y")
    np.testing.assert_array_equal(values, SLEAP[:, 0].reshape(7, -1).astype(np.float32))


def test_sleap_that_does_not_fit(tmp_path):
    path = written_sleap(tmp_path / "a.h5", ("track", "xy", "node", "frame"), dims=False)
    with h5py.File(path, "r+") as file:
        del file["node_names"]
        file["node_names"] = [b"head"]
    with pytest.raises(InputError, match="with 1 nodes"):
        open_recording(path)


# -- JSON --------------------------------------------------------------------------------------------------------


def flat(seed, parts=17):
    return np.random.default_rng(seed).random(3 * parts).round(3).tolist()


def written(path, data):
    path.write_text(json.dumps(data))
    return path


def test_coco_results_by_score(tmp_path):
    entries = [
        {"image_id": 1, "category_id": 1, "keypoints": flat(0), "score": 0.2},
        {"image_id": 1, "category_id": 1, "keypoints": flat(1), "score": 0.9},
        {"image_id": 3, "category_id": 1, "keypoints": [0, 0, 0, *flat(2)[3:]], "score": 0.5},
    ]
    path = written(tmp_path / "a.json", entries)
    times, values, recording = read(path)
    assert is_recording(path)
    assert recording.individuals == ()
    assert recording.columns[0] == "person1/nose/x"
    assert len(recording.problems) == 1
    np.testing.assert_allclose(times, [0, 0.1, 0.2])  # pictures are counted from 1
    np.testing.assert_allclose(values[0], np.float32([*flat(1), *flat(0)]))
    assert np.isnan(values[1]).all()
    np.testing.assert_array_equal(values[2, :5], np.float32([np.nan, np.nan, 0, *flat(2)[3:5]]))


def test_alphapose_with_identities(tmp_path):
    entries = [
        {"image_id": f"{frame}.jpg", "keypoints": flat(10 * frame + who), "score": 2.0, "idx": who}
        for frame in range(3)
        for who in ((10, 2) if frame else (2,))
    ]
    _, values, recording = read(written(tmp_path / "a.json", entries))
    assert recording.individuals == ("2", "10")
    assert recording.columns[51] == "10/nose/x"
    assert np.isnan(values[0, 51:]).all()
    np.testing.assert_allclose(values[2], np.float32([*flat(22), *flat(30)]))


def test_coco_annotations_with_names(tmp_path):
    data = {
        "images": [{"id": 70, "file_name": "f_0000.png"}, {"id": 71, "file_name": "f_0001.png"}],
        "categories": [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"]}],
        "annotations": [{"image_id": 70, "keypoints": [5, 6, 2, 0, 0, 0], "track_id": 4}],
    }
    times, values, recording = read(written(tmp_path / "a.json", data))
    assert recording.columns == (
        "4/nose/x",
        "4/nose/y",
        "4/nose/likelihood",
        "4/tail/x",
        "4/tail/y",
        "4/tail/likelihood",
    )
    assert len(times) == 2  # a picture without anybody is a frame, too
    np.testing.assert_array_equal(values[0], np.float32([5, 6, 1, np.nan, np.nan, 0]))


def test_openpose_has_a_file_per_frame(tmp_path):
    for frame, seeds in enumerate([(0,), (), (1, 2)]):
        people = [
            {"person_id": [-1], "pose_keypoints_2d": flat(seed, 25), "hand_left_keypoints_2d": flat(seed, 21)}
            for seed in seeds
        ]
        written(tmp_path / f"video_{frame:012}_keypoints.json", {"version": 1.3, "people": people})
    assert is_recording(tmp_path)
    _, values, recording = read(tmp_path)
    assert recording.columns[:3] == ("person1/nose/x", "person1/nose/y", "person1/nose/likelihood")
    assert "person2/left_hand_thumb_tip/x" in recording.columns
    assert values.shape == (3, 2 * 46 * 3)
    assert np.isnan(values[1]).all()
    np.testing.assert_allclose(values[0, :138], np.float32([*flat(0, 25), *flat(0, 21)]))
    with pytest.raises(InputError, match="found those of one frame, as OpenPose writes them; join"):
        read(tmp_path / "video_000000000000_keypoints.json")
    one = {f"{frame}.jpg": {"version": 0.1, "people": [{"pose_keypoints_2d": flat(frame)}]} for frame in range(2)}
    _, values, recording = read(written(tmp_path / "all.json", one))
    np.testing.assert_allclose(values, np.float32([flat(0), flat(1)]))
    (tmp_path / "video_000000000001_keypoints.json").write_text('{"version": 1.3, "peo')
    with pytest.raises(InputError, match=r"video_000000000001_keypoints\.json: expected complete JSON"):
        open_recording(tmp_path)


def landmarks(seed, count=33):
    points = np.random.default_rng(seed).random((count, 4)).round(3)
    return [dict(zip(("x", "y", "z", "visibility"), point, strict=True)) for point in points.tolist()]


def expected_landmarks(seed, count=33):
    return np.random.default_rng(seed).random((count, 4)).round(3)[:, [0, 1, 3]].astype(np.float32).reshape(-1)


@pytest.mark.parametrize(
    "frame_of",
    [
        lambda seed: {"pose_landmarks": landmarks(seed)},
        lambda seed: {"landmarks": landmarks(seed), "frame": seed},
        lambda seed: {"pose_landmarks": {"landmark": landmarks(seed)}},
        lambda seed: {"pose_landmarks": [landmarks(seed)]},
        lambda seed: {"pose_landmarks": [[*point.values()] for point in landmarks(seed)]},
    ],
)
@pytest.mark.parametrize("wrap", [lambda frames: frames, lambda frames: {"fps": 30, "frames": frames}])
def test_mediapipe(tmp_path, frame_of, wrap):
    frames = [frame_of(0), {**frame_of(1), "pose_landmarks": None, "landmarks": None}, frame_of(2)]
    path = written(tmp_path / "a.json", wrap(frames))
    times, values, recording = read(path)
    assert is_recording(path)
    assert recording.columns[-1] == "right_foot_index/likelihood"
    np.testing.assert_allclose(times, [0, 0.1, 0.2])
    assert np.isnan(values[1]).all()
    np.testing.assert_array_equal(values[[0, 2]], [expected_landmarks(0), expected_landmarks(2)])


def test_mediapipe_with_hands_and_times(tmp_path):
    frames = [
        {"timestamp_ms": 500 + 40 * frame, "pose_landmarks": landmarks(frame), "left_hand_landmarks": hand}
        for frame, hand in enumerate([landmarks(5, 21), None])
    ]
    recording = open_recording(written(tmp_path / "a.json", frames))
    ((times, values),) = recording.blocks()
    assert recording.rate is None
    assert "left_hand_wrist/x" in recording.columns
    np.testing.assert_allclose(times, [0, 0.04])
    np.testing.assert_array_equal(values[0, 99:], expected_landmarks(5, 21))
    assert np.isnan(values[1, 99:]).all()


def test_poses_ask_for_their_rate_when_they_are_read():
    recording = open_recording(FILES / "deeplabcut.csv")
    assert recording.rate is None
    with pytest.raises(InputError, match="give them with --rate"):
        next(iter(recording.blocks()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"version": "VGG", "keypoints": 1}, "poses of COCO"),
        ([{"image_id": 0, "keypoints": [1, 2]}], "x, y and likelihood"),
        ([{"image_id": "first", "keypoints": flat(0)}], "the number of the frame"),
        ([{"image_id": 0, "keypoints": flat(0)}, {"image_id": 1, "keypoints": flat(0, 5)}], "17 body parts"),
        ([{"pose_landmarks": None}], "no person in any frame"),
        ([{"pose_landmarks": [{"a": 1}]}], "of each landmark"),
        ([{"image_id": i, "keypoints": flat(0), "track_id": i} for i in range(51)], "at most 50 identities"),
    ],
)
def test_json_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as error:
        open_recording(written(tmp_path / "a.json", data), RecordingOptions(rate=25))
    assert str(error.value).startswith(str(tmp_path / "a.json"))


def test_other_json_is_no_recording(tmp_path):
    assert not is_recording(written(tmp_path / "a.json", {"database": {"v": {"annotations": []}}}))
    (tmp_path / "a.json").write_text('[{"pose_landmarks": [')
    with pytest.raises(InputError, match="complete JSON"):
        open_recording(tmp_path / "a.json")


# -- damage ------------------------------------------------------------------------------------------------------


def damaged(content, random):
    """A file that was cut short, or some of whose bytes have changed."""
    if random.random() < 0.5:
        return content[: random.integers(len(content))]
    changed = bytearray(content)
    for place in random.integers(len(content), size=random.integers(1, 6)):
        changed[place] = random.integers(256)
    return bytes(changed)


@pytest.mark.parametrize(
    "name", ["deeplabcut.csv", "deeplabcut_table.h5", "deeplabcut_fixed.h5", "sleap.h5", "coco.json"]
)
def test_damage_is_an_error_of_the_input(tmp_path, name):
    """Whatever happened to a file, it is read or refused; nothing else is raised."""
    if name == "sleap.h5":
        written_sleap(tmp_path / name, AXES)
    elif name == "coco.json":
        written(tmp_path / name, [{"image_id": i, "keypoints": flat(i), "score": 0.5} for i in range(3)])
    else:
        (tmp_path / name).write_bytes((FILES / name).read_bytes())
    content, random = (tmp_path / name).read_bytes(), np.random.default_rng(1)
    for _ in range(15):
        (tmp_path / name).write_bytes(damaged(content, random))
        is_recording(tmp_path / name)
        with contextlib.suppress(InputError):
            for _block in open_recording(tmp_path / name, RecordingOptions(rate=10)).blocks():
                pass
