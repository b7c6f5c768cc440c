"""Whatever the looks say, and however often it starts again: in the end the last detections count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_looks import LABELS, Row, check_ids, found, looks, plain, rows

from rcl.detector.live.events.expected_change import ExpectedChange, Form, bin_of, change_between
from rcl.detector.live.events.messages import Event, Message, events_after
from rcl.detector.live.events.pairing import paired
from rcl.detector.live.events.tracker import STEADY_SECONDS, EventTracker


def restarted(messages: Sequence[Message], latency: float, expected: ExpectedChange) -> EventTracker:
    """A new process that knows the journal."""
    tracker = EventTracker("cam", latency_seconds=latency, expected=expected)
    announced = sum(message.kind == "announced" for message in messages)
    tracker.begin(3, events_after(messages).values(), first_number=1 + announced)
    return tracker


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[tuple[float, list[Row], bool]], list[Row]]:
    """Looks: when, what, and whether the process is killed before; and the last one."""
    steps = draw(st.lists(st.tuples(st.sampled_from([0.25, 1.0, 4.0]), looks, st.booleans()), max_size=8))
    now, given_ = 0.0, list[tuple[float, list[Row], bool]]()
    for passed, look, is_killed in steps:
        now += passed
        again = given_[-1][1] if given_ and draw(st.booleans()) else look
        given_.append((now, again, is_killed))
    return given_, draw(looks)


@settings(max_examples=75)
@given(given_=sequences(), latency=st.sampled_from([0.0, 0.5, 3.0, 100.0]))
def test_the_events_that_count_in_the_end_are_the_last_detections(given_, latency: float) -> None:
    steps, last = given_
    expected, messages = ExpectedChange(), list[Message]()
    tracker = restarted([], latency, expected)
    for now, look, is_killed in steps:
        tracker = restarted(messages, latency, expected) if is_killed else tracker
        messages += tracker.update(found(look), now, -math.inf)
        check_ids(messages)
    messages += tracker.finish(found(last))
    check_ids(messages)
    np.testing.assert_allclose(
        [row[1:] for row in plain(list(events_after(messages).values()))], [row[1:] for row in sorted(last)], atol=1e-4
    )
    assert [row[0] for row in plain(list(events_after(messages).values()))] == [row[0] for row in sorted(last)]


@settings(max_examples=50)
@given(given_=sequences(), latency=st.sampled_from([0.0, 0.5, 3.0]))
def test_what_is_seen_steadily_is_announced_when_its_latency_is_up(given_, latency: float) -> None:
    tracker = restarted([], latency, ExpectedChange())
    messages, before = list[Message](), -math.inf
    steady = dict[Row, float]()  # a detection alone of its label, and since when every look has it
    for now, look, _ in given_[0]:
        messages += tracker.update(found(look), now, -math.inf)
        alone = {row for row in look if [each[0] for each in look].count(row[0]) == 1}
        steady = {row: steady.get(row, now) for row in alone}
        said = Counter(event.label for event in events_after(messages).values())
        for row, since in steady.items():
            if now - row[2] >= latency + now - before and now - since >= STEADY_SECONDS:
                ever = [m for m in messages if m.kind == "withdrawn" and m.event and m.event.label == row[0]]
                assert said[row[0]] or ever
        before = now


@given(given_=sequences())
def test_with_unlimited_latency_nothing_is_said_before_the_end(given_) -> None:
    steps, last = given_
    tracker = restarted([], math.inf, ExpectedChange())
    assert [m for now, look, _ in steps for m in tracker.update(found(look), now, -math.inf)] == []
    messages = tracker.finish(found(last), now_seconds=30.0)
    assert [message.kind for message in messages] == ["announced"] * len(last)
    assert plain([message.event for message in messages if message.event]) == sorted(last)


@settings(max_examples=50)
@given(given_=sequences(), behind=st.sampled_from([0.0, 2.0, 6.0]))
def test_what_is_settled_is_said_once_and_never_again(given_, behind: float) -> None:
    steps, last = given_
    tracker = restarted([], 1.0, ExpectedChange())
    messages, bound, finals = list[Message](), -math.inf, set[str]()
    for now, look, _ in steps:
        new = tracker.update(found(look), now, now - behind)
        assert not finals & {message.event.id for message in new if message.event}
        messages += new
        bound = now - behind
        finals = {*events_after(messages)} - {each.event.id for each in tracker._tracked if each.event}
    messages += tracker.finish(found(last), settled_before=bound)
    check_ids(messages)
    after = events_after(messages).values()
    late = [row for row in last if row[2] >= bound]
    for row in late:  # is there, or stands for a final event that it overlaps
        forms = [Form(e.start_seconds, e.end_seconds, 0) for e in after if e.label == row[0]]
        assert any(change_between(form, Form(row[1], row[2], 0)) <= 0.6 for form in forms)


def test_two_thousand_looks_need_no_more_memory_than_ten() -> None:
    tracker = EventTracker("cam", latency_seconds=2.0)
    random, most, count = np.random.default_rng(0), 0, 0
    for now in range(10, 2_010):
        starts = [now - 7.0, now - 4.0, float(random.uniform(now - 10, now - 2))]
        rows = [(LABELS[i % 2], start, start + 2.0 - 0.01 * i, 0.5) for i, start in enumerate(starts)]
        count += len(tracker.update(found(rows), float(now), now - 8.0))
        most = max(most, len(tracker._tracked) + len(tracker._finals))
    assert most < 60
    assert count > 1_000
    assert len(tracker.expected.to_json()["bins"]) <= 50


# -- one action ------------------------------------------------------------------------------------------------------


def updates(tracker: EventTracker, looks: dict[float, list[Row]], settled: float = -math.inf) -> list[list[Message]]:
    return [tracker.update(found(rows), now, settled) for now, rows in looks.items()]


def kinds(said: Sequence[Sequence[Message]]) -> list[list[str]]:
    return [[message.kind for message in messages] for messages in said]


def test_an_action_that_goes_on_is_not_over() -> None:
    tracker = EventTracker("cam", latency_seconds=0.0)
    going = {now: [("run", 1.0, now - 0.1, 0.9)] for now in (2.0, 3.0, 4.0)}
    said = updates(tracker, going | {5.0: [("run", 1.0, 4.0, 0.9)]})
    assert kinds(said) == [[], [], [], ["announced"]]


def test_an_event_is_announced_early_where_the_past_says_that_it_will_stay() -> None:
    expected = ExpectedChange()
    for _ in range(50):
        expected.learn(bin_of(1.5, 0.0), 0.0)
    looks = {1.0: [], **{now: [("run", 0.5, 2.0, 0.9)] for now in (2.5, 3.5, 4.5)}}
    assert kinds(updates(EventTracker("cam", latency_seconds=60.0, expected=expected), looks)) == [
        [],
        [],
        ["announced"],
        [],
    ]
    assert kinds(updates(EventTracker("cam", latency_seconds=60.0), looks)) == [[], [], [], []]


def test_it_learns_that_events_stay() -> None:
    """A source whose detections never change: after some of them, events are announced long before their latency."""
    tracker = EventTracker("cam", latency_seconds=30.0)
    delays = []
    for now in range(2000):
        rows = [("run", at - 2.0, float(at), 0.9) for at in range(10, now, 10) if at > now - 40]
        delays += [m.details["latency_seconds"] for m in tracker.update(found(rows), float(now), now - 35.0)]
    assert max(delays[:5]) == 30.0
    assert max(delays[-50:]) <= 3.0


def test_corrections_wait_until_two_looks_agree() -> None:
    tracker = EventTracker("cam", latency_seconds=1.0)
    first, other = ("run", 1.0, 3.0, 0.9), ("run", 1.0, 4.0, 0.9)
    flicker = {
        3.5: [first],
        5.0: [first],
        6.0: [other],
        7.0: [first],
        8.0: [other],
        9.0: [other],
        9.5: [first],
        9.75: [first],
    }
    said = updates(tracker, flicker)
    assert kinds(said) == [[], ["announced"], [], [], [], ["corrected"], [], []]
    assert said[5][0].details == {
        "latency_seconds": 5.0,
        "expected_change": 0.5,
        "old_start": 1.0,
        "old_end": 3.0,
        "old_score": 0.9,
    }


def test_an_event_that_is_gone_is_withdrawn_and_comes_back_as_another_when_it_settles() -> None:
    tracker = EventTracker("cam", latency_seconds=1.0)
    row = [("run", 1.0, 3.0, 0.9)]
    one_look = updates(tracker, {3.5: row, 4.5: row, 5.5: [], 5.75: row, 6.0: [], 6.25: []})
    assert kinds(one_look) == [[], ["announced"], [], [], [], []]
    later = updates(tracker, {6.0 + STEADY_SECONDS: [], 12.0: row, 13.5: [], 19.0: [], 20.0: row, 30.0: row})
    assert kinds(later) == [["withdrawn"], [], [], [], [], []]
    settled = [tracker.update(found([]), 31.0, 10.0)]
    assert kinds(settled) == [["announced"]]
    ids = [m.event.id for said in (one_look + later + settled) for m in said if m.event]
    assert ids == ["cam-1-1", "cam-1-1", "cam-1-2"]


def test_what_is_first_seen_when_its_latency_is_up_must_stay() -> None:
    tracker = EventTracker("cam", latency_seconds=1.0)
    row = [("run", 1.0, 3.0, 0.9)]
    looks = {4.0: [], 5.5: [], 6.0: row, 7.0: row, 8.0: [], 9.0: row, 11.0: row, 9.0 + STEADY_SECONDS: row}
    assert kinds(updates(tracker, looks)) == [[], [], [], [], [], [], [], ["announced"]]


def test_two_events_that_become_one() -> None:
    tracker = EventTracker("cam", latency_seconds=1.0)
    two = [("run", 0.0, 4.0, 0.9), ("run", 4.0, 7.0, 0.8)]
    one = [("run", 0.0, 7.0, 0.9)]
    said = updates(tracker, {4.5: two[:1], 7.5: two, 9.0: two, 10.0: one, 11.0: one, 15.0: one})
    assert kinds(said) == [[], ["announced"], ["announced"], [], ["corrected"], ["withdrawn"]]


def test_what_settles_while_no_look_is_asked_about_it_stays() -> None:
    tracker = EventTracker("cam", latency_seconds=60.0)
    assert updates(tracker, {5.0: [("run", 1.0, 3.0, 0.9)]}) == [[]]
    said = tracker.update(found([]), 50.0, 20.0)
    assert kinds([said]) == [["announced"]]
    assert tracker.finish(found([]), now_seconds=50.0, settled_before=20.0) == []


def test_after_a_restart_old_events_are_neither_withdrawn_nor_announced() -> None:
    known = [Event("cam-2-1", "cam", 2, "run", 1.0, 3.0, 0.9), Event("cam-2-4", "cam", 2, "run", 40.0, 42.0, 0.9)]
    tracker = EventTracker("cam", latency_seconds=5.0)
    tracker.begin(2, known, first_number=5)
    here = [("run", 40.0, 42.0, 0.9), ("run", 44.0, 45.0, 0.7)]
    said = updates(tracker, {50.0: here, 51.0: here, 52.0: [*here, ("run", 1.0, 3.0, 0.9)]}, settled=30.0)
    assert [m.event.id for messages in said for m in messages if m.event] == ["cam-2-5"]
    assert tracker.finish(found(here), settled_before=30.0) == []


# -- parts -----------------------------------------------------------------------------------------------------------


@given(one=st.lists(rows, max_size=6), other=st.lists(rows, max_size=6))
def test_pairs_are_the_greedy_ones(one: list[Row], other: list[Row]) -> None:
    forms, others = [Form(*row[1:]) for row in one], [Form(*row[1:]) for row in other]
    result = paired(forms, [row[0] for row in one], np.full(len(one), 0.3), found(other))
    tiou = {(i, j): 1 - change_between(a, b) for i, a in enumerate(forms) for j, b in enumerate(others)}
    free = {(i, j) for i, j in tiou if one[i][0] == other[j][0] and tiou[i, j] >= 0.3}
    chosen = set[tuple[int, int]]()
    while free:  # of equal ones, that which was chosen
        best = max(free, key=lambda pair: (round(tiou[pair], 9), pair in result.items()))
        chosen.add(best)
        free = {(i, j) for i, j in free if i != best[0] and j != best[1]}
    assert chosen == set(result.items())


@given(samples=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1) | st.none(), st.floats(0, 1)), max_size=50))
def test_what_is_expected_survives_a_restart_and_stays_a_mean(samples) -> None:
    expected = ExpectedChange()
    for age, change, value in samples:
        expected.learn(bin_of(age, change), value)
    again = ExpectedChange.from_json(expected.to_json())
    for age, change, _ in [*samples, (1.0, None, 0.0)]:
        assert 0 <= expected[bin_of(age, change)] <= 1
        assert again[bin_of(age, change)] == expected[bin_of(age, change)]


def test_what_is_expected_forgets_slowly() -> None:
    expected, at = ExpectedChange(), bin_of(3.0, 0.0)
    assert expected[at] == 0.5
    for _ in range(20):
        expected.learn(at, 0.0)
    assert expected[at] < 0.1
    for _ in range(400):
        expected.learn(at, 1.0)
    assert expected[at] > 0.8


@pytest.mark.parametrize("kept", [{}, {"bins": [[0]]}, {"bins": [[0, 99, 1, 0]]}, {"bins": [[0, 0, 1, 2]]}])
def test_what_is_expected_is_read_with_care(kept) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        ExpectedChange.from_json(kept)
