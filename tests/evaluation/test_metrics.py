"""Average precision and recall against the official programs' outputs and against plain loops."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_annotations, make_detections

from places import SHARED
from rcl.evaluation import average_precision, average_recall, evaluate
from rcl.evaluation.joining import check_comparable
from rcl.system.errors import InputError

GOLDEN = SHARED / "golden"
ANET_THRESHOLDS = np.linspace(0.5, 0.95, 10)
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"golden files of the official tools are not at {GOLDEN}")


# ---- building inputs


def golden_json(name):
    return json.loads((GOLDEN / name).read_text())


def golden_annotations(name, subset):
    database = golden_json(name)["database"]
    return make_annotations(
        {
            video: [(*map(float, a["segment"]), a["label"]) for a in entry["annotations"]]
            for video, entry in database.items()
            if entry["subset"] == subset
        }
    )


def golden_detections(name):
    results = golden_json(name)["results"]
    return make_detections(
        [(v, *row["segment"], row.get("label", "proposal"), row["score"]) for v in results for row in results[v]]
    )


# ---- the official outputs


@needs_golden
def test_activitynet_detection():
    expected = golden_json("anet/golden_official_synth_detections.json")
    truth = golden_annotations("anet/anet_val_gt_full_reconstructed.json", "validation")
    found = golden_detections("anet/anet_synth_detections.json")
    result = evaluate(found, truth, tiou_thresholds=ANET_THRESHOLDS)

    np.testing.assert_allclose(result.map_per_tiou, list(expected["mAP"].values()), rtol=0, atol=1e-12)
    assert result.average_map == pytest.approx(expected["average_mAP"], abs=1e-12)
    assert result.labels == tuple(expected["per_class_AP"])
    np.testing.assert_allclose(result.ap.T, list(expected["per_class_AP"].values()), rtol=0, atol=1e-12)
    assert list(result.to_json()["mAP"]) == list(expected["mAP"])
    assert result.counts["ground_truths"] == expected["n_gt"]
    assert result.counts["detections"] == expected["n_pred"]

    recall = expected["proposal_max_100"]
    np.testing.assert_allclose(result.recall_at.average, recall["AR_curve"], rtol=0, atol=1e-12)
    assert result.ar_auc * 100 == pytest.approx(recall["AUC_percent"], abs=1e-10)
    measures = result.to_json()
    reported = [measures[f"AR@{n}"] for n in (1, 5, 10, 50, 100)]
    np.testing.assert_allclose(reported, recall["AR@1,5,10,50,100 (idx k-1)"], rtol=0, atol=1e-12)

    deduplicated = evaluate(found, truth, tiou_thresholds=ANET_THRESHOLDS, policy="deduplicated")
    assert deduplicated.average_map == pytest.approx(0.332818, abs=1e-6)


@needs_golden
@pytest.mark.parametrize(("key", "maximum"), [("proposal_max_None", None), ("proposal_max_100", 100)])
@pytest.mark.parametrize(
    ("output", "truth", "proposals"),
    [
        ("proposals_200v", "anet_val_gt_200v", "anet_synth_proposals_200v"),
        ("detections", "anet_val_gt_full_reconstructed", "anet_synth_detections"),
    ],
)
def test_activitynet_proposals(output, truth, proposals, key, maximum):
    expected = golden_json(f"anet/golden_official_synth_{output}.json")[key]
    curve = average_recall(
        golden_detections(f"anet/{proposals}.json"),
        golden_annotations(f"anet/{truth}.json", "validation"),
        average_numbers=maximum,
    )
    np.testing.assert_allclose(curve.average, expected["AR_curve"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(curve.numbers[[0, -1]], expected["proposals_per_video_first_last"], rtol=1e-12)
    np.testing.assert_allclose(curve.recall[:, -1], expected["recall_final_per_tiou"], rtol=0, atol=1e-12)
    assert curve.auc * 100 == pytest.approx(expected["AUC_percent"], abs=1e-10)


@needs_golden
@pytest.mark.parametrize("policy", ["official", "deduplicated"])
@pytest.mark.parametrize(
    ("key", "truth", "subset"),
    [
        ("gtad_official_on_gtad_gt(210 videos,3311 inst)", "thumos_gt_gtad", "test"),
        ("gtad_official_on_detad_gt(212 videos,3358 inst)", "detad_thumos14_test", "testing"),
    ],
)
def test_thumos(key, truth, subset, policy):
    expected = golden_json("thumos/golden_thumos_map.json")[key]
    result = evaluate(
        golden_detections("thumos/thumos_synth_detections.json"),
        golden_annotations(f"thumos/{truth}.json", subset),
        tiou_thresholds=[0.3, 0.4, 0.5, 0.6, 0.7],
        policy=policy,
    )
    np.testing.assert_allclose(result.map_per_tiou, expected["mAP"], rtol=0, atol=1e-12)
    assert result.average_map == pytest.approx(expected["avg"], abs=1e-12)
    for label, ap in zip(result.labels, result.ap.T, strict=True):
        np.testing.assert_allclose(ap, expected.get("AP_per_class", {}).get(label, ap), rtol=0, atol=1e-12)


# ---- plain loops


def naive_tiou(a, b):
    common = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    union = (b[1] - b[0]) + (a[1] - a[0]) - common
    return common / union if union != 0 else np.nan


def naive_ap(rows, truths, label, threshold, short=np.inf):
    """Official greedy matching and interpolation; ground truths longer than ``short`` are ignored."""
    instances = [(v, i, row) for v in truths for i, row in enumerate(truths[v]) if row[2] == label]
    positives = sum(row[1] - row[0] <= short for *_, row in instances)
    taken, hits = set(), []
    for video, start, end, _, _ in sorted((r for r in rows if r[3] == label), key=lambda r: -r[4]):
        # NaN fails "<", so it passes every threshold, and it sorts in front of all.
        passing = [
            (np.nan_to_num(t, nan=np.inf), -i, row[1] - row[0] <= short)
            for v, i, row in instances
            if v == video and not (t := naive_tiou((start, end), row)) < threshold
        ]
        free = [p for p in passing if p[2] and (video, p[1]) not in taken]
        if free:
            taken.add((video, max(free)[1]))
            hits.append(1)
        elif all(p[2] for p in passing):
            hits.append(0)
    right = np.cumsum(hits)
    recall = np.concatenate(([0], right / max(positives, 1), [1]))
    precision = np.concatenate(([0], right / np.arange(1, len(hits) + 1), [0]))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * precision[1:]).sum())


def naive_recall(rows, truths, maximum, thresholds):
    videos = [v for v in truths if truths[v]]
    ratio = maximum * float(len(videos)) / len(rows)
    kept = {}
    for v in videos:
        mine = sorted((r for r in rows if r[0] == v), key=lambda r: -r[4])
        kept[v] = mine[: min(int(len(mine) * ratio), len(mine))]
    total = sum(map(len, kept.values()))
    if not total:
        return np.zeros((len(thresholds), 100))
    growth = np.arange(1, 101) / 100.0 * (maximum * float(len(videos)) / total)
    return np.array(
        [
            [
                sum(
                    any(naive_tiou(r[1:3], g) >= t for r in kept[v][: min(int(len(kept[v]) * p), len(kept[v]))])
                    for v in videos
                    for g in truths[v]
                )
                / sum(map(len, truths.values()))
                for p in growth
            ]
            for t in thresholds
        ]
    )


def segments(*extra):
    # A small grid: ties, repeated ground truths and segments without length are common.
    pair = st.tuples(st.integers(0, 6), st.integers(0, 5)).map(lambda p: (p[0], p[0] + p[1]))
    return st.tuples(pair, *extra).map(lambda row: (*row[0], *row[1:]))


TRUTHS = st.dictionaries(
    st.sampled_from(["v0", "v1", "v2"]), st.lists(segments(st.sampled_from("ab")), max_size=6), min_size=1
).filter(lambda truths: any(truths.values()))
ROWS = st.lists(
    st.tuples(st.sampled_from(["v0", "v1", "v2", "other"]), segments(st.sampled_from("abc"), st.integers(0, 8))).map(
        lambda row: (row[0], *row[1])
    ),
    max_size=30,
)
THRESHOLDS = [0.2, 0.5, 1.0]


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, truths=TRUTHS, short=st.integers(1, 5))
def test_equals_plain_loops(rows, truths, short):
    with np.errstate(all="raise"):
        result = evaluate(
            make_detections(rows), make_annotations(truths), tiou_thresholds=THRESHOLDS, short_seconds=short
        )
    expected = [[naive_ap(rows, truths, label, t) for label in result.labels] for t in THRESHOLDS]
    np.testing.assert_allclose(result.ap, expected, rtol=0, atol=1e-12)

    short_labels = {row[2] for instances in truths.values() for row in instances if row[1] - row[0] <= short}
    having = [label for label in result.labels if label in short_labels]
    if not having:
        assert result.short_map is None
        assert result.counts["short_ground_truths"] == 0
    else:
        expected = [np.mean([naive_ap(rows, truths, label, t, short) for label in having]) for t in THRESHOLDS]
        np.testing.assert_allclose(result.short_map_per_tiou, expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(rows=ROWS.filter(bool), truths=TRUTHS, maximum=st.sampled_from([1, 3, 100]))
def test_recall_equals_plain_loops(rows, truths, maximum):
    curve = average_recall(
        make_detections(rows), make_annotations(truths), average_numbers=maximum, tiou_thresholds=THRESHOLDS
    )
    np.testing.assert_allclose(curve.recall, naive_recall(rows, truths, maximum, THRESHOLDS), rtol=0, atol=1e-12)


# ---- properties


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, truths=TRUTHS, data=st.data())
def test_order_of_input_plays_no_part(rows, truths, data):
    rows = [(*row[:4], float(i)) for i, row in enumerate(rows)]  # unique scores
    once = evaluate(make_detections(rows), make_annotations(truths), tiou_thresholds=THRESHOLDS)
    shuffled = make_detections(data.draw(st.permutations(rows)))
    videos = dict(data.draw(st.permutations(list(truths.items()))))
    again = evaluate(shuffled, make_annotations(videos), tiou_thresholds=THRESHOLDS)
    order = [again.labels.index(label) for label in once.labels]
    np.testing.assert_array_equal(once.ap, again.ap[:, order])
    np.testing.assert_array_equal(once.recall_at.recall, again.recall_at.recall)


@settings(deadline=None, max_examples=50)
@given(truths=TRUTHS, data=st.data())
def test_perfect_detections(truths, data):
    rows = [(v, *row, data.draw(st.integers(0, 3))) for v in truths for row in truths[v]]
    result = evaluate(make_detections(rows), make_annotations(truths), tiou_thresholds=[0.3, 1.0], short_seconds=100)
    np.testing.assert_allclose(result.ap, 1, rtol=0, atol=1e-12)
    assert result.short_map == pytest.approx(1)


@settings(deadline=None, max_examples=50)
@given(rows=ROWS.filter(bool), truths=TRUTHS, data=st.data())
def test_removing_a_wrong_detection_never_lowers_ap(rows, truths, data):
    wrong = ("other", 0, 1, "a", data.draw(st.integers(0, 8)))
    at = data.draw(st.integers(0, len(rows)))
    annotations = make_annotations(truths)
    without = evaluate(make_detections(rows), annotations, tiou_thresholds=THRESHOLDS).ap
    with_it = evaluate(make_detections([*rows[:at], wrong, *rows[at:]]), annotations, tiou_thresholds=THRESHOLDS).ap
    assert (without >= with_it).all()


@settings(deadline=None, max_examples=50)
@given(rows=ROWS, truths=TRUTHS)
def test_nothing_is_long_under_a_long_limit(rows, truths):
    result = evaluate(make_detections(rows), make_annotations(truths), tiou_thresholds=THRESHOLDS, short_seconds=1000)
    np.testing.assert_array_equal(result.short_map_per_tiou, result.map_per_tiou)


# ---- single cases


def test_segments_without_length():
    """The official NaN: right as a detection, wherever it lies, and not found as a proposal."""
    truth = make_annotations({"v": [(5, 5, "a"), (20, 30, "a")]})
    found = make_detections([("v", 7, 7, "a", 0.9), ("v", 8, 8, "a", 0.8), ("v", 20, 30, "a", 0.1)])
    result = evaluate(found, truth, tiou_thresholds=[0.5, 1.0])
    np.testing.assert_allclose(result.ap[:, 0], (1 + 2 / 3) / 2)
    np.testing.assert_array_equal(result.recall_at.recall[:, -1], 0.5)
    assert evaluate(found, truth, tiou_thresholds=[0.5], policy="deduplicated").counts["ground_truths"] == 1


def test_long_instances_are_ignored():
    truth = make_annotations({"v": [(0, 100, "a"), (200, 201, "a"), (300, 400, "b")]})
    long = [("v", 0, 100, "a", 0.9), ("v", 0, 99, "a", 0.8)]
    right, wrong = ("v", 200, 201, "a", 0.5), ("v", 500, 600, "a", 0.6)
    options = {"tiou_thresholds": [0.5], "short_seconds": 2.0}
    # Both detections of the long instance vanish; class b has no short instance and stays out of the mean.
    assert evaluate(make_detections([*long, right]), truth, **options).short_map == 1
    assert evaluate(make_detections([*long, wrong, right]), truth, **options).short_map == 0.5
    assert evaluate(make_detections(long), truth, **options).short_map == 0


def test_a_free_short_instance_comes_before_a_better_ignored_one():
    truth = make_annotations({"v": [(0, 10, "a"), (0, 9, "a")]})
    found = make_detections([("v", 0, 10, "a", 0.9)])
    assert evaluate(found, truth, tiou_thresholds=[0.5], short_seconds=9).short_map == 1


def test_detections_elsewhere():
    truth = make_annotations({"v": [(0, 10, "a")], "nothing happens": []})
    right = ("v", 0, 10, "a", 0.5)
    other_video, no_instance = ("w", 0, 10, "a", 0.9), ("nothing happens", 0, 10, "a", 0.8)
    other_label = ("v", 0, 10, "z", 0.9)
    result = evaluate(make_detections([right, other_video, no_instance, other_label]), truth, tiou_thresholds=[0.5])
    assert result.labels == ("a",)
    assert result.average_map == pytest.approx(1 / 3)
    assert result.counts["in_other_videos"] == 1
    assert result.counts["of_other_labels"] == 1
    # All proposals over the one video with ground truth, wherever they lie.
    curve = average_recall(make_detections([right, other_video]), truth, average_numbers=None)
    assert curve.numbers[-1] == pytest.approx(2)


@pytest.mark.parametrize("policy", ["official", "deduplicated"])
def test_nothing_detected(policy):
    truth = make_annotations({"v": [(0, 10, "a"), (3, 4, "b")]})
    with np.errstate(all="raise"):
        result = evaluate(make_detections([]), truth, tiou_thresholds=[0.5], short_seconds=2, policy=policy).to_json()
        assert average_recall(make_detections([]), truth, average_numbers=None).auc == 0
    assert result["average_mAP"] == result["short_mAP"] == result["AR@100"] == result["AR_AUC"] == 0


def test_repeated_ground_truths():
    truth = make_annotations(
        {"v": [(0, 10, "a"), (0.0005, 10.0005, "a"), (0, 10, "b"), (0.0015, 10.0015, "a"), (1, 1.0005, "c")]}
    )
    found = make_detections([("v", 0, 10, "a", 0.9)])
    assert evaluate(found, truth, tiou_thresholds=[0.5]).counts["ground_truths"] == 5
    result = evaluate(found, truth, tiou_thresholds=[0.5], policy="deduplicated")
    # The fourth is near the second, which is gone already, and too far from the first.
    assert result.counts["ground_truths"] == 3
    assert result.labels == ("a", "b")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tiou_thresholds": []}, "tIoU"),
        ({"tiou_thresholds": [0.0]}, "tIoU"),
        ({"tiou_thresholds": [50]}, "tIoU"),
        ({"tiou_thresholds": [np.nan]}, "tIoU"),
        ({"short_seconds": 0.0}, "short_seconds"),
        ({"short_seconds": np.nan}, "short_seconds"),
        ({"average_numbers": 0}, "average_numbers"),
        ({"policy": "strict"}, "policy"),
    ],
)
def test_senseless_options(options, named):
    truth, found = make_annotations({"v": [(0, 1, "a")]}), make_detections([("v", 0, 1, "a", 1.0)])
    with pytest.raises(InputError, match=named):
        evaluate(found, truth, **{"tiou_thresholds": [0.5], **options})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("w", 0, 1, "a", 0.5), r"r\.json: expected detections in the validation videos of .*, found .* only in 'w'"),
        (("v", 0, 1, "b", 0.5), r"r\.json: expected labels of annotations \(a\), found b"),
    ],
)
def test_files_that_do_not_belong_together(row, message):
    truth = make_annotations({"v": [(0, 1, "a")]})
    with pytest.raises(InputError, match=message):
        check_comparable(make_detections([row]), truth, where="r.json")
    check_comparable(make_detections([row, ("v", 0, 1, "a", 0.5)]), truth)  # one that can match is enough
    check_comparable(make_detections([("v", 0, 1, "", 0.5)]), truth)  # a proposal


@pytest.mark.parametrize(
    ("videos", "policy"), [({}, "official"), ({"v": []}, "official"), ({"v": [(1, 1, "a")]}, "deduplicated")]
)
def test_no_ground_truth(videos, policy):
    for function, options in ((evaluate, {"tiou_thresholds": [0.5]}), (average_recall, {})):
        with pytest.raises(InputError, match="at least one ground truth"):
            function(make_detections([]), make_annotations(videos), policy=policy, **options)


def test_json():
    truth = make_annotations({"v": [(0, 10, "a"), (20, 22, "b")]})
    found = make_detections([("v", 0, 9, "a", 0.9), ("v", 20, 22, "b", 0.7)])
    result = evaluate(
        found, truth, tiou_thresholds=[0.3, 0.8999999999999999, 0.925], short_seconds=3, average_numbers=10
    )
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["mAP"] == {"0.30": 1.0, "0.90": 1.0, "0.925": 0.5}
    assert written["average_mAP"] == pytest.approx(5 / 6)
    assert written["short_mAP"] == 1
    assert written["per_class_AP"]["a"] == {"0.30": 1.0, "0.90": 1.0, "0.925": 0.0}
    assert {key for key in written if key.startswith("AR@")} == {"AR@1", "AR@5", "AR@10"}
    assert 0 < written["AR_AUC"] < 1


def test_average_precision():
    hit = np.array([[True, False, True], [False, False, False]])
    np.testing.assert_allclose(average_precision(hit, np.ones_like(hit), 2), [(1 + 2 / 3) / 2, 0])
    passed_over = np.array([[True, False, True], [False, True, True]])
    np.testing.assert_allclose(average_precision(hit, passed_over, 2), [1, 0])
    np.testing.assert_array_equal(average_precision(np.zeros((2, 0), bool), np.zeros((2, 0), bool), 5), [0, 0])
