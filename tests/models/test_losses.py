"""Targets and losses against plain loops and the formulas of the papers."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from places import SHARED
from rcl.models.losses import Criterion, balanced_bce, balanced_mse, boundary_loss, offset_loss, quality_focal_loss
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import grid
from rcl.models.targets import Targets, assign, assign_points, boundary_targets, scale_invariant_weights

GOLDEN = SHARED / "golden" / "bmn"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"BMN's own labels are not at {GOLDEN}")

LABELS = 3


def naive_tiou(a, b):
    common = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - common
    return common / union if union else 0.0


def padded(videos):
    """Ground truth ``[[(start, end, label), ...], ...]`` as tensors."""
    most = max(map(len, videos))
    rows = [[*video, *[(0.0, 0.0, -1)] * (most - len(video))] for video in videos]
    table = torch.tensor(rows, dtype=torch.float64).reshape(len(videos), most, 3)
    return table[..., :2], table[..., 2].long()


# -- assign ------------------------------------------------------------------------------------------------------

halves = st.integers(0, 20).map(lambda value: value / 2)
pairs = st.tuples(halves, halves).map(sorted).map(tuple)
ground_truth = st.lists(st.tuples(pairs, st.integers(0, LABELS - 1)).map(lambda t: (*t[0], t[1])), max_size=4)


@settings(deadline=None, max_examples=50)
@given(
    videos=st.lists(ground_truth, min_size=1, max_size=3),
    data=st.data(),
    count=st.integers(0, 4),
    num_labels=st.sampled_from([LABELS, 0]),
)
def test_assign_equals_the_loop(videos, data, count, num_labels):
    anchors = [[data.draw(pairs) for _ in range(count)] for _ in videos]
    targets = assign(
        torch.tensor(anchors, dtype=torch.float64).reshape(len(videos), count, 2), *padded(videos), num_labels
    )
    assert targets.tiou.shape == (len(videos), count)
    assert targets.segments.shape == (len(videos), count, 2)
    assert targets.labels.shape == (len(videos), count, num_labels)
    for b, video in enumerate(videos):
        for k, anchor in enumerate(anchors[b]):
            overlaps = [naive_tiou(anchor, truth) for truth in video]
            best = max(overlaps, default=0.0)
            assert targets.tiou[b, k].item() == pytest.approx(best, abs=1e-12)
            closest = targets.segments[b, k].tolist()
            assert closest in ([[*truth[:2]] for truth in video] or [[0, 0]])
            if best:  # one of several that are as close
                assert naive_tiou(anchor, closest) == pytest.approx(best, abs=1e-12)
            of_label = [
                max((o for o, truth in zip(overlaps, video, strict=True) if truth[2] == label), default=0.0)
                for label in range(num_labels)
            ]
            assert targets.labels[b, k].tolist() == pytest.approx(of_label, abs=1e-12)


def test_padding_is_no_ground_truth():
    anchors = torch.tensor([[[0.0, 4.0]]])
    targets = assign(anchors, torch.tensor([[[0.0, 4.0], [0.0, 2.0]]]), torch.tensor([[-1, 1]]), LABELS)
    assert targets.tiou.tolist() == [[0.5]]
    assert targets.segments.tolist() == [[[0, 2]]]
    assert targets.labels.tolist() == [[[0, 0.5, 0]]]
    assert targets.truth.tolist() == [[1]]


def test_an_anchor_knows_its_ground_truth():
    anchors = torch.tensor([[[0.0, 4.0], [9.0, 12.0], [6.0, 7.0]], [[0.0, 4.0], [9.0, 12.0], [6.0, 7.0]]])
    segments, labels = padded([[(8, 13, 0), (1, 4, 2)], []])
    assert assign(anchors, segments.float(), labels, LABELS).truth.tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert assign(anchors, segments[:, :0].float(), labels[:, :0], LABELS).truth.tolist() == [[-1] * 3] * 2


@needs_golden
def test_assign_on_the_grid_is_bmns_map():
    for video in json.loads((GOLDEN / "bmn_labels.json").read_text()):
        segments, labels = padded([[(*segment, 0) for segment in bmn_segments(video)]])
        anchors = grid(100).segments
        found = assign(anchors.double()[None], segments, labels, 1).tiou[0]
        start, last = anchors[:, 0].long(), anchors[:, 1].long() - 1
        expected = np.load(GOLDEN / f"bmn_gt_iou_map_{video['video']}.npy")[start, last]
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)


def bmn_segments(video, snippets=100):
    """Ground truth in snippet time, by BMN's rescaling of a video's duration."""
    info = video["info"]
    seconds = info["feature_frame"] / info["duration_frame"] * info["duration_second"]
    return [
        [min(max(edge / seconds, 0), 1) * snippets for edge in instance["segment"]] for instance in info["annotations"]
    ]


# -- points ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    videos=st.lists(ground_truth, min_size=1, max_size=3),
    data=st.data(),
    count=st.integers(0, 4),
    num_labels=st.sampled_from([LABELS, 1, 0]),
)
def test_a_point_learns_of_the_shortest_action_that_it_lies_in(videos, data, count, num_labels):
    snippets = torch.tensor([[data.draw(st.integers(0, 9)) for _ in range(count)] for _ in videos], dtype=torch.float64)
    anchors = torch.stack((snippets, snippets + 1), dim=-1).reshape(len(videos), count, 2)
    answers = torch.tensor([[data.draw(pairs) for _ in range(count)] for _ in videos], dtype=torch.float64)
    answers = answers.reshape(anchors.shape)  # anchors have a length of 1, so offsets are differences
    scores = scores_of(anchors, answers - anchors, labels=torch.zeros(*anchors.shape[:2], num_labels))
    targets = assign_points(scores, *padded(videos))
    assert targets.tiou.shape == targets.truth.shape == (len(videos), count)
    assert targets.segments.shape == (len(videos), count, 2)
    assert targets.labels.shape == (len(videos), count, num_labels)
    for b, video in enumerate(videos):
        for k in range(count):
            centre = snippets[b, k].item() + 0.5
            around = [n for n, (start, end, _) in enumerate(video) if start <= centre <= end]
            truth = targets.truth[b, k].item()
            if not around:
                assert truth == -1
                assert targets.tiou[b, k] == 0
                assert not targets.labels[b, k].any()
                continue
            assert truth in around  # one of several that are as short
            start, end, label = video[truth]
            assert end - start == min(video[n][1] - video[n][0] for n in around)
            assert targets.segments[b, k].tolist() == [start, end]
            overlap = naive_tiou(answers[b, k].tolist(), (start, end))
            assert targets.tiou[b, k].item() == pytest.approx(overlap, abs=1e-12)
            assert targets.labels[b, k].tolist() == [float(label == one) for one in range(num_labels)]


def test_padding_holds_no_points():
    scores = scores_of(torch.tensor([[[1.0, 2.0], [5.0, 6.0]]]))
    targets = assign_points(scores, torch.tensor([[[0.0, 3.0], [0.0, 9.0]]]), torch.tensor([[-1, 2]]))
    assert targets.truth.tolist() == [[1, 1]]
    assert targets.labels.tolist() == [[[0, 0, 1]] * 2]
    nothing = assign_points(scores, torch.tensor([[[0.0, 9.0]]]), torch.tensor([[-1]]))
    assert nothing.truth.tolist() == [[-1, -1]]
    assert not nothing.tiou.any()
    assert not nothing.labels.any()


def test_a_point_is_not_taught_by_its_own_tiou():
    offsets = torch.zeros(1, 1, 2, requires_grad=True)
    scores = scores_of(torch.tensor([[[1.0, 2.0]]]), offsets)
    targets = assign_points(scores, torch.tensor([[[0.0, 3.0]]]), torch.tensor([[0]]))
    assert targets.tiou.item() == pytest.approx(1 / 3)
    assert not targets.tiou.requires_grad


# -- balanced cross-entropy --------------------------------------------------------------------------------------


def naive_bce(logits, positive, mask):
    """BSN 2018, BMN 2019: with r = N/N⁺, positives weigh 0.5·r and negatives 0.5·r/(r−1), mean over N."""
    items = [(x, p) for x, p, m in zip(logits, positive, mask, strict=True) if m]
    ratio = len(items) / sum(p for _, p in items)
    total = 0.0
    for x, p in items:
        weight = 0.5 * ratio if p else 0.5 * ratio / (ratio - 1)
        total -= weight * math.log(1 / (1 + math.exp(-x if p else x)))
    return total / len(items)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.booleans()), min_size=2, max_size=12))
def test_balanced_bce_is_the_formula(rows):
    rows = [(0.3, True, True), (-0.7, False, True), *rows]  # one of each kind at least
    logits, positive, mask = zip(*rows, strict=True)
    found = balanced_bce(torch.tensor(logits, dtype=torch.float64), torch.tensor(positive), torch.tensor(mask))
    assert found.item() == pytest.approx(naive_bce(logits, positive, mask), rel=1e-6)


def test_positives_and_negatives_weigh_the_same():
    positive = torch.zeros(4, 25, dtype=torch.bool)
    positive[0, :3] = True
    logits = torch.zeros(4, 25, requires_grad=True)
    balanced_bce(logits, positive, torch.ones_like(positive)).backward()
    assert logits.grad[positive].sum().item() == pytest.approx(-0.25)
    assert logits.grad[~positive].sum().item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("positive", "mask", "expected"),  # in units of log 2, what every logit of 0 costs
    [
        ([0, 0, 0, 0], [1, 1, 1, 1], 0.5 * 4 / 3),  # as if one of the four were positive
        ([1, 1, 1, 1], [1, 1, 1, 1], 0.5),
        ([1, 1, 0, 0], [0, 0, 0, 0], 0),
        ([1, 0, 0, 0], [1, 0, 0, 0], 0.5),
        ([1, 0, 0, 0], [0, 1, 0, 0], 0.5),
        ([1, 0, 0, 0], [0, 1, 1, 0], 1),
        ([], [], 0),
    ],
)
def test_balanced_bce_where_a_kind_is_absent(positive, mask, expected):
    logits = torch.zeros(len(mask), requires_grad=True)
    mask = torch.tensor(mask, dtype=torch.bool)
    loss = balanced_bce(logits, torch.tensor(positive, dtype=torch.bool), mask)
    assert loss.item() == pytest.approx(expected * math.log(2), abs=1e-6)
    loss.backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[~mask] == 0).all()
    assert (logits.grad[mask] != 0).all()


@pytest.mark.parametrize("positive", [True, False])
def test_balanced_bce_of_extreme_logits_is_finite(positive):
    logits = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = balanced_bce(logits, torch.tensor([positive, not positive]), torch.ones(2, dtype=torch.bool))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


# -- the other losses --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 0.8, 1]), st.booleans()), max_size=15)
)
def test_balanced_mse_weighs_three_groups_alike(rows):
    rows = [(0.5, 0.9, True), (0.2, 0.6, True), (0.5, 0.2, True), *rows]
    groups = {"high": [], "middle": [], "low": []}
    for prediction, target, counts in rows:
        if counts and target > 0:
            name = "high" if target > 0.7 else "middle" if target > 0.3 else "low"
            groups[name].append((prediction - target) ** 2)
    wanted = len(groups["high"])
    total = weights = 0.0
    for errors in groups.values():  # BMN draws as many as there are above 0.7, or all where there are fewer
        share = min(1.0, wanted / len(errors))
        total += share * sum(errors)
        weights += share * len(errors)
    prediction, target, mask = zip(*rows, strict=True)
    prediction, target = (torch.tensor(column, dtype=torch.float64) for column in (prediction, target))
    found = balanced_mse(prediction, target, torch.tensor(mask))
    assert found.item() == pytest.approx(total / weights, abs=1e-6)


def test_balanced_mse_does_not_depend_on_how_many_are_low():
    prediction, target = torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.9, 0.6, 0.2])
    one = balanced_mse(prediction, target, torch.ones(3, dtype=torch.bool))
    repeats = torch.tensor([1, 7, 500])
    many = balanced_mse(
        prediction.repeat_interleave(repeats),
        target.repeat_interleave(repeats),
        torch.ones(508, dtype=torch.bool),
    )
    torch.testing.assert_close(one, many)
    assert one.item() == pytest.approx((0.4**2 + 0.1**2 + 0.3**2) / 3)


def scores_of(anchors, offsets=None, **parts):
    shape = anchors.shape[:2]
    return AnchorScores(
        anchors,
        parts.get("classification", torch.zeros(shape)),
        parts.get("regression", torch.zeros(shape)),
        torch.zeros_like(anchors) if offsets is None else offsets,
        parts.get("labels", torch.zeros(*shape, LABELS)),
    )


def test_perfect_offsets_cost_nothing_and_lead_to_the_ground_truth():
    anchors = torch.tensor([[[2.0, 6.0], [10.0, 11.0], [0.0, 30.0]]])
    targets = torch.tensor([[[3.0, 5.0], [10.0, 14.0], [7.0, 7.5]]])
    offsets = (targets - anchors) / (anchors[..., 1:] - anchors[..., :1])
    scores = scores_of(anchors, offsets)
    torch.testing.assert_close(scores.segments, targets)
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert offset_loss(scores, targets, everything).item() == pytest.approx(0, abs=1e-6)
    wrong = scores_of(anchors, offsets + torch.tensor([0.1, -0.2]))
    assert offset_loss(wrong, targets, everything).item() == pytest.approx(0.3, rel=1e-5)


def test_offset_loss_counts_lengths_of_the_anchor_where_the_mask_is_true():
    anchors = torch.tensor([[[0.0, 10.0], [0.0, 2.0]]])
    targets = torch.tensor([[[1.0, 9.0], [1.0, 3.0]]])
    losses = [
        offset_loss(scores_of(anchors), targets, torch.tensor([mask])).item()
        for mask in ([True, False], [False, True], [True, True], [False, False])
    ]
    assert losses == pytest.approx([0.2, 1.0, 0.6, 0.0])


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.tuples(st.floats(-6, 6), st.floats(0, 1)), min_size=LABELS, max_size=LABELS), st.booleans()
        ),
        min_size=1,
        max_size=5,
    ),
    gamma=st.sampled_from([1.0, 2.0, 3.0]),
)
def test_quality_focal_loss_is_the_formula(rows, gamma):
    total, mass = 0.0, 0.0
    for labels, counts in rows:
        for logit, target in labels if counts else []:
            p = 1 / (1 + math.exp(-logit))
            entropy = -(target * math.log(p) + (1 - target) * math.log(1 - p))
            total += abs(p - target) ** gamma * entropy
            mass += target
    values = torch.tensor([labels for labels, _ in rows], dtype=torch.float64)[None]  # (1, K, L, 2)
    mask = torch.tensor([[counts for _, counts in rows]])
    found = quality_focal_loss(values[..., 0], values[..., 1], mask, gamma=gamma)
    assert found.item() == pytest.approx(total / max(1.0, mass), rel=1e-6, abs=1e-9)


# -- weights -----------------------------------------------------------------------------------------------------

WEIGHTED = {
    "classification": lambda s, t, w: balanced_bce(s.classification, t.tiou > 0.7, w),
    "regression": lambda s, t, w: balanced_mse(s.regression.sigmoid(), t.tiou, w),
    "offsets": lambda s, t, w: offset_loss(s, t.segments, w),
    "offsets in a unit": lambda s, t, w: offset_loss(s, t.segments, w, t.tiou + 1),
    "labels": lambda s, t, w: quality_focal_loss(s.labels, t.labels, w),
}


def weighing(seed, count=30):
    """Random scores and targets of one video, the same count of them of high, middle, low and no tIoU."""
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(1, count, 6 + 2 * LABELS, generator=random, dtype=torch.float64)
    anchors = values[..., :2].cumsum(dim=-1).sort(dim=-1).values + torch.tensor([0.0, 1.0])
    scores = AnchorScores(anchors, values[..., 2], values[..., 3], values[..., 4:6], values[..., 6 : 6 + LABELS])
    tiou = torch.tensor([0.9, 0.5, 0.2, 0.0, 0.75], dtype=torch.float64).repeat(count // 5)[None]
    return scores, Targets(tiou, anchors.flip(1), values[..., -LABELS:].sigmoid(), (tiou > 0).long() - 1)


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("seed", range(3))
def test_an_anchor_of_weight_2_is_the_anchor_twice(name, seed):
    scores, targets = weighing(seed)
    repeats = torch.randint(0, 4, (30,), generator=torch.Generator().manual_seed(seed))
    repeats[:5] = torch.tensor([2, 1, 3, 2, 1])  # some of every kind
    found = WEIGHTED[name](scores, targets, repeats[None].double())
    often = [type(each)(*(part.repeat_interleave(repeats, dim=1) for part in each)) for each in (scores, targets)]
    expected = WEIGHTED[name](*often, torch.ones(1, int(repeats.sum()), dtype=torch.bool))
    assert expected > 0
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("kept", [0.0, 0.5, 1.0])
def test_a_mask_is_weights_of_0_and_1(name, kept):
    scores, targets = weighing(0)
    mask = torch.rand(1, 30, generator=torch.Generator().manual_seed(0)) < kept
    as_mask, as_weights = (WEIGHTED[name](scores, targets, kind) for kind in (mask, mask.double()))
    torch.testing.assert_close(as_mask, as_weights, rtol=1e-6, atol=0)
    assert (as_mask > 0) == (kept > 0)


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=6, max_size=6), max_size=3, min_size=1
    )
)
def test_every_ground_truth_weighs_the_same(rows):
    truth = torch.tensor([[index for index, _ in row] for row in rows])
    near = torch.tensor([[flag for _, flag in row] for row in rows]) & (truth >= 0)
    zeros = torch.zeros(truth.shape)
    targets = Targets(zeros, torch.zeros(*truth.shape, 2), zeros[..., None], truth)
    weights = scale_invariant_weights(targets, near, 4)
    assert (weights[~near] == 1).all()
    totals = [
        weights[b][near[b] & (truth[b] == index)].sum().item()
        for b in range(len(rows))
        for index in range(4)
        if (near[b] & (truth[b] == index)).any()
    ]
    assert totals == pytest.approx([sum(totals) / max(1, len(totals))] * len(totals), rel=1e-5)
    if near.any():
        assert weights[near].mean().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("count", [0, 2])
def test_without_anchors_near_a_ground_truth_all_weigh_the_same(count):
    targets = assign(torch.tensor([[[0.0, 1.0], [4.0, 9.0]]]), torch.zeros(1, 0, 2), torch.zeros(1, 0).long(), LABELS)
    weights = scale_invariant_weights(targets, torch.zeros(1, 2, dtype=torch.bool), count)
    assert weights.tolist() == [[1, 1]]


# -- boundaries --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(videos=st.lists(ground_truth, min_size=1, max_size=3), tolerance=st.sampled_from([0.6, 1.4, 1.5, 3.3]))
def test_boundary_targets_equal_the_loop(videos, tolerance):
    found = boundary_targets(*padded(videos), 12, tolerance=tolerance)
    assert found.shape == (len(videos), 2, 12)
    for b, video in enumerate(videos):
        for side in (0, 1):
            expected = [
                any(
                    min(t + 1, truth[side] + tolerance) - max(t, truth[side] - tolerance) > 0.5 + 1e-9
                    for truth in video
                )
                for t in range(12)
            ]
            assert found[b, side].tolist() == expected


def test_every_instance_may_have_its_own_tolerance():
    segments, labels = padded([[(3, 12, 0), (15, 18, 1)]])
    found = boundary_targets(segments, labels, 20, tolerance=torch.tensor([[1.0, 2.0]]))
    assert found[0, 0].nonzero().flatten().tolist() == [2, 3, 13, 14, 15, 16]
    assert found[0, 1].nonzero().flatten().tolist() == [11, 12, 16, 17, 18, 19]


@needs_golden
def test_boundary_targets_are_bmns():
    # BMN's cells are centred on whole numbers, [i − 0.5, i + 0.5), while its grid has them at [i, i + 1): its boundary
    # labels lag behind its segments by half a cell. Ours lie where the segments are, so we move the segments.
    for video in json.loads((GOLDEN / "bmn_labels.json").read_text()):
        segments, labels = padded([[(*segment, 0) for segment in bmn_segments(video)]])
        found = boundary_targets(segments + 0.5, labels, 100, tolerance=1.5)[0]
        for side, name in enumerate(("match_score_start", "match_score_end")):
            assert found[side].tolist() == [score > 0.5 for score in video[name]]
            assert found[side].any()


def test_boundary_loss_is_both_sides():
    segments, labels = padded([[(2, 7, 0)], []])
    logits = torch.randn(2, 2, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    targets = boundary_targets(segments, labels, 10, tolerance=1.5)
    expected = sum(
        naive_bce(logits[:, side].flatten().tolist(), targets[:, side].flatten().tolist(), mask.flatten().tolist())
        for side in (0, 1)
    )
    assert boundary_loss(logits, segments, labels, mask).item() == pytest.approx(expected, rel=1e-6)


# -- all of it ---------------------------------------------------------------------------------------------------

CHECKED = ("classification", "regression", "offsets", "labels", "boundaries")


def example(steps=3, anchors=40, videos=(((2.0, 9.0, 0), (12.0, 15.0, 2)), ((5.0, 11.0, 1),)), num_labels=LABELS):
    """Predictions of ``steps`` steps with different anchors, ground truth, and masks, of two videos of 20 snippets."""
    random = torch.Generator().manual_seed(1)
    batch = len(videos)

    def step():
        ends = torch.rand(batch, anchors, 2, generator=random).sort(-1).values * 18
        count = torch.randn(batch, anchors, 4 + num_labels, generator=random).requires_grad_()
        segments = ends + torch.tensor([0.0, 1.0])
        return AnchorScores(segments, count[..., 0], count[..., 1], count[..., 2:4], count[..., 4:])

    boundaries = torch.randn(batch, 2, 20, generator=random).requires_grad_()
    segments, labels = padded(videos)
    answers = tuple(step() for _ in range(steps))
    return Predictions(answers, answers[-1].segments, boundaries), {
        "segments": segments.float(),
        "labels": labels,
        "mask": torch.arange(20) < torch.tensor([[20], [14]])[:batch],
        "anchor_mask": torch.arange(anchors) < torch.tensor([[anchors], [anchors - 5]])[:batch],
    }


@pytest.mark.parametrize(
    ("order", "weights"), [("first", [0.8, 0.64, 0.512]), ("last", [0.512, 0.64, 0.8])], ids=["first", "last"]
)
def test_steps_are_attenuated(order, weights):
    predictions, truth = example()
    found = Criterion(order=order)(predictions, **truth)
    apart = [Criterion(alpha=1.0)(Predictions((step,), step.segments, None), **truth) for step in predictions.steps]
    assert set(found) == set(CHECKED)
    assert all(set(step) == set(CHECKED[:-1]) for step in apart)
    for name in CHECKED[:-1]:
        values = [step[name].item() for step in apart]
        assert len(set(values)) == 3
        assert found[name].item() == pytest.approx(np.dot(weights, values), rel=1e-5)
    boundaries = boundary_loss(predictions.boundaries, truth["segments"], truth["labels"], truth["mask"])
    torch.testing.assert_close(found["boundaries"], boundaries)  # once, whatever the steps


def test_a_step_is_the_losses_of_its_targets():
    predictions, truth = example(steps=1)
    (scores,), mask = predictions.steps, truth["anchor_mask"]
    criterion = Criterion(alpha=0.5, foreground=0.4, label_foreground=0.2, offset_foreground=0.1)
    found = criterion(predictions, **truth)
    targets = assign(scores.anchors, truth["segments"], truth["labels"], LABELS)
    near = mask & (targets.tiou > 0.1)
    assert near.sum() > (mask & (targets.tiou > 0.2)).sum() > (mask & (targets.tiou > 0.4)).sum() > 0
    expected = {
        "classification": balanced_bce(scores.classification, targets.tiou > 0.4, mask),
        "regression": 10 * balanced_mse(scores.regression.sigmoid(), targets.tiou, mask),
        "offsets": offset_loss(scores, targets.segments, near),
        "labels": quality_focal_loss(scores.labels, (targets.labels > 0.2).float(), mask),
    }
    for name, value in expected.items():
        torch.testing.assert_close(found[name], 0.5 * value)


def test_points_learn_offsets_in_lengths_of_their_action():
    anchors = torch.tensor([[[4.0, 5.0], [15.0, 16.0]]])
    scores = scores_of(anchors, torch.tensor([[[-1.0, 4.0], [7.0, 9.0]]]))  # answered: [3, 9] and [22, 25]
    whole = torch.ones(1, 20, dtype=torch.bool)
    losses = Criterion(alpha=1.0, points=True)(
        Predictions((scores,), scores.segments, None),
        *(part.float() if part.is_floating_point() else part for part in padded([[(2, 10, 1), (4, 19, 0)]])),
        mask=whole,
        anchor_mask=whole[:, :2],
    )
    # The first lies in both actions, and misses the shorter by 1 + 1 of 8; the second the other, by 18 + 6 of 15.
    assert losses["offsets"].item() == pytest.approx((2 / 8 + 24 / 15) / 2)
    targets = torch.tensor([[6 / 8, 0.0]])  # [22, 25] is beyond the action
    expected = balanced_mse(torch.full((1, 2), 0.5), targets, whole[:, :2])
    assert losses["regression"].item() == pytest.approx(10 * expected.item())
    by_label = torch.tensor([[[0.0, 1, 0], [1, 0, 0]]])
    torch.testing.assert_close(losses["labels"], quality_focal_loss(scores.labels, by_label, whole[:, :2]))


def test_scale_invariant_losses_do_not_depend_on_how_many_anchors_an_action_has():
    # The anchors of one action three times: neither action weighs more than before.
    anchors = torch.tensor([[[0.0, 9.0], [1.0, 10.0], [20.0, 22.0], [20.5, 22.5]]])
    random = torch.Generator().manual_seed(0)
    once = scores_of(anchors, torch.randn(1, 4, 2, generator=random))
    thrice = AnchorScores(*(torch.cat((part[:, :2], part[:, :2], part), dim=1) for part in once))
    truth = [part.float() if part.is_floating_point() else part for part in padded([[(0, 10, 0), (20, 22, 1)]])]

    def offsets(scores, **options):
        mask = torch.ones(1, scores.anchors.shape[1], dtype=torch.bool)
        predictions = Predictions((scores,), scores.segments, None)
        return Criterion(alpha=1.0, **options)(predictions, *truth, mask=mask, anchor_mask=mask)["offsets"]

    torch.testing.assert_close(offsets(once, scale_invariant=True), offsets(once))  # two anchors near each
    torch.testing.assert_close(offsets(thrice, scale_invariant=True), offsets(once))
    assert not torch.isclose(offsets(thrice), offsets(once), rtol=1e-3)


def test_scale_invariant_losses_are_the_weighted_ones():
    predictions, truth = example(steps=1)
    (scores,), mask = predictions.steps, truth["anchor_mask"]
    found = Criterion(alpha=1.0, regression=1.0, scale_invariant=True)(predictions, **truth)
    targets = assign(scores.anchors, truth["segments"], truth["labels"], LABELS)
    near = mask & (targets.tiou > 0.3)
    weights = scale_invariant_weights(targets, near, truth["segments"].shape[1]) * mask
    assert weights.unique().numel() > 2
    expected = {
        "classification": balanced_bce(scores.classification, targets.tiou > 0.7, weights),
        "regression": balanced_mse(scores.regression.sigmoid(), targets.tiou, weights),
        "offsets": offset_loss(scores, targets.segments, weights * near),
        "labels": quality_focal_loss(scores.labels, (targets.labels > 0.5).float(), weights),
    }
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("name", CHECKED)
def test_weights(name):
    predictions, truth = example()
    whole = Criterion(regression=1.0)(predictions, **truth)
    without = Criterion(**{"regression": 1.0, name: 0.0})(predictions, **truth)
    assert set(without) == set(CHECKED) - {name}
    thrice = Criterion(**{"regression": 1.0, name: 3.0})(predictions, **truth)
    for other in CHECKED:
        torch.testing.assert_close(thrice[other], whole[other] * (3 if other == name else 1))


def test_what_a_model_does_not_have_is_not_learned():
    predictions, truth = example(num_labels=0)
    losses = Criterion()(predictions._replace(boundaries=None), **truth)
    assert set(losses) == {"classification", "regression", "offsets"}


@pytest.mark.parametrize(
    "case",
    [
        {"videos": ((), ())},  # no ground truth in the whole batch
        {"videos": (((2.0, 9.0, 0),), ())},  # none in one of the videos
        {"anchors": 0},
        {"videos": ((), ()), "anchors": 0},
        {"videos": (((2.0, 9.0, 0),),)},  # one video
    ],
)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"points": True}, {"scale_invariant": True}], ids=["anchors", "points", "scale-invariant"]
)
def test_whatever_is_empty_is_finite(case, masked, options):
    predictions, truth = example(**case)
    if masked:  # nothing counts
        truth = {**truth, "mask": truth["mask"] & False, "anchor_mask": truth["anchor_mask"] & False}
    total = sum(Criterion(**options)(predictions, **truth).values())
    assert total.isfinite()
    said = [predictions.boundaries, *(part for step in predictions.steps for part in step[1:])]
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(total, said))
    if masked:
        assert total == 0


@pytest.mark.parametrize("options", [{}, {"scale_invariant": True}, {"scale_invariant": True, "points": True}])
def test_padded_anchors_and_snippets_count_for_nothing(options):
    predictions, truth = example(videos=(((2.0, 9.0, 0),), ((5.0, 11.0, 1),)))
    alone = [
        Criterion(**options)(
            Predictions(
                tuple(AnchorScores(*(part[:, :-5] for part in step)) for step in predictions.steps),
                predictions.segments[:, :-5],
                predictions.boundaries[..., :14],
            ),
            truth["segments"],
            truth["labels"],
            mask=truth["mask"][:, :14],
            anchor_mask=truth["anchor_mask"][:, :-5],
        ),
        Criterion(**options)(
            predictions,
            truth["segments"],
            truth["labels"],
            mask=truth["mask"] & (torch.arange(20) < 14),
            anchor_mask=truth["anchor_mask"] & (torch.arange(40) < 35),
        ),
    ]
    for name in CHECKED:
        torch.testing.assert_close(alone[0][name], alone[1][name])


def test_binary_cross_entropy_is_torchs_where_balance_changes_nothing():
    logits = torch.randn(10, generator=torch.Generator().manual_seed(0))
    positive = torch.arange(10) < 5
    torch.testing.assert_close(
        balanced_bce(logits, positive, torch.ones(10, dtype=torch.bool)),
        binary_cross_entropy_with_logits(logits, positive.float()),
    )
