"""What nobody looked at does not count in any loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.reviewed import unreviewed_share as share_of_intervals
from rcl.data.segments import tiou
from rcl.models.losses import Criterion, boundary_loss
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import MOST_UNREVIEWED, OWN_TIOU, Lattice, TrainingSegments, centred, grid
from rcl.models.set_losses import SetCriterion
from rcl.models.targets import unreviewed_share

ANCHORS = {
    "grid": grid,
    "lattice": Lattice(2, 64, 1.5, 0.25),
    "points": lambda snippets: centred(snippets, lengths=(1.0,)),
    "scales": lambda snippets: centred(snippets, lengths=(4.0, 90.0)),
}


def drawn(targets, reviewed, *, kind="lattice", seed=0, counts=(60, 60, 8), snippets=100):
    sample = TrainingSegments(*counts, 0.3, ANCHORS[kind])
    return sample(snippets, targets, torch.Generator().manual_seed(seed), reviewed)


@settings(deadline=None, max_examples=30)
@given(kind=st.sampled_from([*ANCHORS]), first=st.integers(0, 90), length=st.integers(1, 60), seed=st.integers(0, 9))
def test_segments_lie_where_somebody_looked_or_belong_to_an_instance(kind, first, length, seed):
    reviewed = torch.tensor([[float(first), float(min(first + length, 100))]], dtype=torch.float64)
    targets = torch.tensor([[first, min(first + 2, 100)]], dtype=torch.float32)
    found = drawn(targets, reviewed, kind=kind, seed=seed)
    assert len(found)
    share = torch.from_numpy(share_of_intervals(found.double().numpy(), reviewed.numpy(), 100))
    assert ((share <= MOST_UNREVIEWED) | (tiou(found, targets) > OWN_TIOU).any(dim=1)).all()


def test_the_number_of_regular_segments_is_not_wasted_elsewhere():
    reviewed = torch.tensor([[40.0, 60.0]], dtype=torch.float64)
    assert len(drawn(torch.zeros(0, 2), reviewed, kind="grid", counts=(60, 0, 0))) == 60


def test_the_longest_stretch_is_a_segment_where_no_other_fits():
    reviewed = torch.tensor([[3.0, 3.2], [40.0, 40.5]], dtype=torch.float64)
    assert drawn(torch.zeros(0, 2), reviewed).tolist() == [[40.0, 40.5]]


@settings(deadline=None, max_examples=30)
@given(kind=st.sampled_from([*ANCHORS]), seed=st.integers(0, 9))
def test_a_video_that_was_reviewed_as_a_whole_gives_the_same_segments(kind, seed):
    targets, everything = torch.tensor([[10.0, 20.0], [70.0, 75.0]]), torch.tensor([[0.0, 100.0]], dtype=torch.float64)
    assert torch.equal(drawn(targets, everything, kind=kind, seed=seed), drawn(targets, None, kind=kind, seed=seed))


# -- losses ------------------------------------------------------------------------------------------------------

SEGMENTS, LABELS = torch.tensor([[[4.0, 9.0]]]), torch.tensor([[1]])
MASK = torch.ones(1, 30, dtype=torch.bool)
REVIEWED = torch.arange(30)[None] < 15


def scores(seed=0, count=12):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(1, count, generator=generator) * 25
    anchors = torch.stack((starts, starts + 4), dim=-1)
    one, other = torch.randn(2, 1, count, generator=generator)
    offsets = 0.1 * torch.randn(1, count, 2, generator=generator)
    return AnchorScores(anchors, one, other, offsets, torch.randn(1, count, 3, generator=generator))


def test_boundaries_count_where_somebody_looked_and_next_to_instances():
    logits = torch.randn(1, 2, 30, requires_grad=True)
    late = torch.tensor([[[4.0, 20.0]]])
    boundary_loss(logits, late, LABELS, MASK, REVIEWED).backward()
    counted = logits.grad[0] != 0  # (2, T)
    assert counted[0].tolist() == [index < 15 for index in range(30)]
    assert counted[1].nonzero().ravel().tolist() == [*range(15), 19, 20]  # 18.5 to 21.5 is near the end at 20


@pytest.mark.parametrize("criterion", [Criterion(), SetCriterion()])
def test_a_reviewed_whole_changes_no_loss(criterion):
    found = scores()
    given = Predictions((found,), found.segments, torch.randn(1, 2, 30)), SEGMENTS, LABELS
    masks = {"mask": MASK, "anchor_mask": torch.ones(1, 12, dtype=torch.bool)}
    plain, whole = criterion(*given, **masks), criterion(*given, **masks, reviewed=MASK)
    assert {name: value.item() for name, value in plain.items()} == {
        name: value.item() for name, value in whole.items()
    }


@pytest.mark.parametrize("points", [False, True])
def test_an_anchor_that_moved_where_nobody_looked_counts_no_more(points):
    found = scores()
    found = found._replace(regression=found.regression.requires_grad_(), labels=found.labels.requires_grad_())
    late = torch.tensor([[[4.0, 9.0], found.anchors[0, 3].tolist()]])
    exists = torch.ones(1, 12, dtype=torch.bool)
    criterion = Criterion(points=points)
    losses = criterion(
        Predictions((found,), found.segments, None),
        late,
        torch.tensor([[1, 2]]),
        mask=MASK,
        anchor_mask=exists,
        reviewed=REVIEWED,
    )
    losses["labels"].backward()
    outside = unreviewed_share(found.anchors, ~REVIEWED)[0] > MOST_UNREVIEWED  # (K,)
    centre = found.anchors[0].mean(dim=-1)
    own = (tiou(found.anchors[0], late[0]) > OWN_TIOU).any(dim=1)
    if points:
        own = ((late[0, :, 0] <= centre[:, None]) & (centre[:, None] <= late[0, :, 1])).any(dim=1)
    assert own[3]
    assert outside.any()
    assert (found.labels.grad[0] != 0).any(dim=-1).tolist() == (own | ~outside).tolist()


def test_a_query_that_finds_something_where_nobody_looked_is_neither_right_nor_wrong():
    found = scores()
    found = found._replace(classification=found.classification.requires_grad_(), labels=found.labels.requires_grad_())
    predictions = Predictions((found,), found.segments, None)
    losses = SetCriterion()(predictions, SEGMENTS, LABELS, mask=MASK, reviewed=REVIEWED)
    torch.stack([*losses.values()]).sum().backward()
    outside = unreviewed_share(found.segments, ~REVIEWED)[0] > MOST_UNREVIEWED  # (Q,)
    matched = SetCriterion().match(found, SEGMENTS, LABELS, torch.tensor([[[30]]])).labels[0] >= 0
    assert 0 < outside.sum() < 12
    assert (found.classification.grad[0] != 0).tolist() == (matched | ~outside).tolist()
    assert (found.labels.grad[0] != 0).any(dim=-1).tolist() == (matched | ~outside).tolist()


@given(first=st.integers(0, 29), last=st.integers(1, 30), start=st.floats(-5, 30), length=st.floats(0.5, 20))
def test_the_share_by_snippets_is_that_of_intervals(first, last, start, length):
    cells = torch.arange(30)[None]
    reviewed = (cells >= first) & (cells < last)
    segment = torch.tensor([[[start, start + length]]])
    intervals = torch.tensor([[float(first), float(max(first, last))]]).double().numpy()
    expected = share_of_intervals(segment[0].double().numpy(), intervals, 30)
    assert unreviewed_share(segment, ~reviewed)[0].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
