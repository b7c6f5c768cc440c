"""Segment geometry against plain loops over Python floats."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rcl.data.segments import Timeline, clip, coverage, intersection, length, tiou, tiou_pairs

PAIRWISE = [intersection, tiou, coverage]

# Eighths are exact in binary: equal ends, touching segments and segments without length are common.
eighths = st.integers(-80, 80).map(lambda value: value / 8)
segments = st.lists(st.tuples(eighths, eighths).map(sorted), max_size=6)


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 2)


def naive_intersection(a, b):
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def naive_tiou(a, b):
    union = (a[1] - a[0]) + (b[1] - b[0]) - naive_intersection(a, b)
    return naive_intersection(a, b) / union if union else 0.0


def naive_coverage(a, b):
    return naive_intersection(a, b) / (a[1] - a[0]) if a[1] > a[0] else 0.0


@pytest.mark.parametrize(
    ("function", "naive"),
    [(intersection, naive_intersection), (tiou, naive_tiou), (coverage, naive_coverage)],
)
@settings(deadline=None, max_examples=60)
@given(a=segments, b=segments)
def test_equals_the_loop(function, naive, a, b):
    expected = torch.tensor([[naive(x, y) for y in b] for x in a], dtype=torch.float64).reshape(len(a), len(b))
    torch.testing.assert_close(function(tensor(a), tensor(b)), expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(a=segments, b=segments, shift=eighths, scale=st.sampled_from([0.25, 3.0, 1000.0]))
def test_symmetry_and_invariance(a, b, shift, scale):
    a, b = tensor(a), tensor(b)
    torch.testing.assert_close(tiou(a, b), tiou(b, a).T, rtol=0, atol=0)
    torch.testing.assert_close(intersection(a, b), intersection(b, a).T, rtol=0, atol=0)
    for function in (tiou, coverage):
        torch.testing.assert_close(function(a + shift, b + shift), function(a, b), rtol=0, atol=0)
        torch.testing.assert_close(function(a * scale, b * scale), function(a, b), rtol=0, atol=1e-12)
    torch.testing.assert_close(intersection(a * scale, b * scale), scale * intersection(a, b))


@settings(deadline=None, max_examples=60)
@given(
    ends=st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2).map(sorted), min_size=1, max_size=6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@example(ends=[(0.0, 1.4e-45)], dtype=torch.float32)
@example(ends=[(1e-310, 1.1e-308)], dtype=torch.float64)
def test_shares_stay_shares_in_any_precision(ends, dtype):
    a = torch.tensor(ends, dtype=dtype)
    for share in (tiou(a, a), coverage(a, a)):
        assert ((share >= 0) & (share <= 1)).all()
        # A subnormal length counts as none, as it does where a process flushes such numbers to zero.
        expected = (length(a) >= torch.finfo(dtype).tiny).to(dtype)
        torch.testing.assert_close(share.diagonal(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("function", PAIRWISE)
def test_empty_and_batched(function):
    some = torch.tensor([[0.0, 2.0], [1.0, 5.0], [4.0, 4.0]])
    assert function(torch.zeros(0, 2), some).shape == (0, 3)
    assert function(some, torch.zeros(0, 2)).shape == (3, 0)
    assert function(torch.zeros(4, 0, 2), torch.zeros(4, 0, 2)).shape == (4, 0, 0)
    batched = function(torch.stack((some, some + 1)), torch.stack((some, some * 2)))
    torch.testing.assert_close(batched, torch.stack((function(some, some), function(some + 1, some * 2))))


@pytest.mark.parametrize("function", [tiou, coverage])
def test_gradients_without_length_are_finite(function):
    a = torch.tensor([[2.0, 2.0], [0.0, 3.0]], requires_grad=True)
    function(a, torch.tensor([[2.0, 2.0], [1.0, 4.0]])).sum().backward()
    assert a.grad.isfinite().all()


# -- clip --------------------------------------------------------------------------------------------------------

anything = st.lists(st.tuples(*[st.floats(-50, 150)] * 2), min_size=1, max_size=6)  # also ends before starts


@settings(deadline=None, max_examples=120)
@given(rows=anything, end=st.floats(0.1, 100), minimum=st.sampled_from([0.0, 0.3, 1.0, 7.0]))
def test_clip(rows, end, minimum):
    before = tensor(rows)
    after = clip(before, end, minimum_length=minimum)
    start, stop = after.unbind(-1)
    assert (start >= 0).all()
    assert (stop >= start).all()
    assert (stop <= end + 1e-9).all()
    assert (length(after) >= min(minimum, end) - 1e-9).all()
    torch.testing.assert_close(clip(after, end, minimum_length=minimum), after, rtol=0, atol=1e-9)
    for (x, y), clipped in zip(rows, after.tolist(), strict=True):
        x, y = min(max(x, 0.0), end), min(max(y, 0.0), end)
        if y - x >= minimum:  # long enough: nothing but the cut
            assert clipped == [x, y]
        elif minimum / 2 <= (x + y) / 2 <= end - minimum / 2:  # room on both sides: the centre stays
            assert sum(clipped) / 2 == pytest.approx((x + y) / 2, abs=1e-9)
            assert clipped[1] - clipped[0] == pytest.approx(minimum, abs=1e-9)
        else:  # the nearest place inside
            assert clipped[0] == pytest.approx(0, abs=1e-9) or clipped[1] == pytest.approx(end, abs=1e-9)


def test_clip_examples():
    segments = torch.tensor([[-3.0, 4.0], [9.5, 30.0], [5.0, 5.0], [-8.0, -4.0], [20.0, 30.0], [6.0, 5.0]])
    assert clip(segments, 10, minimum_length=2).tolist() == [[0, 4], [8, 10], [4, 6], [0, 2], [8, 10], [4.5, 6.5]]
    assert clip(segments, 1.5, minimum_length=2).tolist() == [[0, 1.5]] * 6
    assert clip(torch.zeros(0, 2), 10).shape == (0, 2)


def test_every_video_has_its_own_end():
    segments = torch.tensor([[[0.0, 9.0], [4.0, 5.0]], [[0.0, 9.0], [4.0, 5.0]]])
    clipped = clip(segments, torch.tensor([[8.0], [4.5]]), minimum_length=1)
    assert clipped.tolist() == [[[0, 8], [4, 5]], [[0, 4.5], [3.5, 4.5]]]


# -- snippet time and seconds ------------------------------------------------------------------------------------


def test_snippet_i_begins_at_i_over_the_rate():
    timeline = Timeline(2.5, 3.0)
    seconds = timeline.to_seconds(torch.tensor([[0.0, 1.0], [5.0, 10.0]]))
    torch.testing.assert_close(seconds, torch.tensor([[3.0, 3.4], [5.0, 7.0]]))
    assert timeline.to_snippets(torch.tensor([[3.0, 7.0]])).tolist() == [[0, 10]]
    assert Timeline(2.0).to_seconds(torch.tensor([4.0])).tolist() == [2]


@settings(deadline=None, max_examples=60)
@given(rows=segments, rate=st.floats(0.05, 100), start=st.floats(-1e3, 1e3))
def test_timeline_round_trip(rows, rate, start):
    timeline = Timeline(rate, start)
    expected = tensor(rows)
    torch.testing.assert_close(timeline.to_snippets(timeline.to_seconds(expected)), expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(timeline.to_seconds(timeline.to_snippets(expected)), expected, rtol=0, atol=1e-8)


def test_pairs_have_the_tiou_of_the_diagonal() -> None:
    a = torch.tensor([[[0.0, 4.0], [1.0, 1.0], [3.0, 9.0]]])
    b = torch.tensor([[[2.0, 6.0], [0.0, 5.0], [3.0, 9.0]]])
    assert torch.equal(tiou_pairs(a, b), tiou(a, b).diagonal(dim1=1, dim2=2))
