"""Stretches of time stamps without a jump."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from rcl.video.live_spans import in_stretches

STEP, GAP = Fraction(1, 25), Fraction(2)


def stretches(stamps: list[Fraction | None]) -> list[list[Fraction | None]]:
    found = dict[int, list[Fraction | None]]()
    for stretch, (stamp, number) in in_stretches(
        [(stamp, number) for number, stamp in enumerate(stamps)], step=STEP, longest_gap=GAP
    ):
        assert stamps[number] == stamp
        found.setdefault(stretch.number, []).append(stamp)
    assert [*found] == [*range(len(found))]
    return [*found.values()]


def regular(begin: int, count: int) -> list[Fraction | None]:
    return [(begin + k) * STEP for k in range(count)]


@given(st.lists(st.tuples(st.integers(2, 30), st.integers(-(10**6), 10**6)), min_size=1, max_size=6))
def test_every_jump_begins_a_stretch(pieces: list[tuple[int, int]]) -> None:
    expected = list[list[Fraction | None]]()
    begin = 0
    for count, jump in pieces:
        begin += jump if abs(jump) > 60 else 0
        piece = regular(begin, count)
        if expected and abs(jump) <= 60:
            expected[-1] += piece
        else:
            expected.append(piece)
        begin += count
    assert stretches([stamp for piece in expected for stamp in piece]) == expected


@given(st.integers(1, 28), st.integers(-(10**6), 10**6))
def test_one_wrong_stamp_is_no_jump(place: int, wrong: int) -> None:
    stamps = regular(0, 30)
    stamps[place] = Fraction(wrong, 7)
    assert stretches(stamps) == [stamps]


@given(st.sets(st.integers(1, 29)))
def test_missing_stamps_are_no_jump(missing: set[int]) -> None:
    stamps = [None if k in missing else stamp for k, stamp in enumerate(regular(10, 200))]
    assert stretches(stamps) == [stamps]
