from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.system.errors import InputError
from rcl.video.synthetic.figure import ACTIONS, CHANNELS, FIDGETS, MOVEMENTS, POINTS, Performance, animate
from rcl.video.synthetic.rendering import FRAMES_PER_SECOND, render_video, render_videos, write_labels, write_script
from rcl.video.synthetic.scenery import HEIGHT, WIDTH

av = pytest.importorskip("av")


def decode(path: Path) -> np.ndarray:
    """``(T, H, W)`` uint8, the luma of every frame."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Annotations, int]:
    """Two short videos, made by two processes, their ground truth, and how often progress was told."""
    folder, told = tmp_path_factory.mktemp("rendered") / "videos", []
    annotations = render_videos(
        folder, count=2, seed=21, instances=(2, 3), processes=2, progress=lambda: told.append(1)
    )
    return folder, annotations, len(told)


def test_the_same_seed_gives_the_same_bytes_however_many_processes_work(rendered, tmp_path):
    folder, annotations, told = rendered
    again = render_videos(tmp_path, count=2, seed=21, instances=(2, 3), processes=1)
    assert digests(tmp_path) == digests(folder)  # nothing set aside is left behind either
    assert list(digests(folder)) == ["figure-000.mp4", "figure-001.mp4"]
    assert list(again.videos) == list(annotations.videos) == ["figure-000", "figure-001"]
    assert told == 2


def test_a_file_lasts_as_long_as_its_ground_truth_says(rendered):
    folder, annotations, _ = rendered
    for name, video in annotations.videos.items():
        frames = decode(folder / f"{name}.mp4")
        assert frames.shape[1:] == (HEIGHT, WIDTH)
        assert len(frames) == round(video.duration_seconds * FRAMES_PER_SECOND)
        with av.open(str(folder / f"{name}.mp4")) as container:
            assert container.duration / av.time_base == pytest.approx(video.duration_seconds, abs=1 / FRAMES_PER_SECOND)
            assert container.streams.video[0].average_rate == FRAMES_PER_SECOND


def test_labels_survive_a_table(rendered, tmp_path):
    _, annotations, _ = rendered
    write_labels(annotations, tmp_path / "labels.csv")
    read = load_annotations(tmp_path / "labels.csv")
    assert list(read.videos) == list(annotations.videos)
    for video, other in zip(annotations.videos.values(), read.videos.values(), strict=True):
        np.testing.assert_array_equal(video.segments_seconds, other.segments_seconds)
        assert (video.labels, video.subset, video.duration_seconds) == (
            other.labels,
            other.subset,
            other.duration_seconds,
        )


@pytest.mark.parametrize("seed", range(20))
def test_a_script_is_in_order_and_its_lengths_are_in_range(seed):
    script, frames = write_script(np.random.default_rng(seed), instances=(5, 9))
    for performance in script:
        movement = MOVEMENTS[performance.name]
        length = performance.end_seconds - performance.start_seconds
        assert movement.shortest_seconds - 0.01 <= length <= movement.longest_seconds + 0.01
    assert all(before.end_seconds <= after.start_seconds for before, after in pairwise(script))
    assert script[0].start_seconds >= 0
    assert script[-1].end_seconds < frames / FRAMES_PER_SECOND
    assert 5 <= sum(performance.name in ACTIONS for performance in script) <= 9


@pytest.mark.parametrize("name", MOVEMENTS)
def test_a_movement_starts_from_the_idle_pose_and_returns_to_it(name):
    phase = np.linspace(0, 1, 201)
    changes = MOVEMENTS[name].motion(phase, 3)
    assert changes.keys() <= set(CHANNELS)
    for change in changes.values():
        assert change[[0, -1]] == pytest.approx(0, abs=1e-9)
    assert max(np.abs(change).max() for change in changes.values()) > 0.2


@pytest.mark.parametrize("name", MOVEMENTS)
def test_the_figure_stands_still_but_for_its_movement_and_its_limbs_keep_their_lengths(name):
    time = np.arange(0, 12, 1 / FRAMES_PER_SECOND)
    script = [Performance(name, 2.0, 2.0 + MOVEMENTS[name].shortest_seconds)]
    joints = dict(
        zip(POINTS, animate(script, time, np.random.default_rng(3), reach=0.8).transpose(1, 0, 2), strict=True)
    )
    ends = [joints[f"{side}_{end}"] for side in ("near", "far") for end in ("hand", "toe")] + [joints["head"]]
    speed = np.abs(np.diff(np.stack(ends), axis=1)).max(axis=(0, 2))  # (T-1,)
    inside = (time[1:] > script[0].start_seconds) & (
        time[1:] < script[0].end_seconds + 0.5
    )  # a turn ends a little later
    assert speed[inside].max() > 2 * speed[~inside].max()
    if name not in ("walk", "dance"):  # which turn round
        length = np.linalg.norm(joints["near_hand"] - joints["near_elbow"], axis=-1)
        assert length == pytest.approx(0.2)
    assert max(joints["near_ankle"][:, 1].max(), joints["far_ankle"][:, 1].max()) < 0  # above the ground


@pytest.mark.parametrize("name", ["jump", "clap"])
def test_pixels_change_more_within_an_action_than_beside_it(name, tmp_path):
    script = [Performance(name, 1.0, 1.0 + ACTIONS[name].longest_seconds)]
    frames = round((script[0].end_seconds + 1) * FRAMES_PER_SECOND)
    energy = []
    for seed in range(2):
        render_video(tmp_path / "video.mp4", script, frames, np.random.default_rng(seed))
        change = np.abs(np.diff(decode(tmp_path / "video.mp4").astype(float), axis=0)) > 25  # (T-1, H, W)
        time = np.arange(1, frames) / FRAMES_PER_SECOND
        inside = (time > script[0].start_seconds) & (time < script[0].end_seconds)
        energy.append([change[inside].mean(), change[~inside].mean()])
    moving, still = np.mean(energy, axis=0)
    assert moving > 2 * still


def test_every_video_is_another_and_another_seed_gives_others():
    first, second = (write_script(np.random.default_rng((seed, 0)), instances=(5, 9)) for seed in (0, 1))
    assert first != second
    assert not ACTIONS.keys() & FIDGETS.keys()


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: expected a folder, found a file; choose another name"):
        render_video(tmp_path / "file" / "video.mp4", [], 3, np.random.default_rng(0))
