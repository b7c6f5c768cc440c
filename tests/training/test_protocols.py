"""The protocol of ActivityNet from end to end, on a small pack of the right shape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import Facts
from rcl.detector.load_config import load_config
from rcl.evaluation.metrics import evaluate
from rcl.training.recipes import recipe_file, recipe_names
from typed import Rcl
from untrained import save_untrained

LABELS = ("Archery", "Bowling", "Cricket")
RECIPES = [name for name in recipe_names() if name.startswith("activitynet_")]
QUICK = ["training.epochs=1", "training.batch_size=8", "sampling.regular=300", "sampling.jittered=30"]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A pack of ten videos for each width of features: 400 (TSN), 2048 (I3D) and 512 (TSP)."""
    made = {}
    for width in (400, 512, 2048):
        random = np.random.default_rng(0)
        root = tmp_path_factory.mktemp("activitynet") / str(width)
        videos = {}
        for number in range(10):
            name, duration = f"v_{number}", float(random.uniform(20, 200))
            start = np.sort(random.uniform(0, 0.5, 2)) * duration
            segments = np.stack((start, start + random.uniform(0.05, 0.5, 2) * duration), axis=1).clip(0, duration)
            labels = (LABELS[number % 3],) * 2
            subset = "training" if number < 8 else "validation"
            videos[name] = VideoAnnotation(name, subset, duration, None, segments, labels)
            (root / "features").mkdir(parents=True, exist_ok=True)
            snippets = int(random.integers(30, 250))
            np.save(root / "features" / f"{name}.npy", random.normal(size=(snippets, width)).astype(np.float32))
        save_annotations(Annotations(videos), root / "annotations.json")
        scores = {name[2:]: np.roll([0.7, 0.2, 0.1], LABELS.index(v.labels[0])).tolist() for name, v in videos.items()}
        (root / "scores.json").write_text(json.dumps({"results": scores, "class": LABELS}))
        made[width] = root
    return made


def width_of(recipe: str) -> int:
    return {"tsn": 400, "i3d": 2048, "tsp": 512}[recipe.split("_")[1]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_to_the_end(tmp_path: Path, packs: dict[int, Path], recipe: str, rcl_: Rcl) -> None:
    pack = packs[width_of(recipe)]
    run = tmp_path / "run"
    quick = QUICK if recipe == RECIPES[0] else [*QUICK, "data.validation_subset=null"]
    assert rcl_("train", recipe, f"data.root={pack}", *quick, "--output", run).status == 0
    options = ("--subset", "validation", "--video-scores", pack / "scores.json", "--video-labels", 2)
    assert rcl_("detect", run / "last.ckpt", pack, *options, "--output", tmp_path / "detections.json").status == 0
    found = load_detections(tmp_path / "detections.json")
    assert set(found.labels) <= set(LABELS)
    assert len(found) == 2 * 2 * load_config(recipe_file(recipe)).inference.top
    evaluation = evaluate(
        found, load_annotations(pack / "annotations.json").subset("validation"), tiou_thresholds=np.array([0.5])
    )
    assert 0 <= evaluation.average_map <= 1
    assert rcl_("evaluate", tmp_path / "detections.json", pack, "--tiou", "0.5:0.95:0.05").status == 0


def test_missing_scores_are_an_error_before_the_first_video(tmp_path: Path, packs: dict[int, Path], rcl_: Rcl) -> None:
    checkpoint = save_untrained(tmp_path / "last.ckpt", Facts((), 400, 100.0, None), model={"labels": "none"})
    (tmp_path / "scores.json").write_text(json.dumps({"results": {"0": [1, 0, 0]}, "class": LABELS}))
    arguments = ("--video-scores", tmp_path / "scores.json", "--output", tmp_path / "detections.json")
    status, _, notes = rcl_("detect", checkpoint, packs[400], *arguments)
    assert status == 2
    assert "expected scores of 10 videos, found none of 'v_1'" in notes
    assert not (tmp_path / "detections.json").exists()


@pytest.mark.parametrize("name", ["gt_bmn.json", "thumos.csv"])
def test_annotations_of_public_code_are_recognized_by_their_content(tmp_path: Path, name: str) -> None:
    if name.endswith("json"):
        entry = {"duration_second": 100.0, "duration_frame": 3000, "feature_frame": 2992}
        entry |= {"annotations": [{"segment": [1, 20.0], "label": "Archery"}]}
        (tmp_path / name).write_text(json.dumps({"v_a": entry}))
        header = "video,numFrame,seconds,fps,rfps,subset,featureFrame"
        (tmp_path / "video_info_new.csv").write_text(f"{header}\nv_a,3000,100.0,30,30,training,2992\n")
    else:
        header = "video,type,type_idx,start,end,startFrame,endFrame"
        (tmp_path / name).write_text(f"{header}\nvideo_validation_0000051,Billiards,1,1.0,20.0,30,600\n")
    (video,) = load_annotations(tmp_path / name).videos.values()
    assert video.segments_seconds.tolist() == [[1.0, 20.0]]
