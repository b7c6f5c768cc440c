"""From the detections of look after look to messages: events that are announced, corrected and withdrawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from rcl.data.detections import Detections
from rcl.detector.live.events.expected_change import Bin, ExpectedChange, Form, bin_of, change_between
from rcl.detector.live.events.messages import Event, Kind, Message
from rcl.detector.live.events.pairing import paired

SAME_TIOU = 0.3
"""From which on a detection is that of the look before. Two actions of a decided list overlap by 0.4 at most, so that a
larger tIoU is never ambiguous; a smaller one keeps an action that was first seen when a third of it had passed."""
SAME_AS_FINAL_TIOU = 0.4  # what has left the tracker cannot be corrected, so it takes no other action's detection
STEADY_SECONDS, STEADY_LOOKS = 5.0, 2
"""So long, in so many looks, an event must be missing to be withdrawn, and an action must be seen if it is first seen
when its latency is up: scores near a threshold come and go."""
CORRECTION_SECONDS = 1.0  # the shortest time between two messages about an event, unless it settles
EXACT = 1e-4  # seconds, score: smaller differences are not corrected


@dataclass
class _Tracked:
    """A candidate, or an event once it was announced."""

    label: str
    form: Form  # as the last look that had it saw it
    seen_seconds: float  # when that was
    event: Event | None = None  # as it was said last
    said_seconds: float = -math.inf
    seen_since: float = math.inf  # without a break
    before: Form | None = None  # in the look before that
    was_withdrawn: bool = False
    is_moving: bool = True  # the end moves with now, or was seen once
    missing_looks: int = 0
    missing_since: float = math.inf
    forms: dict[Bin, Form] = field(default_factory=dict)  # the first in each bin: looks in a row are much alike

    @property
    def change(self) -> float | None:
        return None if self.before is None else change_between(self.before, self.form)

    def see(self, form: Form, now: float) -> None:
        """Take the form that a look gives."""
        moved, passed = form.end_seconds - self.form.end_seconds, now - self.seen_seconds
        self.is_moving = moved > passed / 2 if passed > 0 else self.is_moving
        self.before, self.form, self.seen_seconds = self.form, form, now
        self.seen_since = now if self.missing_looks else self.seen_since
        self.missing_looks, self.missing_since = 0, math.inf

    def miss(self, now: float) -> None:
        """Note a look that covers it and does not have it."""
        self.missing_looks += 1
        self.missing_since = min(self.missing_since, now)


class EventTracker:
    """Events of one source. For each part: ``begin``, ``update`` for every look, ``finish``.

    An event is announced when its expected change falls below a bound and its end is behind now, when its latency has
    passed since its end, and when it cannot change any more. An action whose end still moves with now is not over,
    unless it is believed to have ended a latency and a look ago. One that is first seen when its latency is up is
    announced once it was seen for five seconds. Afterwards the event is corrected if 1 − tIoU has changed by more than
    the bound: at most once per second, when two looks in a row agree; and a last time, if anything changed, when it
    cannot change any more. It is withdrawn if looks have missed it for five seconds, or when it settles. That is final:
    if the action comes back, it is a new event, which is announced when it settles.

    Args:
        source: its name.
        latency_seconds: from the end of an action to its announcement, at most, up to one look. If infinite, everything
            is said when it cannot change any more: at the end of a part, or when it settles.
        bound: of the expected change.
        expected: learns from what becomes final; may be shared by several sources.
    """

    def __init__(
        self, source: str, *, latency_seconds: float, bound: float = 0.1, expected: ExpectedChange | None = None
    ) -> None:
        self.source, self.latency_seconds, self.bound = source, latency_seconds, bound
        self.expected = ExpectedChange() if expected is None else expected
        self.begin(1)

    def begin(self, part: int, known_events: Iterable[Event] = (), *, first_number: int = 1) -> None:
        """Begin a part, or go on with one after a restart.

        Args:
            part: its number.
            known_events: events of this part that were announced and not withdrawn.
            first_number: of new events: larger than that of any event of this part, also of those withdrawn.
        """
        self._part, self._number = part, first_number
        self._now = self._settled = -math.inf
        self._finals = list[_Tracked]()
        self._tracked = [_Tracked(event.label, form_of(event), -math.inf, event) for event in known_events]

    def update(self, detections: Detections, now_seconds: float, settled_before: float) -> list[Message]:
        """The messages after a look.

        Args:
            detections: of the look, in seconds of the part, of one video.
            now_seconds: how much of the part the look has seen.
            settled_before: what ends before this is final; the look need not have it any more.
        """
        return self._look(detections, now_seconds, settled_before, is_last=False)

    def finish(
        self,
        detections: Detections,
        *,
        now_seconds: float | None = None,
        settled_before: float = -math.inf,
        goes_on: bool = False,
    ) -> list[Message]:
        """The last messages about a part. Afterwards the events that count are ``detections``, and what is older.

        Args:
            detections: of the last look.
            now_seconds: length of the part; by default that of the last look.
            settled_before: as for :meth:`update`.
            goes_on: a later process will go on with the part, so only what has settled is final.
        """
        now = self._now if now_seconds is None else now_seconds
        if not math.isfinite(now):
            now = max([0.0, *detections.segments_seconds[:, 1].tolist()])
        messages = self._look(detections, now, settled_before, is_last=True, goes_on=goes_on)
        self._tracked, self._finals = [], []
        return messages

    def _look(
        self, detections: Detections, now: float, settled_before: float, *, is_last: bool, goes_on: bool = False
    ) -> list[Message]:
        settled = max(settled_before, self._settled)
        self._see(detections, now, settled, is_last=is_last)
        since_last = now - self._now  # infinite for the first: what was seen once may still go on
        messages, kept = list[Message](), list[_Tracked]()
        for each in self._tracked:
            is_final = is_last or each.form.end_seconds < settled
            if is_final and not each.missing_looks:
                is_open = goes_on and each.form.end_seconds >= settled
                messages += self._said_at_last(each, now, is_open=is_open)
                if not is_open:
                    self._learn(each, final=each.form)
                self._finals.append(each)
            elif is_final or self._is_gone(each, now):
                messages += self._withdrawn(each, now)
                if is_final or not each.was_withdrawn:
                    self._learn(each, final=None)
                else:
                    kept.append(each)  # if it comes back, that is said when it settles
            else:
                kept.append(each)
                messages += [] if each.missing_looks else self._said_meanwhile(each, now, since_last)
        self._tracked, self._now, self._settled = kept, now, settled
        self._finals = [each for each in self._finals if _may_return(each.form, settled)]
        return messages

    def _see(self, detections: Detections, now: float, settled: float, *, is_last: bool) -> None:
        """Take the detections of a look: each is that of a known one, or new."""
        known = [*self._tracked, *self._finals]
        minimum = np.repeat([SAME_TIOU, SAME_AS_FINAL_TIOU], [len(self._tracked), len(self._finals)])  # (N,)
        pairs = paired([each.form for each in known], [each.label for each in known], minimum, detections)
        rows = list(detections)
        forms = [Form(row.start_seconds, row.end_seconds, row.score) for row in rows]
        for position, each in enumerate(self._tracked):
            if position in pairs:
                each.see(forms[pairs[position]], now)
            elif settled <= each.form.end_seconds and (is_last or each.form.end_seconds <= now):
                each.miss(now)  # else the look does not cover it
        # What ended before the last look's bound and was not known then is a trace of something settled.
        new = [i for i in {*range(len(forms))} - {*pairs.values()} if forms[i].end_seconds >= self._settled]
        for i in sorted(new, key=lambda i: (forms[i].end_seconds, i)):
            self._tracked.append(_Tracked(rows[i].label, forms[i], now, seen_since=now))
        for each in self._tracked:
            if each.seen_seconds == now:
                each.forms.setdefault(bin_of(now - each.form.end_seconds, each.change), each.form)

    def _is_gone(self, each: _Tracked, now: float) -> bool:
        if math.isinf(self.latency_seconds):
            return False  # that is known when it settles
        return each.missing_looks >= STEADY_LOOKS and now - each.missing_since >= STEADY_SECONDS

    def _learn(self, each: _Tracked, *, final: Form | None) -> None:
        for at, form in each.forms.items():
            self.expected.learn(at, 1.0 if final is None else change_between(form, final))

    # -- what is said ------------------------------------------------------------------------------------------------

    def _said_meanwhile(self, each: _Tracked, now: float, since_last: float) -> list[Message]:
        if math.isinf(self.latency_seconds) or each.was_withdrawn:
            return []
        age = now - each.form.end_seconds
        expected = self.expected[bin_of(age, each.change)]
        if each.event is None:
            if each.seen_since > each.form.end_seconds + self.latency_seconds + since_last:
                return self._announced(each, now, expected) if now - each.seen_since >= STEADY_SECONDS else []
            is_over = age > 0 and not each.is_moving
            is_late = age >= self.latency_seconds + (since_last if each.is_moving else 0)
            return self._announced(each, now, expected) if is_late or (is_over and expected < self.bound) else []
        said = form_of(each.event)
        agree = each.before is not None and change_between(each.before, each.form) <= self.bound
        is_due = now - each.said_seconds >= CORRECTION_SECONDS and said.end_seconds <= now  # else known from the future
        changed = change_between(said, each.form) > self.bound
        return self._corrected(each, each.event, now, expected) if agree and is_due and changed else []

    def _said_at_last(self, each: _Tracked, now: float, *, is_open: bool) -> list[Message]:
        expected = self.expected[bin_of(now - each.form.end_seconds, each.change)] if is_open else None
        if each.event is None:
            return self._announced(each, now, expected)
        pairs = zip(form_of(each.event), each.form, strict=True)
        is_exact = all(abs(one - other) <= EXACT for one, other in pairs)
        return [] if is_exact else self._corrected(each, each.event, now, expected)

    def _announced(self, each: _Tracked, now: float, expected: float | None) -> list[Message]:
        id_ = f"{self.source}-{self._part}-{self._number}"
        self._number += 1
        return self._say("announced", each, now, Event(id_, self.source, self._part, each.label, *each.form), expected)

    def _corrected(self, each: _Tracked, old: Event, now: float, expected: float | None) -> list[Message]:
        event = Event(old.id, old.source, old.part, old.label, *each.form)
        return self._say("corrected", each, now, event, expected, old)

    def _say(
        self, kind: Kind, each: _Tracked, now: float, event: Event, expected: float | None, old: Event | None = None
    ) -> list[Message]:
        """``expected``: the change; ``None`` for what is final."""
        each.event, each.said_seconds = event, now
        latency, change = round(now - event.end_seconds, 3), round(expected or 0.0, 4)
        details: dict[str, float] = {"latency_seconds": latency, "expected_change": change}
        if expected is None:
            details["final"] = True
        if old is not None:
            was = {"old_start": old.start_seconds, "old_end": old.end_seconds, "old_score": old.score}
            details |= {key: round(value, 6) for key, value in was.items()}
        return [Message(kind, self.source, event, details)]

    def _withdrawn(self, each: _Tracked, now: float) -> list[Message]:
        if each.event is None:
            return []
        event, each.event, each.was_withdrawn = each.event, None, True
        return [Message("withdrawn", self.source, event, {"missing_seconds": round(now - each.missing_since, 3)})]


def form_of(event: Event) -> Form:
    """The form in which an event was said."""
    return Form(event.start_seconds, event.end_seconds, event.score)


def _may_return(final: Form, settled: float) -> bool:
    """Whether a detection that ends after ``settled`` can still overlap a final event enough to be taken for it.

    Of two segments with the tIoU t, the later end is at most (1 − t) / t lengths of one after the end of that one.
    """
    length = final.end_seconds - final.start_seconds
    return final.end_seconds + length * (1 - SAME_AS_FINAL_TIOU) / SAME_AS_FINAL_TIOU >= settled
