"""The simulated annotators of ``benchmarks/labelling.py``."""

import importlib

import numpy as np
import pytest

from places import ROOT
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import save_annotations

SECONDS = 100.0


@pytest.fixture
def labelling(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("labelling")


def video(name, segments):
    pairs = np.array(segments, dtype=float).reshape(-1, 2)
    return VideoAnnotation(name, "training", SECONDS, 1.0, pairs, ("run",) * len(pairs))


def test_an_instance_extends_the_stretch_and_what_it_meets_does_too(labelling):
    annotator = labelling.Annotator(Annotations({"a": video("a", [[5, 12], [10, 30], [28, 33], [40, 50]])}))
    annotator.label("a", 11.0, 20.0)
    assert annotator.reviewed["a"].tolist() == [[5.0, 33.0]]
    labelled = annotator.labelled.videos["a"]
    assert labelled.segments_seconds.tolist() == [[5, 12], [10, 30], [28, 33]]
    assert annotator.share == pytest.approx(0.28)
    before = dict(annotator.reviewed)
    annotator.label("a", 30.0, 45.0)
    assert annotator.reviewed["a"].tolist() == [[5.0, 50.0]]
    assert annotator.labelled_since(before).videos["a"].segments_seconds.tolist() == [[40, 50]]


@pytest.mark.parametrize("seed", range(3))
def test_random_stretches_are_new_and_reach_everything(labelling, seed):
    random = np.random.default_rng(seed)
    annotator = labelling.Annotator(Annotations({name: video(name, [[20, 24], [50, 58]]) for name in "ab"}))
    while annotator.share < 1:
        name, start, end = labelling.random_stretch(annotator.labelled, random)
        reviewed = annotator.reviewed.get(name, np.zeros((0, 2)))
        assert labelling.covered(np.array([[start, end]]), reviewed)[0] < 1e-6
        annotator.label(name, start, end)
    assert [len(own.labels) for own in annotator.labelled.videos.values()] == [2, 2]


def test_the_share_is_interpolated_where_the_curve_first_reaches_the_wanted(labelling):
    assert labelling.share_needed([(0.1, 0.4), (0.2, 0.5), (0.3, 0.3)], 0.5) == pytest.approx(0.15)
    assert labelling.share_needed([(0.2, 0.9)], 0.5) == pytest.approx(0.1)
    assert labelling.share_needed([(0.5, 0.25)], 0.5) == pytest.approx(0.5 + 0.5 * 0.8)


@pytest.mark.parametrize(
    ("way", "enough", "trained"),
    [("random", 0.5, [0.3, 0.4, 0.6]), ("random", 0.08, [0.05, 0.1, 0.3]), ("whole", 0.25, [0.1, 0.2, 0.3])],
)
def test_trainings_are_around_the_wanted_share(labelling, monkeypatch, tmp_path, way, enough, trained):
    """Of a detector whose average mAP is the share of labelled minutes; a training is nested in that of more."""
    save_annotations(Annotations({f"{n}": video(f"{n}", []) for n in range(20)}), tmp_path / "annotations.json")
    study, done = labelling.Study(tmp_path, tmp_path / "runs", seed=0, steps=1), {}

    def fit(self, labelled, output, *, proposals=False):
        share = labelling.Annotator(self.truth, labelling._reviewed(labelled)).share
        done[output.name] = labelled
        return {"share": share, "average_map": share, "seconds": 0.0}

    monkeypatch.setattr(labelling.Study, "fit", fit)
    points = study.curve(way, enough)
    assert sorted(done) == sorted(f"{share:.0%}" for share in trained)
    assert points == sorted(points)
    assert points[-1][1] >= enough
    less, more = (done[f"{share:.0%}"].videos for share in trained[:2])
    for name, own in less.items():
        inside = labelling.covered(own.reviewed_seconds, more[name].reviewed_seconds)
        assert inside == pytest.approx(np.diff(own.reviewed_seconds, axis=1).ravel())
