"""Segments of training and inference: their number, their places, and what they cover."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rcl.data.segments import length, tiou
from rcl.models.sampling import Lattice, TrainingSegments, centred, grid, jittered, pairs, scale_invariant


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- grid --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippets", [1, 2, 3, 17, 100])
def test_grid_is_every_segment_of_whole_snippets(snippets):
    segments, spacing = grid(snippets)
    expected = {(start, end) for start in range(snippets) for end in range(start + 1, snippets + 1)}
    assert len(segments) == snippets * (snippets + 1) // 2
    assert set(map(tuple, segments.tolist())) == expected
    assert spacing.tolist() == [1.0] * len(segments)


@pytest.mark.parametrize("finer", [1, 2, 3, 4])
@pytest.mark.parametrize("longest", [None, 1, 3])
@pytest.mark.parametrize("snippets", [1, 2, 9])
def test_a_finer_grid_has_steps_of_a_part_of_a_snippet(snippets, longest, finer):
    segments, spacing = grid(snippets, longest=longest, finer=finer)
    steps = snippets * finer
    expected = {
        (start, end)
        for start in range(steps)
        for end in range(start + 1, steps + 1)
        if longest is None or end - start <= longest * finer
    }
    found = segments * finer
    torch.testing.assert_close(found, found.round())
    assert len(segments) == len(expected)
    assert set(map(tuple, found.round().tolist())) == expected
    assert spacing.tolist() == pytest.approx([1 / finer] * len(segments))


# -- pairs of boundaries, and segments around every snippet --------------------------------------------------------


@pytest.mark.parametrize("longest", [None, 1, 4])
@pytest.mark.parametrize("snippets", [2, 3, 17])
def test_pairs_lead_from_the_centre_of_a_snippet_to_that_of_a_later_one(snippets, longest):
    segments, spacing = pairs(snippets, longest=longest)
    expected = {
        (start + 0.5, end + 0.5)
        for start in range(snippets)
        for end in range(start + 1, snippets)
        if longest is None or end - start <= longest
    }
    assert len(segments) == len(expected)
    assert set(map(tuple, segments.tolist())) == expected
    assert spacing.tolist() == [1.0] * len(segments)


def test_a_single_snippet_is_a_segment_without_a_partner():
    assert pairs(1).segments.tolist() == [[0, 1]]
    assert pairs(1).spacing.tolist() == [1]


@pytest.mark.parametrize("lengths", [(1.0,), (1, 1.5, 40), (0.25, 7.0)])
@pytest.mark.parametrize("snippets", [1, 2, 17])
def test_centred_segments_are_around_every_snippet(snippets, lengths):
    segments, spacing = centred(snippets, lengths=lengths)
    expected = [[i + 0.5 - size / 2, i + 0.5 + size / 2] for i in range(snippets) for size in lengths]
    assert segments.tolist() == expected
    assert spacing.tolist() == [1.0] * len(expected)


# -- lattice -----------------------------------------------------------------------------------------------------


@st.composite
def lattices(draw):
    snippets = draw(st.integers(1, 120))
    settings = {
        "shortest": draw(st.floats(0.5, 10)),
        "longest": draw(st.floats(0.5, 400)),
        "ratio": draw(st.floats(1.15, 2)),
        "stride": draw(st.floats(0.15, 1)),
    }
    return snippets, settings


def rows_of(anchors, stride):
    """``{length: starts}``, which the spacing tells apart."""
    spacings, counts = anchors.spacing.unique_consecutive(return_counts=True)
    starts = anchors.segments[:, 0].split(counts.tolist())
    return dict(zip((spacings / stride).tolist(), starts, strict=True))


@settings(deadline=None, max_examples=60)
@example((1, {"shortest": 2.0, "longest": 40.0, "ratio": 1.25, "stride": 0.25}))  # one snippet
@example((50, {"shortest": 2.0, "longest": 400.0, "ratio": 1.25, "stride": 0.25}))  # longest beyond the video
@example((7, {"shortest": 9.0, "longest": 30.0, "ratio": 1.25, "stride": 0.25}))  # shortest beyond the video
@example((90, {"shortest": 9.0, "longest": 3.0, "ratio": 1.25, "stride": 0.25}))  # nothing between the two
@example((64, {"shortest": 2.0, "longest": 16.0, "ratio": 2.0, "stride": 0.5}))  # the series meets the longest
@given(lattices())
def test_lattice(case):
    snippets, parts = case
    anchors = Lattice(**parts)(snippets)
    rows = rows_of(anchors, parts["stride"])
    sizes = sorted(rows)

    assert (anchors.segments[:, 0] >= 0).all()
    assert (anchors.segments[:, 1] <= snippets * (1 + 1e-6)).all()
    measured = anchors.spacing / parts["stride"]
    torch.testing.assert_close(length(anchors.segments), measured, rtol=1e-4, atol=1e-4)

    # A geometric series from the shortest up to the first that reaches the longest, none above T.
    assert sizes[0] == pytest.approx(min(parts["shortest"], snippets), rel=1e-5)
    assert sizes[-1] >= min(parts["longest"], snippets) * (1 - 1e-5)
    for shorter, longer in pairwise(sizes):
        assert longer == pytest.approx(min(shorter * parts["ratio"], snippets), rel=1e-5)
        assert shorter < min(parts["longest"], snippets)

    # Every row reaches from the beginning to the end, without a gap.
    for size, starts in rows.items():
        assert starts[0] == 0
        assert (starts[-1] + size).item() == pytest.approx(snippets, rel=1e-5)
        gaps = starts.diff()
        assert (gaps > 0).all()
        assert (gaps <= parts["stride"] * size * (1 + 1e-3)).all()

    # O(T): each row has at most T / (size · stride) + 2 members, and the sizes are a geometric series.
    ratio, smallest = parts["ratio"], sizes[0] * parts["stride"]
    assert len(anchors.segments) <= 2 * len(sizes) + snippets / smallest * ratio / (ratio - 1)


@settings(deadline=None, max_examples=200)
@given(lattices(), st.floats(0, 1), st.floats(0, 1))
def test_lattice_covers_every_action(case, how_long, where):
    """A lattice length ``s`` lies in [g / ratio, g] for a ground truth of length g, and q = g / s.

    Where the ground truth is longer than s by a stride, an anchor lies inside it: tIoU = 1 / q ≥ 1 / ratio. Otherwise
    the nearest anchor juts out by at most e = (stride · s − (g − s)) / 2, since both ends of the row are anchors too:
    tIoU ≥ (s − e) / (g + e) = (1 + q − stride) / (1 + q + stride), least at q = 1.
    """
    snippets, parts = case
    shortest = min(parts["shortest"], snippets)
    longest = max(shortest, min(parts["longest"], snippets))
    size = shortest + how_long * (longest - shortest)
    start = where * (snippets - size)
    truth = torch.tensor([[start, start + size]])
    bound = min(1 / parts["ratio"], (2 - parts["stride"]) / (2 + parts["stride"]))
    assert tiou(Lattice(**parts)(snippets).segments, truth).max().item() >= bound - 1e-4


@pytest.mark.parametrize("snippets", [1, 7, 500, 5801])
def test_lattice_is_to_the_last_bit_what_published_trainings_drew_from(snippets):
    """Another rounding of the same formula moves what a training reaches by as much as another seed does."""
    sizes = sorted({min(2 * 1.25**power, float(snippets)) for power in range(24)})  # the last is the first beyond 308
    parts = []
    for size in sizes:
        start = torch.linspace(0, snippets - size, 1 + math.ceil((snippets - size) / (size * 0.25) - 1e-9))
        parts.append(torch.stack((start, start + size), dim=-1))
    assert torch.equal(Lattice(2.0, 308.0, 1.25, 0.25)(snippets).segments, torch.cat(parts))


def test_lattice_grows_with_the_video_not_with_its_square():
    parts = {"shortest": 2.0, "longest": 100.0, "ratio": 1.25, "stride": 0.25}
    counts = [len(Lattice(**parts)(snippets).segments) for snippets in (1000, 2000, 4000)]
    assert counts[1] / counts[0] == pytest.approx(2, abs=0.1)
    assert counts[2] / counts[1] == pytest.approx(2, abs=0.1)


def test_actions_without_length_are_no_obstacle():
    segments = Lattice(shortest=2.0, longest=0.0, ratio=1.25, stride=0.25)(10).segments
    torch.testing.assert_close(length(segments), torch.full((len(segments),), 2.0))


# -- random segments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.5, torch.linspace(0.1, 3, 5000)])
def test_jitter_stays_within_its_spread_and_fills_it(spread):
    segments = torch.tensor([[40.0, 60.0]]).repeat(5000, 1)
    moved = (jittered(segments, spread, 100, generator()) - segments) / torch.as_tensor(spread)[..., None]
    assert moved.abs().max() <= 1 + 1e-4
    assert moved.abs().max() > 0.99
    assert moved.mean(0).abs().max() < 0.05
    torch.testing.assert_close(moved.std(0), torch.full((2,), 3**-0.5), rtol=0, atol=0.02)  # uniform
    assert torch.corrcoef(moved.T)[0, 1].abs() < 0.05  # each end on its own


@settings(deadline=None)
@given(snippets=st.integers(1, 12), seed=st.integers(0, 99), count=st.integers(0, 5))
def test_random_segments_lie_inside_and_have_a_length(snippets, seed, count):
    around = torch.cat((grid(snippets).segments, torch.zeros(1, 2)))
    moved = (
        jittered(around, 5.0, snippets, generator(seed)),
        scale_invariant(around[:-1], count, 2.0, snippets, generator(seed)),
    )
    assert len(moved[0]) == len(around)
    assert len(moved[1]) == count * (len(around) - 1)
    for segments in moved:
        assert (segments >= 0).all()
        assert (segments <= snippets).all()
        assert (length(segments) >= 1 - 1e-5).all()


def test_scale_invariant_segments_scatter_in_lengths_of_the_ground_truth():
    spread, moments = 0.15, []
    for seed, size in enumerate((5.0, 200.0)):
        truth = torch.tensor([[1000.0, 1000.0 + size]])
        segments = scale_invariant(truth, 20_000, spread, 2200, generator(seed))
        assert segments.shape == (20_000, 2)
        relative = (segments - truth) / size
        moments.append((relative.mean(0), relative.std(0), relative.quantile(0.05, dim=0)))
        torch.testing.assert_close(moments[-1][0], torch.zeros(2), rtol=0, atol=0.01)
        torch.testing.assert_close(moments[-1][1], torch.full((2,), spread), rtol=0, atol=0.01)
        assert torch.corrcoef(relative.T)[0, 1].abs() < 0.03
    for short, long in zip(*moments, strict=True):
        torch.testing.assert_close(short, long, rtol=0, atol=0.01)


def test_scale_invariant_segments_of_one_draw_differ_by_the_scale_alone():
    short, long = (
        (scale_invariant(truth, 100, 0.1, 2200, generator()) - truth) / length(truth)
        for truth in (torch.tensor([[1000.0, 1005.0]]), torch.tensor([[1000.0, 1200.0]]))
    )
    torch.testing.assert_close(short, long, rtol=0, atol=1e-4)


def test_scale_invariant_segments_are_around_every_ground_truth():
    truths = torch.tensor([[10.0, 20.0], [500.0, 540.0], [900.0, 903.0]])
    segments = scale_invariant(truths, 7, 0.05, 1000, generator())
    assert tiou(segments, truths).argmax(1).bincount().tolist() == [7, 7, 7]


def test_scale_invariant_segments_need_a_ground_truth():
    assert scale_invariant(torch.zeros(0, 2), 24, 0.3, 100, generator()).shape == (0, 2)
    assert scale_invariant(torch.tensor([[1.0, 2.0]]), 0, 0.3, 100, generator()).shape == (0, 2)


# -- all three ---------------------------------------------------------------------------------------------------

TRUTHS = torch.tensor([[2.0, 6.0], [7.0, 9.0]])


def drawn(regular, jittered, scale_invariant, *, snippets=10, targets=TRUTHS, seed=0, anchors=grid):
    sample = TrainingSegments(regular, jittered, scale_invariant, 0.1, anchors)
    return sample(snippets, targets, generator(seed))


def test_each_kind_can_be_switched_off():
    regular = drawn(20, 0, 0)
    everything = set(map(tuple, grid(10).segments.tolist()))
    assert len(set(map(tuple, regular.tolist()))) == 20  # without repetition
    assert set(map(tuple, regular.tolist())) <= everything

    around = drawn(0, 20, 0)
    assert len(around) == 20
    nearest = (around[:, None] - grid(10).segments).abs().amax(-1).amin(1)
    assert (nearest <= 0.5 + 1e-5).all()
    assert (nearest > 0).all()

    near = drawn(0, 0, 20)
    assert len(near) == 2 * 20
    assert (tiou(near, TRUTHS).amax(1) > 0.5).all()

    assert len(drawn(20, 20, 20)) == 80


def test_a_grid_smaller_than_the_choice_is_taken_whole():
    assert len(drawn(1000, 1000, 0)) == 2 * 55


def test_jitter_is_half_the_distance_to_the_next_anchor():
    def anchors(snippets):
        return Lattice(shortest=40.0, longest=40.0, ratio=1.25, stride=0.5)(snippets)

    moved = drawn(0, 10_000, 0, snippets=10_000, anchors=anchors)
    steps = (moved[:, None] - anchors(10_000).segments).abs().amax(-1).amin(1)
    assert steps.max() == pytest.approx(10, abs=0.5)


def test_a_seed_gives_one_draw():
    torch.testing.assert_close(drawn(9, 9, 9), drawn(9, 9, 9), rtol=0, atol=0)
    assert not torch.equal(drawn(9, 9, 9), drawn(9, 9, 9, seed=1))


@settings(deadline=None)
@given(
    counts=st.tuples(*[st.integers(0, 3)] * 3),
    snippets=st.integers(1, 9),
    has_truth=st.booleans(),
    seed=st.integers(0, 9),
)
def test_no_video_is_without_segments(counts, snippets, has_truth, seed):
    targets = torch.tensor([[0.0, snippets / 2]]) if has_truth else torch.zeros(0, 2)
    segments = drawn(*counts, snippets=snippets, targets=targets, seed=seed)
    available = snippets * (snippets + 1) // 2
    assert len(segments) == max(1, min(counts[0], available) + min(counts[1], available) + counts[2] * has_truth)
    assert ((segments >= 0) & (segments <= snippets)).all()
    assert (length(segments) > 0).all()
    assert math.isfinite(segments.sum())
