"""Where to label next: stretches, and what they are chosen by."""

from collections import Counter

import numpy as np
import pytest

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.reviewed import between, covered
from rcl.detector import survey
from rcl.detector.corrections import corrected_shares
from rcl.detector.coverage import Coverage
from rcl.detector.moments import Candidate, answer_in, divide, mean_features
from rcl.detector.reasons import AT_RANDOM
from rcl.detector.stretches import rank_stretches, stretch_seconds
from rcl.system.errors import InputError


def labelled(*videos):
    """Annotations of ``(name, seconds, segments, labels, reviewed)``."""
    return Annotations(
        {
            name: VideoAnnotation(
                name, "training", seconds, None, np.reshape(segments, (-1, 2)).astype(float), labels, None, reviewed
            )
            for name, seconds, segments, labels, reviewed in videos
        }
    )


def found(video, rows):
    """Detections of one video from rows ``(start, end, label, score)``."""
    labels = tuple(sorted({row[2] for row in rows})) or ("run",)
    segments = np.array([row[:2] for row in rows], dtype=float).reshape(-1, 2)
    index = [labels.index(row[2]) for row in rows]
    return Detections((video,), np.zeros(len(rows), int), segments, labels, np.array(index, int), [r[3] for r in rows])


def random_intervals(random, end, number):
    return np.sort(random.uniform(0, end, 2 * number)).reshape(-1, 2)


@pytest.fixture
def random():
    return np.random.default_rng(0)


# -- stretches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_stretches_are_open_disjoint_and_inside_their_videos(seed):
    random = np.random.default_rng(seed)
    seconds = {"a": 300.0, "b": 7.0, "c": 61.3}
    known = labelled(*((name, seconds[name], [], (), random_intervals(random, seconds[name], 3)) for name in "ab"))
    rows = [(s, s + 4, "run", random.uniform()) for s in random.uniform(0, 290, 20)]
    videos = [
        Candidate(name, own, random.normal(size=(int(own * 3), 5)), (found(name, rows),) if name == "a" else ())
        for name, own in seconds.items()
    ]
    ranked = rank_stretches(videos, known, count=30, length_seconds=12.0, seed=seed)
    assert ranked
    for name, end in seconds.items():
        own = np.array([each[1:3] for each in ranked if each.video == name]).reshape(-1, 2)
        own = own[np.argsort(own[:, 0])]
        assert (own >= 0).all()
        assert (own <= end).all()
        assert (own[1:, 0] >= own[:-1, 1]).all()
        if name in known.videos:
            assert covered(own, known.videos[name].reviewed_seconds) == pytest.approx(np.zeros(len(own)))
    assert all(0 <= each.gain <= 1 and each.reason.endswith(".") for each in ranked)
    assert max(each.gain for each in ranked) == 1
    assert all(each.end_seconds - each.start_seconds <= 12.0 * 1.5 for each in ranked)


def test_repeated_rankings_reach_everything_and_then_nothing(random):
    reviewed, videos = np.zeros((0, 2)), [Candidate("a", 50.0, random.normal(size=(100, 3)))]
    for _ in range(30):
        ranked = rank_stretches(videos, labelled(("a", 50.0, [], (), reviewed)), count=2, length_seconds=8.0)
        if not ranked:
            break
        reviewed = np.concatenate((reviewed, [each[1:3] for each in ranked]))
        reviewed = labelled(("a", 50.0, [], (), reviewed)).videos["a"].reviewed_seconds
    assert not ranked
    assert between(reviewed, 0.0, 50.0).size == 0


def test_nothing_is_offered_of_what_was_reviewed_as_a_whole():
    known = labelled(("a", 50.0, [], (), None))
    assert rank_stretches([Candidate("a", 50.0)], known, count=3) == []
    assert rank_stretches([], known, count=3) == []
    assert rank_stretches([Candidate("b", 0.0)], known, count=3) == []


def test_without_labels_features_and_detector():
    ranked = rank_stretches([Candidate("a", 100.0)], Annotations({}), count=3)
    assert len(ranked) == 3
    assert {each.reason for each in ranked} <= {AT_RANDOM, "Nothing is known of it yet."}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 5), (1.0, 20)])
def test_a_share_of_the_stretches_is_random(random, share, expected):
    videos = [Candidate("a", 4000.0, random.normal(size=(4000, 3)))]
    ranked = rank_stretches(videos, Annotations({}), count=20, random_share=share, seed=3)
    assert Counter(each.reason == AT_RANDOM for each in ranked)[True] == expected


def test_over_many_seeds_a_single_stretch_is_random_as_often():
    videos = [Candidate("a", 100.0)]
    reasons = [rank_stretches(videos, Annotations({}), count=1, seed=seed)[0].reason for seed in range(200)]
    assert 30 <= reasons.count(AT_RANDOM) <= 70


def test_unlike_what_is_labelled_comes_first(random):
    features = random.normal(size=(100, 4)) + np.where(np.arange(100) < 80, 0, 9)[:, None]
    known = labelled(("a", 100.0, [], (), np.array([[0.0, 40.0]])))
    best = rank_stretches([Candidate("a", 100.0, features)], known, count=1, length_seconds=10.0, random_share=0)[0]
    assert best.start_seconds >= 75
    assert best.reason == "Unlike anything labelled so far."


def test_stretches_differ_from_each_other(random):
    """Three kinds of content, of very different amounts: a few stretches show all of them."""
    kind = np.repeat([0, 1, 2], [240, 40, 20])
    features = 8 * np.eye(3)[kind] + 0.3 * random.normal(size=(300, 3))
    ranked = rank_stretches(
        [Candidate("a", 300.0, features)], Annotations({}), count=5, length_seconds=10.0, random_share=0
    )
    assert {int(kind[int((each.start_seconds + each.end_seconds) / 2)]) for each in ranked} == {0, 1, 2}
    assert ranked[0].reason == "Like much else in the videos."


def test_rare_labels_come_first():
    rows = [(10.0 * n, 10.0 * n + 4, "wave", 0.95) for n in range(9)] + [(92.0, 96.0, "kick", 0.95)]
    known = labelled(("b", 100.0, [[i, i + 4] for i in range(0, 80, 8)], ("kick",) + ("wave",) * 9, None))
    videos = [Candidate("a", 100.0, answers=(found("a", rows),))]
    best = rank_stretches(videos, known, count=1, length_seconds=10.0, random_share=0)[0]
    assert best.start_seconds < 94 < best.end_seconds
    assert best.reason == "May hold kick, of which there is only 1."


def test_labels_that_are_corrected_often_come_first():
    rows = [(10.0, 14.0, "wave", 0.8), (60.0, 64.0, "kick", 0.8)]
    known = labelled(("b", 100.0, [[i, i + 4] for i in range(0, 80, 8)], ("kick", "wave") * 5, None))
    videos = [Candidate("a", 100.0, answers=(found("a", rows),))]
    for corrected, expected in (({"wave": 0.1, "kick": 0.9}, 62), ({"wave": 0.9, "kick": 0.1}, 12)):
        best = rank_stretches(videos, known, count=1, length_seconds=10.0, random_share=0, corrected=corrected)[0]
        assert best.start_seconds < expected < best.end_seconds


def test_no_action_is_not_certain_where_the_features_are_new(random):
    """A detector says "no action" of a label that nobody has shown it. What is like reviewed background is not new."""
    kind = np.repeat([0, 1, 2], [40, 40, 20])  # waves, background, something else
    features = 8 * np.eye(3)[kind] + 0.3 * random.normal(size=(100, 3))
    waves, pairs = found("a", [(i, i + 4.0, "wave", 0.7) for i in range(0, 40, 5)]), [[0, 4], [5, 9], [10, 14]]
    known = labelled(("a", 100.0, pairs, ("wave",) * 3, np.array([[0.0, 15.0], [45.0, 60.0]])))
    best = rank_stretches(
        [Candidate("a", 100.0, features, (waves,))],
        known,
        count=1,
        length_seconds=10.0,
        random_share=0,
        corrected={"wave": 0},
    )[0]
    assert best.start_seconds > 75
    assert best.reason == "Unlike anything labelled so far."


def test_doubt_is_named():
    rows = [(10.0, 14.0, "wave", 0.97), (60.0, 70.0, "wave", 0.4), (60.0, 70.0, "kick", 0.42)]
    known = labelled(("b", 1000.0, [[i, i + 4] for i in range(0, 800, 8)], ("kick", "wave") * 50, None))
    videos = [Candidate("a", 100.0, answers=(found("a", rows),))]
    best = rank_stretches(videos, known, count=1, length_seconds=10.0, random_share=0, corrected={"wave": 0, "kick": 0})
    assert best[0].start_seconds < 65 < best[0].end_seconds
    assert best[0].reason == "The detector hesitates between kick and wave here."


def test_what_is_common_is_not_called_rare_and_what_is_hardly_expected_is_no_reason():
    known = labelled(("b", 1000.0, [[i, i + 4] for i in range(0, 900, 6)], ("wave",) * 150, None))
    for score, reason in ((0.9, "May hold much of wave."), (0.01, "Not reviewed yet.")):
        videos = [Candidate("a", 20.0, answers=(found("a", [(1.0, 5.0, "wave", score)]),))]
        assert rank_stretches(videos, known, count=1, random_share=0)[0].reason == reason


def test_a_detector_that_finds_nothing_leaves_the_features(random):
    kind = np.repeat([0, 1, 2], [240, 40, 20])
    features = 8 * np.eye(3)[kind] + 0.3 * random.normal(size=(300, 3))
    nothing = Detections(("a",), np.zeros(0, int), np.zeros((0, 2)), (), np.zeros(0, int), [])
    videos = [Candidate("a", 300.0, features, (nothing,))]
    ranked = rank_stretches(videos, Annotations({}), count=5, length_seconds=10.0, random_share=0)
    assert {int(kind[int((each.start_seconds + each.end_seconds) / 2)]) for each in ranked} == {0, 1, 2}
    assert {each.reason for each in ranked} == {"Like much else in the videos."}


def test_short_videos_are_offered_and_short_rests_are_not():
    known = labelled(("b", 1000.0, [[0, 60], [100, 160]], ("wave",) * 2, np.array([[0.0, 990.0]])))
    ranked = rank_stretches([Candidate("a", 20.0), Candidate("b", 1000.0)], known, count=5)
    assert [each[:3] for each in ranked] == [("a", 0.0, 20.0)]


def test_instances_that_cross_the_ends_count_as_time():
    """Of two places with the same detections, the one whose stretch cuts no action is better."""
    rows = [
        (20.0, 24.0, "wave", 0.8),
        (26.0, 30.0, "wave", 0.8),
        (120.0, 150.0, "wave", 0.8),
        (150.0, 180.0, "wave", 0.8),
    ]
    videos = [Candidate("a", 200.0, answers=(found("a", rows),))]
    best = rank_stretches(videos, Annotations({}), count=1, length_seconds=12.0, random_share=0)[0]
    assert best.start_seconds <= 20
    assert best.end_seconds >= 30


def test_a_recording_of_ten_hours_among_others(random, monkeypatch):
    monkeypatch.setattr(survey, "MOST_MOMENTS", 500)
    videos = [Candidate("long", 36_000.0, random.normal(size=(36_000, 2))), Candidate("b", 30.0)]
    ranked = rank_stretches(videos, Annotations({}), count=5, length_seconds=20.0)
    assert len(ranked) == 5
    assert len(survey.survey(videos, Annotations({}), 1.0).part) <= 502


def test_features_of_two_widths():
    videos = [Candidate("a", 10.0, np.zeros((5, 3))), Candidate("b", 10.0, np.zeros((5, 4)))]
    with pytest.raises(InputError, match="video 'b': expected 3 channels, as in video 'a', found 4"):
        rank_stretches(videos, Annotations({}), count=1)


def test_the_length_follows_the_instances():
    known = labelled(("a", 1000.0, [[0, 3], [10, 14], [20, 29]], ("run",) * 3, None))
    assert stretch_seconds(known) == 20.0
    longer = labelled(("a", 9000.0, [[0, 3000]], ("run",), None))
    assert stretch_seconds(longer) == 300.0


# -- moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_moments_tile_the_video(seed):
    random = np.random.default_rng(seed)
    reviewed = random_intervals(random, 50.0, 3)
    moments = divide(50.0, reviewed, 2.5)
    assert (moments.seconds[0, 0], moments.seconds[-1, 1]) == (0, 50)
    assert (moments.seconds[1:, 0] == moments.seconds[:-1, 1]).all()
    inside = covered(moments.seconds, reviewed)
    assert np.where(moments.is_open, 0, moments.lengths) == pytest.approx(inside)
    assert (np.diff(moments.part) >= 0).all()
    assert (moments.lengths < 2 * 2.5).all()


def test_mean_features(random, monkeypatch):
    monkeypatch.setattr("rcl.detector.moments.SNIPPETS_AT_ONCE", 7)
    features = random.normal(size=(40, 3)).astype(np.float32)
    moments = divide(20.0, np.zeros((0, 2)), 2.0)  # of four snippets each
    expected = features.reshape(10, 4, 3).mean(axis=1)
    assert mean_features(features, moments, 20.0) == pytest.approx(expected, abs=1e-6)
    fine = divide(20.0, np.zeros((0, 2)), 0.1)  # shorter than a snippet
    assert mean_features(features, fine, 20.0) == pytest.approx(features[np.arange(200) // 5], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_answer_as_one_by_one(seed):
    random = np.random.default_rng(seed)
    starts = random.uniform(0, 40, 12)
    rows = [(s, s + random.uniform(0.5, 12), random.choice(["a", "b"]), random.uniform()) for s in starts]
    detections, moments, labels = found("v", rows), divide(50.0, random_intervals(random, 50, 2), 3.0), ["a", "b", "c"]
    answer = answer_in(moments, detections, "v", labels)
    scores, instances, overhang = (np.zeros_like(each) for each in answer)
    for start, end, label, score in rows:
        for row, (low, high) in enumerate(moments.seconds):
            common = min(end, high) - max(start, low)
            if common <= 0:
                continue
            column = labels.index(label)
            if common >= 0.5 * min(end - start, high - low):
                scores[row, column] = max(scores[row, column], score)
            overhang[row] = np.maximum(overhang[row], [score * (low - start), score * (end - high)])
            instances[row, column] += score * (low <= (start + end) / 2 < high)
    assert answer.scores == pytest.approx(scores, abs=1e-6)
    assert answer.overhang == pytest.approx(overhang)
    assert answer.instances == pytest.approx(instances)
    assert not answer_in(moments, detections, "another", labels).scores.any()


# -- coverage ----------------------------------------------------------------------------------------------------


def test_coverage_never_gains_from_what_is_chosen(random):
    features = random.normal(size=(30, 80)).astype(np.float32)
    features[25:] = np.nan
    is_open = np.arange(30) >= 6
    stretches = np.array([[i, i + 3] for i in range(6, 28)])
    coverage = Coverage(features, is_open, random.uniform(size=30), stretches)
    before = coverage.gains()
    assert before.min() >= 0
    assert before.max() > 0
    for row in (0, 10, 19):
        coverage.choose(row)
        after = coverage.gains()
        assert (after <= before + 1e-6).all()
        before = after
    assert before[[0, 10]] == pytest.approx([0, 0], abs=1e-6)


def test_coverage_is_that_of_facility_location(random):
    """The sum over open moments of the similarity to the most similar one that is reviewed or chosen."""
    features, weights = random.normal(size=(14, 3)).astype(np.float32), random.uniform(size=14)
    is_open = np.arange(14) >= 2
    stretches = np.array([[i, i + 2] for i in range(2, 13)])
    points = (features - features.mean(axis=0)) / features.std(axis=0)
    squares = np.square(points[:, None] - points).sum(axis=2)
    near = np.sort(squares[is_open], axis=1)[:, 1]  # of 14 moments, the nearest other one
    similarity = np.exp(-squares / (2 * np.median(near)))

    def value(chosen):
        covered_ = ~is_open | np.isin(np.arange(14), chosen)
        return weights[is_open] @ similarity[np.ix_(is_open, covered_)].max(axis=1)

    coverage = Coverage(features, is_open, weights, stretches)
    expected = [value([first, first + 1]) - value([]) for first in stretches[:, 0]]
    assert coverage.gains() == pytest.approx(expected, abs=1e-5)
    coverage.choose(4)
    assert coverage.gains()[8] == pytest.approx(value([6, 7, 10, 11]) - value([6, 7]), abs=1e-5)


# -- corrections -------------------------------------------------------------------------------------------------


def test_corrections_count_where_it_was_reviewed():
    proposed = found("a", [(0, 2, "run", 0.9), (4, 6, "run", 0.9), (8, 9, "run", 0.1), (20, 22, "run", 0.9)])
    known = labelled(("a", 30.0, [[0, 2], [10, 12]], ("run", "jump"), np.array([[0.0, 15.0]])))
    # run: one right, one wrong, of which two others stand for what is not known; jump: one missed.
    assert corrected_shares(proposed, known) == pytest.approx({"run": 3 / 6, "jump": 3 / 5})
