"""DETAD against the original's output and against plain loops."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_annotations, make_detections

from places import SHARED
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.evaluation import evaluate
from rcl.evaluation.characteristics import cut, measure, read_characteristics, recognized_scheme
from rcl.evaluation.detad import diagnose
from rcl.evaluation.diagnosis import KINDS
from rcl.evaluation.ground_truths import ground_truths
from rcl.system.errors import InputError

GOLDEN = SHARED / "golden"
TOLERANCE = 1e-12


# ---- building inputs


def perfect(annotations):
    return make_detections(
        [
            (name, *segment, label, 0.5)
            for name, video in annotations.videos.items()
            for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ]
    )


VIDEOS = {
    "u": [(0, 10, "a"), (20, 22, "a"), (40, 90, "b")],
    "v": [(5, 9, "a"), (5, 9, "b")],
    "w": [(1, 99, "c")],
    "nothing happens": [],
}


def random_case(seed):
    """Annotations and detections with many overlaps, ties of tIoU, duplicates and detections elsewhere."""
    rng = np.random.default_rng(seed)

    def segment():
        start = rng.integers(0, 20)
        return float(start), float(start + rng.integers(0, 12))

    labels = "abc"[: rng.integers(1, 4)]
    videos = {f"v{i}": [(*segment(), rng.choice([*labels])) for _ in range(rng.integers(0, 6))] for i in range(3)}
    videos["v0"].append((2.0, 9.0, "a"))
    durations = {name: float(rng.integers(8, 33)) for name in videos} | {"v0": 40.0}
    count = int(rng.integers(0, 40))
    scores = rng.permutation(count) / 50
    names = [*videos, "elsewhere"]
    rows = [(rng.choice(names), *segment(), rng.choice([*"abcz"]), score) for score in scores]
    return make_annotations(videos, durations), make_detections(rows)


# ---- the original's output

ERRORS = ("Double Detection", "Wrong Label", "Localization", "Confusion", "Background")
KIND_OF = dict(zip(("True Positive", *(f"{error} Err" for error in ERRORS)), KINDS, strict=True))


def by_kind(values):
    return [values[kind] for kind in KIND_OF if kind in values]


CASES = {
    "anet": ("anet_synth_detections_bmnvids_clean", "anet_val_gt_detad_chars", "golden_detad_anet_10tious_clean"),
    "thumos-0.5": ("thumos_synth_detections_no1292", "detad_thumos14_test", "golden_detad_thumos_tiou0.5_no1292"),
    "thumos": ("thumos_synth_detections_no1292", "detad_thumos14_test", "golden_detad_thumos_tiou0.3-0.7_no1292"),
}


# Three videos have the same segment twice or more. Which of them a detection takes shows in the characteristics that
# are given by instance. Ours takes the first; the original's argsort is not stable, and took them in this order.
TAKEN_FIRST = {
    "a1nRXQZ6-Fo": [0, 3, 2, 1],
    "wLKePf07V14": [1, 0],
    "6gyD-Mte2ZM": [0, 1, 2, 13, 14, 3, 6, 7, 12, 11, 9, 10, 8, 5, 4, 16, 15, 17],
}


def in_golden_order(annotations, fields):
    """The same ground truth with equal segments in the order in which the original's run took them."""
    videos, fields = dict(annotations.videos), {name: dict(values) for name, values in fields.items()}
    for name, order in TAKEN_FIRST.items():
        if name in videos:
            video = videos[name]
            labels = tuple(video.labels[i] for i in order)
            videos[name] = replace(video, segments_seconds=video.segments_seconds[order], labels=labels)
            for values in fields.values():
                values[name] = values[name][order]
    return replace(annotations, videos=videos), fields


@pytest.fixture(scope="module", params=CASES)
def golden(request):
    if not GOLDEN.is_dir():
        pytest.skip(f"golden files of DETAD are not at {GOLDEN}")
    folder = GOLDEN / request.param.partition("-")[0]
    found, truth, output = (folder / f"{name}.json" for name in CASES[request.param])
    expected = json.loads(output.read_text())
    annotations = load_annotations(truth, clip=False)
    scheme = recognized_scheme(annotations)
    assert scheme == {"anet": "activitynet", "thumos": "thumos14"}[folder.name]
    subset, fields = in_golden_order(annotations.subset(expected["subset"]), read_characteristics(truth))
    detections = load_detections(found)
    diagnosis = diagnose(detections, subset, tiou_thresholds=expected["tious"], buckets=scheme, fields=fields)
    return expected, diagnosis, detections, subset


def assert_near(found, expected):
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_golden_totals(golden):
    expected, diagnosis, _, _ = golden
    assert diagnosis.counts["ground_truths"] == expected["n_gt"]
    assert diagnosis.counts["detections"] == expected["n_pred"]
    assert len(diagnosis.labels) == expected["n_class"]
    assert_near(diagnosis.instances_per_class, expected["avg_instances_per_class_N"])
    assert_near(diagnosis.mAP_N, expected["mAP_N_per_tiou"])
    assert_near(diagnosis.average_mAP_N, expected["average_mAP_N"])
    assert_near(diagnosis.recall.mean(axis=1), expected["mRecall"])
    assert_near(diagnosis.precision_N.mean(axis=1), expected["mPrecision_N"])
    assert diagnosis.labels == tuple(expected["AP_N_per_class"])
    assert_near(diagnosis.ap_N.T, list(expected["AP_N_per_class"].values()))


def test_golden_ordinary_map(golden):
    """The plain mAP that the original prints is the official one of the ground truths that it keeps."""
    expected, diagnosis, detections, annotations = golden
    kept = {}
    for name, video in annotations.videos.items():
        lengths = video.segments_seconds[:, 1] - video.segments_seconds[:, 0]
        rows = np.flatnonzero((lengths > 0) & (lengths / (video.duration_seconds or np.inf) <= 1))
        labels = tuple(video.labels[i] for i in rows)
        kept[name] = replace(video, segments_seconds=video.segments_seconds[rows], labels=labels)
    result = evaluate(detections, replace(annotations, videos=kept), tiou_thresholds=diagnosis.tiou_thresholds)
    assert_near(result.map_per_tiou, expected["mAP_plain_per_tiou"])
    assert_near(result.average_map, expected["average_mAP_plain"])


def test_golden_sensitivity(golden):
    expected, diagnosis, _, _ = golden
    assert {one.name for one in diagnosis.characteristics} == set(expected["bins"])
    for one in diagnosis.characteristics:
        edges, buckets = expected["bins"][one.name]
        assert one.edges.tolist() == [float(edge) for edge in edges]
        assert list(one.buckets) == buckets
        assert dict(zip(buckets, one.counts.tolist(), strict=True)) == expected["bucket_counts"][one.name]
        sensitivity = diagnosis.sensitivity[one.name]
        assert list(sensitivity.average_mAP_N) == buckets
        by_bucket = expected["sensitivity_average_mAP_N"][one.name]
        assert_near([sensitivity.average_mAP_N[bucket] for bucket in by_bucket], list(by_bucket.values()))
        assert_near(sensitivity.relative, expected["sensitivity_relative_min_max"][one.name])


def test_golden_false_negatives(golden):
    expected, diagnosis, _, _ = golden
    negatives = diagnosis.false_negatives
    assert negatives.missed.sum(axis=1).tolist() == expected["FN_unmatched_total_per_tiou"]
    assert_near(negatives.average_mAP_N, expected["FN_average_mAP_N_thr0.05"])
    for one in diagnosis.characteristics:
        *each, average = expected["FN"][one.name].values()
        assert len(each) == len(negatives.missed)
        for missed, rates in [*zip(negatives.missed[:, None], each, strict=True), (negatives.missed, average)]:
            found = replace(negatives, missed=missed).rates(one)
            shares = dict(zip(one.buckets, one.counts / one.counts.sum(), strict=True))
            assert_near([found[bucket] for bucket in rates], [rate["unmatched"] for rate in rates.values()])
            assert_near([shares[bucket] for bucket in rates], [rate["all"] for rate in rates.values()])


def test_golden_pairs(golden):
    expected, diagnosis, _, _ = golden
    pairs = {key: value for key, value in expected.items() if key.startswith("FN_pairwise_")}
    if not pairs:
        pytest.skip("this output has no pairs of characteristics")
    known = {one.name: one for one in diagnosis.characteristics}
    for key, rates in pairs.items():
        first, second = (known[name] for name in key.removeprefix("FN_pairwise_").split("x"))
        found = diagnosis.false_negatives.pair_rates(first, second)
        cells = {f"{a}|{b}": rate for a, row in found.items() for b, rate in row.items() if rate is not None}
        assert cells.keys() == rates.keys()
        assert_near([cells[cell] for cell in rates], [rate["unmatched"] for rate in rates.values()])
        for cell, rate in rates.items():
            a, b = cell.split("|")
            inside = (first.bucket_index == first.buckets.index(a)) & (second.bucket_index == second.buckets.index(b))
            assert inside.mean() == pytest.approx(rate["all"], abs=TOLERANCE)


def test_golden_false_positives(golden):
    expected, diagnosis, _, _ = golden
    positives = diagnosis.false_positives
    assert positives.band_sizes.sum() == expected["FP_n_pred_after_limit"]
    assert positives.band_sizes.tolist() == expected["FP_group_sizes"]
    assert_near(positives.mAP_N, expected["FP_mAP_N_top10G_per_tiou"])
    assert_near(positives.mAP_N.mean(), expected["FP_average_mAP_N_top10G"])
    *each, average = expected["FP_counts_all"].values()
    assert_near(positives.counts.sum(axis=1), [by_kind(counts) for counts in each])
    assert_near(positives.counts.sum(axis=1).mean(axis=0), by_kind(average))
    for band, groups in enumerate(expected["FP_group_counts"]):
        *each, average = groups.values()
        assert_near(positives.counts[:, band], [by_kind(counts) for counts in each])
        assert_near(positives.counts[:, band].mean(axis=0), by_kind(average))
    assert_near(list(positives.fractions.values()), by_kind(expected["FP_fraction_all_avg"]))
    for found, shares in zip(positives.band_fractions, expected["FP_group_fraction_avg"], strict=True):
        known = [None if value is None or np.isnan(value) else value for value in by_kind(shares)]
        assert list(found) == list(KINDS)
        assert [value is None for value in found.values()] == [value is None for value in known]
        assert_near([value or 0 for value in found.values()], [value or 0 for value in known])
    assert_near([positives.gains[kind] for kind in KINDS[1:]], by_kind(expected["FP_average_mAP_N_gain"]))


# ---- plain loops


def naive(annotations, detections, thresholds):
    """The original's procedure, one detection at a time: what :func:`diagnose` says, as nested lists and dicts."""
    truths = []
    for name, video in annotations.videos.items():
        for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True):
            if end > start and (end - start) / video.duration_seconds <= 1:
                truths.append((name, start, end, label))
    classes = sorted({truth[3] for truth in truths})
    instances = len(truths) / len(classes)
    lists = {c: sorted((d for d in detections if d.label == c), key=lambda d: -d.score) for c in classes}
    positives = {c: sum(truth[3] == c for truth in truths) for c in classes}

    def tiou(d, truth):
        common = max(min(d.end_seconds, truth[2]) - max(d.start_seconds, truth[1]), 0)
        return common / ((truth[2] - truth[1]) + (d.end_seconds - d.start_seconds) - common)

    def matched(ranked, c, threshold):
        taken, result = set(), []
        for d in ranked:
            own = [i for i, truth in enumerate(truths) if truth[0] == d.video and truth[3] == c and i not in taken]
            best = max(own, key=lambda i: tiou(d, truths[i]), default=None)  # of equal ones the first
            best = None if best is None or tiou(d, truths[best]) < threshold else best
            taken.add(best)
            result.append(best)
        return result

    def precisions(hits, count):
        right, wrong, result = 0, 0, []
        for hit in hits:
            right, wrong = right + hit, wrong + (not hit)
            recall = right / count
            result.append(recall * instances / (recall * instances + wrong))
        return result

    def ap(hits, count):
        values = precisions(hits, count)
        return sum(max(values[i:]) / count for i, hit in enumerate(hits) if hit)

    def kind_of(d, match, threshold):
        if match is not None:
            return 0
        own = [truth for truth in truths if truth[0] == d.video]
        best = max(own, key=lambda truth: tiou(d, truth), default=None)
        if best is None or tiou(d, best) < min(threshold, 0.1):
            return 5
        return (1 if tiou(d, best) >= threshold else 3) + (best[3] != d.label)

    matches = {c: [matched(lists[c], c, t) for t in thresholds] for c in classes}
    mean_ap = [
        [ap([m is not None for m in matches[c][t]], positives[c]) for c in classes] for t in range(len(thresholds))
    ]

    def on_bucket(members):
        values = []
        for c in classes:
            count = sum(truths[i][3] == c for i in members)
            if count:
                columns = list(zip(*matches[c], strict=True))
                kept = [column for column in columns if all(m is None or m in members for m in column)]
                values += [ap([column[t] is not None for column in kept], count) for t in range(len(thresholds))]
        return float(np.mean(values)) if values else None

    missed = np.ones((len(thresholds), len(truths)), dtype=bool)
    counts = np.zeros((len(thresholds), 10, 6), dtype=int)
    top, gained = [], {kind: [] for kind in range(1, 6)}
    for t, threshold in enumerate(thresholds):
        for c in classes:
            found = matches[c][t]
            values = precisions([m is not None for m in found], positives[c])
            for m, precision in zip(found, values, strict=True):
                if m is not None and precision > 0.05:
                    missed[t, m] = False
            best = list(zip(lists[c], found, strict=True))[: 10 * positives[c]]
            kinds = [kind_of(d, m, threshold) for d, m in best]
            for place, kind in enumerate(kinds):
                counts[t, place // positives[c], kind] += 1
            top.append(ap([kind == 0 for kind in kinds], positives[c]))
            for error in gained:
                gained[error].append(ap([kind == 0 for kind in kinds if kind != error], positives[c]))
    gains = [np.mean(values) - np.mean(top) for values in gained.values()]
    return mean_ap, on_bucket, missed, counts, gains


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_plain_loops(seed):
    annotations, detections = random_case(seed)
    thresholds = [0.05, 0.3, 0.5, 0.75]
    diagnosis = diagnose(detections, annotations, tiou_thresholds=thresholds)
    mean_ap, on_bucket, missed, counts, gains = naive(annotations, list(detections), thresholds)
    assert_near(diagnosis.ap_N[:, np.argsort(diagnosis.labels)], mean_ap)
    np.testing.assert_array_equal(diagnosis.false_negatives.missed, missed)
    np.testing.assert_array_equal(diagnosis.false_positives.counts, counts)
    assert_near(list(diagnosis.false_positives.gains.values()), gains)
    for one in diagnosis.characteristics:
        rates = diagnosis.false_negatives.rates(one)
        for index, bucket in enumerate(one.buckets):
            members = set(np.flatnonzero(one.bucket_index == index).tolist())
            assert members
            assert_near(diagnosis.sensitivity[one.name].average_mAP_N[bucket], on_bucket(members))
            assert_near(rates[bucket], missed[:, sorted(members)].mean())


# ---- properties


def nulls(value):
    """Every number and None of nested JSON."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from nulls(item)
    else:
        yield value


def test_perfect_detections():
    annotations = make_annotations(VIDEOS)
    diagnosis = diagnose(perfect(annotations), annotations, tiou_thresholds=[0.5, 1.0])
    assert diagnosis.average_mAP_N == 1
    assert not diagnosis.false_negatives.missed.any()
    assert diagnosis.false_positives.fractions["true_positive"] == 1
    assert set(diagnosis.false_positives.gains.values()) == {0.0}
    for sensitivity in diagnosis.sensitivity.values():
        assert set(sensitivity.average_mAP_N.values()) == {1.0}
        assert (sensitivity.relative, sensitivity.impact) == ((1, 1), 0)


def test_nothing_detected():
    annotations = make_annotations(VIDEOS)
    with np.errstate(all="raise"):
        diagnosis = diagnose(make_detections([]), annotations, tiou_thresholds=[0.5])
        written = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert written["average_mAP_N"] == 0
    assert written["false_negatives_total"] == 1
    assert set(written["false_positives"]["fractions"].values()) == {None}
    assert written["sensitivity_relative"]["length"] is None
    assert all(rate == 1 for rates in written["false_negatives"].values() for rate in rates.values())


def test_one_class_in_one_video():
    annotations = make_annotations({"v": [(0, 10, "a"), (20, 30, "a"), (50, 60, "a")]})
    rows = [("v", 0, 10, "a", 0.9), ("v", 1, 10, "a", 0.8), ("v", 20, 24, "a", 0.7), ("v", 70, 80, "a", 0.6)]
    diagnosis = diagnose(make_detections(rows), annotations, tiou_thresholds=[0.5])
    shares = dict.fromkeys(["true_positive", "double_detection", "localization", "background"], 0.25)
    assert diagnosis.false_positives.fractions == {**dict.fromkeys(KINDS, 0.0), **shares}
    assert [one.buckets for one in diagnosis.characteristics] == [("all",)] * 3  # all are equally long
    assert diagnosis.false_negatives.rates(diagnosis.characteristics[0]) == {"all": pytest.approx(2 / 3)}
    assert diagnosis.average_mAP_N == pytest.approx(1 / 3)


def test_wrong_label_and_confusion():
    annotations = make_annotations({"u": [(0, 10, "a"), (0, 10, "b")], "v": [(0, 10, "b")], "empty": []})
    rows = [
        ("v", 0, 10, "a", 0.9),  # right place, wrong label
        ("v", 0, 3, "a", 0.8),  # the place is not right, either
        ("empty", 0, 10, "a", 0.7),
        ("empty", 0, 10, "a", 0.6),  # the original compares this one with another video
        ("nowhere", 0, 10, "a", 0.5),
        ("u", 0, 10, "b", 0.9),
        ("u", 0, 10, "b", 0.8),  # of two equal tIoUs the first in the file tells: a
    ]
    diagnosis = diagnose(make_detections(rows), annotations, tiou_thresholds=[0.5])
    # The counts are by class: one ground truth of a, and two of b.
    total = dict(zip(KINDS, diagnosis.false_positives.counts[0].sum(axis=0).tolist(), strict=True))
    assert total == {
        "true_positive": 1,
        "double_detection": 0,
        "wrong_label": 2,
        "localization": 0,
        "confusion": 1,
        "background": 3,
    }


def test_bands():
    """The first band holds the best G of every class, and nothing counts beyond 10·G."""
    annotations = make_annotations({"v": [(0, 10, "a"), (20, 30, "a"), (50, 60, "b")]})
    rows = [("v", 0, 10, label, 1 - i / 100) for label in "ab" for i in range(50)]
    positives = diagnose(make_detections(rows), annotations, tiou_thresholds=[0.5]).false_positives
    assert positives.band_sizes.tolist() == [3] * 10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_scores_matters(seed):
    annotations, detections = random_case(seed)
    bent = replace(detections, scores=np.exp(5 * detections.scores) - 100)
    before, after = (diagnose(d, annotations, tiou_thresholds=[0.3, 0.5]).to_json() for d in (detections, bent))
    assert before == after


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_consistent_and_never_nan(seed):
    annotations, detections = random_case(seed)
    with np.errstate(all="raise"):
        diagnosis = diagnose(detections, annotations, tiou_thresholds=[0.3, 0.7])
        written = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    for one in diagnosis.characteristics:
        # The buckets of the data hold every ground truth, and none is empty.
        assert one.counts.sum() == diagnosis.counts["ground_truths"]
        assert one.counts.min() > 0
        assert (np.diff(one.edges) > 0).all()
        rates = [rate for rate in diagnosis.false_negatives.rates(one).values() if rate is not None]
        assert np.average(rates, weights=one.counts) == pytest.approx(diagnosis.false_negatives.missed.mean())
    for one, other in combinations(diagnosis.characteristics, 2):
        for bucket, row in diagnosis.false_negatives.pair_rates(one, other).items():
            inside = one.bucket_index == one.buckets.index(bucket)
            assert inside.any()
            assert any(rate is not None for rate in row.values())
    fractions = [value for value in diagnosis.false_positives.fractions.values() if value is not None]
    assert not fractions or sum(fractions) == pytest.approx(1)
    assert min(diagnosis.false_positives.gains.values()) >= -TOLERANCE
    assert all(value is None or isinstance(value, str) or np.isfinite(value) for value in nulls(written))


def test_ground_truths_that_are_left_out():
    videos = {"u": [(0, 10, "a"), (5, 5, "a"), (0, 300, "b")], "v": [(0, 10, "c")]}
    annotations = make_annotations(videos, {"v": None})
    diagnosis = diagnose(perfect(annotations), annotations, tiou_thresholds=[0.5])
    assert diagnosis.labels == ("a", "c")  # b has no ground truth left
    assert diagnosis.counts["ground_truths_left_out"] == 2
    assert diagnosis.counts["of_other_labels"] == 1
    coverage = diagnosis.characteristics[0]
    assert (coverage.name, coverage.bucket_index.tolist()) == ("coverage", [0, -1])  # unknown in v
    with pytest.raises(InputError, match="fits its video"):
        diagnose(perfect(annotations), make_annotations({"u": videos["u"][1:]}), tiou_thresholds=[0.5])


def test_no_durations():
    annotations = make_annotations(VIDEOS, dict.fromkeys(VIDEOS))
    diagnosis = diagnose(perfect(annotations), annotations, tiou_thresholds=[0.5])
    assert [one.name for one in diagnosis.characteristics] == ["length", "num-instances"]


def test_empty_bucket():
    annotations = make_annotations(VIDEOS)
    diagnosis = diagnose(perfect(annotations), annotations, tiou_thresholds=[0.5], buckets="activitynet")
    length = next(one for one in diagnosis.characteristics if one.name == "length")
    assert dict(zip(length.buckets, length.counts.tolist(), strict=True)) == {"XS": 4, "S": 1, "M": 1, "L": 0, "XL": 0}
    assert diagnosis.sensitivity["length"].average_mAP_N["XL"] is None
    assert diagnosis.false_negatives.rates(length)["XL"] is None
    assert diagnosis.to_json()["characteristics"]["length"]["edges"][-1] is None


# ---- buckets


def test_edges_belong_to_the_lower_bucket():
    values = np.array([0.0, 30, 30.5, 180, 1e9, -1, np.nan])
    (one,) = cut({"length": values}, "activitynet")
    assert one.bucket_index.tolist() == [0, 0, 1, 3, 4, -1, -1]
    (one,) = cut({"context-distance": np.array([-1.0, 0, 1, 3, 4])}, "data")
    assert one.bucket_index.tolist() == [0, 0, 1, 3, -1]


@pytest.mark.parametrize(
    ("values", "buckets"),
    [
        ([2.0], ("all",)),
        ([2.0] * 9, ("all",)),
        ([2.0] * 9 + [3], ("S", "L")),
        ([1.0, 2, 3], ("S", "M", "L")),
        ([1.0, 2, 3, 4], ("XS", "S", "M", "L")),
        (range(1, 101), ("XS", "S", "M", "L", "XL")),
    ],
)
def test_buckets_of_the_data(values, buckets):
    (one,) = cut({"length": np.array(values, dtype=float)}, "data")
    assert one.buckets == buckets
    assert one.counts.min() > 0
    assert one.edges[0] == 0
    assert one.edges[-1] == max(values)


def test_quantiles_are_of_about_equal_size():
    values = np.random.default_rng(0).exponential(10, 1000)
    (one,) = cut({"length": values}, "data")
    assert one.counts.tolist() == [200] * 5


def test_unknown_scheme():
    with pytest.raises(InputError, match="activitynet or thumos14 or data"):
        cut({"length": np.ones(1)}, "hacs")


def test_fields_of_the_file(tmp_path):
    path = tmp_path / "annotations.json"
    instance = {"segment": [0, 10], "label": "a"}
    items = [{**instance, "context-size": 4, "agreement": None, "coverage": 0.3}, {**instance, "context-size": None}]
    entries = {"v": {"subset": "validation", "annotations": items}, "w": {"subset": "training", "annotations": []}}
    path.write_text(json.dumps({"database": entries}))
    fields = read_characteristics(path)
    assert fields.keys() == {"context-size", "coverage"}
    annotations = load_annotations(path, clip=False).subset("validation")
    values = measure(ground_truths(annotations), annotations, fields)
    np.testing.assert_array_equal(values["context-size"], [4, np.nan])
    np.testing.assert_array_equal(values["coverage"], [0.3, np.nan])  # no duration is known
    np.testing.assert_array_equal(values["num-instances"], [2, 2])
    with pytest.raises(InputError, match="one per instance"):
        measure(ground_truths(annotations), annotations, {"agreement": {"v": np.ones(3)}})

    items[0]["agreement"] = "high"
    path.write_text(json.dumps({"database": entries}))
    with pytest.raises(InputError, match="'v': expected a finite number as agreement"):
        read_characteristics(path)


def test_tables_have_no_fields(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text("video,start,end,label\nv,0,1,a\n")
    assert read_characteristics(path) == {}
    path.write_text('[{"video": "v", "start": 0, "end": 1, "label": "a"}]')
    assert read_characteristics(path) == {}


def test_recognized_scheme():
    assert recognized_scheme(make_annotations({"video_test_0000004": [(0, 1, "a")]})) == "thumos14"
    named = {f"v_{i:011d}": [(0, 1, f"action {i}")] for i in range(200)}
    assert recognized_scheme(make_annotations(named)) == "activitynet"
    assert recognized_scheme(make_annotations(dict(list(named.items())[:20]))) == "data"
    assert recognized_scheme(make_annotations(VIDEOS)) == "data"
