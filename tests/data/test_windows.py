from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from places import SHARED
from rcl.data.windows import (
    centred_starts,
    merge_windows,
    window_members,
    window_segments,
    window_starts,
    windows_with_instances,
)

GOLDEN = SHARED / "golden" / "gtad"


# -- where they are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [64, 128, 256])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_windows_cover_every_sequence_and_end_with_it(window: int, parts: int) -> None:
    stride = window // parts
    for snippets in range(1, 601):
        starts = window_starts(snippets, window, stride)
        assert starts.dtype == torch.int64
        assert starts[0] == 0
        steps = starts.diff()
        assert ((steps > 0) & (steps <= stride)).all()  # hence no gap, as stride ≤ window, and no window twice
        assert (steps[:-1] == stride).all()
        if snippets <= window:
            assert starts.tolist() == [0]
        else:
            assert starts[-1] + window == snippets
            covered = (starts[:, None] + torch.arange(window)).unique()
            assert torch.equal(covered, torch.arange(snippets))


@pytest.mark.parametrize(("snippets", "window", "stride"), [(0, 4, 2), (5, 4, 0), (5, 4, 5), (5, 0, 0)])
def test_windows_that_would_leave_gaps_are_refused(snippets: int, window: int, stride: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        window_starts(snippets, window, stride)


def test_half_a_window_is_the_stride_where_none_is_given() -> None:
    assert window_starts(40, 16).tolist() == [0, 8, 16, 24]
    assert window_starts(3, 1).tolist() == [0, 1, 2]


@given(st.integers(1, 60), st.integers(1, 20), st.floats(-10, 80), st.floats(0.1, 20))
def test_the_window_around_a_segment_is_the_nearest_inside_the_sequence(
    snippets: int, window: int, start: float, size: float
) -> None:
    segment = torch.tensor([[start, start + size]], dtype=torch.float64)
    (found,) = centred_starts(segment, snippets, window).tolist()
    distances = [abs(s + window / 2 - (start + size / 2)) for s in range(max(snippets - window, 0) + 1)]
    assert distances[found] == pytest.approx(min(distances), abs=1e-9)
    if start >= 0 and start + size <= snippets and size <= min(window, snippets) - 1:
        assert found <= start
        assert start + size <= found + window


# -- ground truth ------------------------------------------------------------------------------------------------


def members_by_loop(segments: list, starts: list, window: int, share: float, with_partial: bool) -> list[list[bool]]:
    rows = []
    for start in starts:
        inside = [max(0, min(e, start + window) - max(s, start)) / (e - s) if e > s else 0 for s, e in segments]
        complete = [value > share for value in inside]
        rows.append([value > 0 for value in inside] if with_partial and any(complete) else complete)
    return rows


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=6),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.5, 0.75]),  # exact in floating point, so that equality is tested too
    st.booleans(),
)
def test_members_are_those_of_a_loop(pairs: list, snippets: int, share: float, with_partial: bool) -> None:
    segments = [(float(s), float(s + n)) for s, n in pairs]
    starts = window_starts(snippets, 16, 8)
    tensor = torch.tensor(segments).reshape(-1, 2)
    found = window_members(tensor, starts, 16, minimum_share=share, with_partial=with_partial)
    assert found.shape == (len(starts), len(segments))
    assert found.tolist() == members_by_loop(segments, starts.tolist(), 16, share, with_partial)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.lists(st.tuples(st.floats(0, 60), st.floats(0, 30)), max_size=5)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0.0, 0.5, 0.75]),
    st.integers(1, 3),
)
def test_many_sequences_are_looked_at_as_one_by_one(sequences: list, share: float, at_a_time: int) -> None:
    starts = [window_starts(snippets, 16, 8) for snippets, _ in sequences]
    segments = [torch.tensor([(s, s + n) for s, n in pairs]).reshape(-1, 2) for _, pairs in sequences]
    members = [
        window_members(part, own, 16, minimum_share=share) for part, own in zip(segments, starts, strict=True)
    ]  # of every sequence (W, N)
    number = torch.arange(len(segments)).repeat_interleave(torch.tensor([len(part) for part in segments]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rcl.data.windows.INSTANCES_AT_A_TIME", at_a_time)
        holds, held = windows_with_instances(torch.cat(segments), number, starts, 16, minimum_share=share)
    assert holds.tolist() == torch.cat([part.any(dim=1) for part in members]).tolist()
    assert held.tolist() == torch.cat([part.any(dim=0) for part in members]).tolist()


def test_an_instance_of_at_most_half_a_window_is_complete_somewhere() -> None:
    for snippets in range(33, 120):
        starts = window_starts(snippets, 32, 16)
        segments = torch.tensor([(s, s + 16.0) for s in range(snippets - 15)])
        assert window_members(segments, starts, 32, minimum_share=0.99).any(dim=0).all()


def test_both_public_rules() -> None:
    segments = torch.tensor([[2.0, 12.0], [10.0, 30.0], [40.0, 50.0], [5.0, 5.0]])
    starts = torch.tensor([0])
    assert window_members(segments, starts, 16, minimum_share=0.9).tolist() == [[True, False, False, False]]
    partial = window_members(segments, starts, 16, minimum_share=0.9, with_partial=True)
    assert partial.tolist() == [[True, True, False, False]]
    assert not window_members(segments[1:], starts, 16, minimum_share=0.9, with_partial=True).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_a_share_that_no_instance_or_every_one_has_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="minimum_share"):
        window_members(torch.zeros(0, 2), torch.tensor([0]), 16, minimum_share=share)


def test_window_segments_are_cut_off_at_the_window() -> None:
    found = window_segments(torch.tensor([[2.0, 12.0], [10.0, 30.0]]), torch.tensor([0, 8]), 16)
    assert found.tolist() == [[[2, 12], [10, 16]], [[0, 4], [2, 16]]]


# -- merging -----------------------------------------------------------------------------------------------------


def test_merged_windows_lie_in_the_sequence_best_first() -> None:
    parts = [
        (torch.tensor([[0.0, 4.0], [6.0, 9.0]]), torch.tensor([1, 0]), torch.tensor([0.5, 0.25])),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.zeros(0)),
        (torch.tensor([[-1.0, 2.0], [7.0, 8.0], [3.0, 8.0]]), torch.tensor([2, 3, 4]), torch.tensor([0.5, 0.9, 0.7])),
    ]
    segments, labels, scores = merge_windows([0, 4, 5], *zip(*parts, strict=True), end=11.5)
    assert segments.tolist() == [[8, 11.5], [0, 4], [4, 7], [6, 9]]  # 12–13 is padding
    assert labels.tolist() == [4, 1, 2, 0]
    assert scores.tolist() == pytest.approx([0.7, 0.5, 0.5, 0.25])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 100), st.lists(st.tuples(st.integers(0, 99), st.integers(1, 16)), max_size=20))
def test_instances_found_in_windows_come_back_where_they_are(snippets: int, pairs: list) -> None:
    truth = torch.tensor([(s, min(s + n, snippets)) for s, n in pairs if s < snippets], dtype=torch.float64)
    truth = truth.reshape(-1, 2)
    starts = window_starts(snippets, 32, 16)
    members = window_members(truth, starts, 32, minimum_share=0.999)
    seen = [local[own] for local, own in zip(window_segments(truth, starts, 32), members, strict=True)]
    labels = [own.nonzero()[:, 0] for own in members]
    segments, found, _ = merge_windows(starts, seen, labels, [torch.ones(len(part)) for part in seen], end=snippets)
    assert sorted(set(found.tolist())) == list(range(len(truth)))  # each in some window
    assert torch.equal(segments, truth[found])


# -- G-TAD's windows ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden labels of G-TAD are not at {GOLDEN}")
def test_the_grid_of_a_window_has_the_overlaps_of_gtad() -> None:
    # Two instances of video_validation_0000051 in frames; G-TAD's frame of reference is 2 frames before the window.
    truth = torch.tensor([[2025.0, 2277.0], [2577.0, 2718.0]], dtype=torch.float64)
    start = 384
    segments = (truth - -3) / 5  # int(5 · start − 2.5) = 5 · start − 3, for starts above 0
    local = window_segments(segments, torch.tensor([start]), 256)[0]  # (N, 2)
    expected = np.load(GOLDEN / "gt_iou_map_val51_win1.npy")  # (64, 256), [duration − 1, start]
    begin = torch.arange(256)[None, :, None]
    finish = begin + torch.arange(1, 65)[:, None, None]
    common = (torch.minimum(finish, local[:, 1]) - torch.maximum(begin, local[:, 0])).clamp(min=0)
    overlap = common / (finish - begin + local[:, 1] - local[:, 0] - common)
    np.testing.assert_allclose(overlap.amax(dim=-1).numpy(), expected, atol=1e-6)
