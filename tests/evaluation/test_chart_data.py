"""What the charts of a diagnosis show, against the diagnosis itself."""

import pytest
from made import make_annotations, make_detections

from rcl.evaluation import chart_data, diagnose
from rcl.evaluation.diagnosis import KINDS


@pytest.fixture(scope="module")
def diagnosis():
    truth = make_annotations({"v": [(0, 10, "a"), (20, 60, "b")], "w": [(0, 5, "a")]})
    found = make_detections([("v", 0, 10, "a", 0.9), ("v", 0, 9, "b", 0.8), ("v", 25, 60, "b", 0.7)])
    return diagnose(found, truth, tiou_thresholds=[0.5], buckets="thumos14")


@pytest.mark.parametrize("chart", ["sensitivity", "false_negatives"])
def test_a_bar_per_bucket(diagnosis, chart):
    found = getattr(chart_data, chart)(diagnosis)
    written = diagnosis.to_json()
    total = written["average_mAP_N" if chart == "sensitivity" else "false_negatives_total"]
    assert found.total_percent == pytest.approx(100 * total)
    bars = iter(found.bars)
    for name, rates in written[chart].items():
        for (bucket, rate), count in zip(rates.items(), written["characteristics"][name]["ground_truths"], strict=True):
            bar = next(bars)
            assert (bar.bucket, bar.ground_truths) == (bucket, count)
            assert bar.limit[0] in "≤>"
            assert bar.percent == (None if rate is None else pytest.approx(100 * rate))
            assert (bar.percent is None) == (count == 0)
    assert next(bars, None) is None


def test_kinds_of_detections(diagnosis):
    shares, gains = chart_data.kinds(diagnosis), chart_data.gains(diagnosis)
    assert [*shares] == [*KINDS]
    assert shares["true_positive"][:3] == [50, 100, None]  # the best of "b" has a wrong label
    assert shares["wrong_label"][:3] == [50, 0, None]
    assert gains["wrong_label"] == pytest.approx(100 * diagnosis.false_positives.gains["wrong_label"])
    assert len({*chart_data.KIND_FILLS.values()}) == len(KINDS)
