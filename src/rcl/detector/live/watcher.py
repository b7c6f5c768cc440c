"""One watched source: its pictures become features, features become looks, and looks become messages."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rcl.detector.live.clips.clip_maker import ClipMaker
from rcl.detector.live.events.expected_file import ExpectedFile
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.messages import Message, about_part
from rcl.detector.live.events.tracker import EventTracker
from rcl.detector.live.features.part_features import PART, PartFeatures
from rcl.detector.live.looking import Look, Looking
from rcl.detector.live.monitor import SourceState
from rcl.detector.live.place_file import PlaceFile
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.parts import Idle, Item, PartBegins, PartEnds, Picture
from rcl.system.errors import InputError

log = logging.getLogger("rcl")

LOOK_SECONDS = 0.5  # of the source, from one look to the next
SHARE_OF_LOOKS = 0.25  # of the time: where a look takes long, there are fewer of them


class Watcher:
    """Watches one source until it ends or a stop is asked for.

    Args:
        feed: of the source.
        looking: asks the detector.
        tracker: of the events of this source.
        journal: for what is said; shared by all sources.
        folder: of this source alone, for the features of the part that is read.
        place: for how far the source was read.
        expected: for what the tracker has learned.
        clips: makes clips of the events; ``None`` for none.
        look_seconds: of the source, from one look to the next.
        clock: seconds, monotonic.

    Attributes:
        problem: why the source can no longer be watched, in words; empty while it can.
        is_bug: whether that is no fault of the user's, so that a new start may help.
    """

    def __init__(
        self,
        feed: Feed,
        looking: Looking,
        tracker: EventTracker,
        journal: Journal,
        folder: Path,
        place: PlaceFile,
        *,
        expected: ExpectedFile,
        clips: ClipMaker | None = None,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.feed, self.looking, self.tracker, self.journal = feed, looking, tracker, journal
        self.folder, self.place, self.expected, self.clips, self.clock = folder, place, expected, clips, clock
        self.name, self.problem, self.is_bug = feed.source.name, "", False
        self._is_live = feed.source.kind == "address"
        self._look_seconds, self._latest_look, self._look_took = look_seconds, 0.0, 0.0
        self._part: PartFeatures | None = None
        self._left: PartFeatures | None = None  # by an earlier process
        self._ended = ""  # why the last part ended, until that is said
        self._counts, self._snippets, self._has_ended = Counter[str](), 0, False

    def run(self) -> None:
        """Watch, in this thread, to the end. What goes wrong is logged, and kept as ``problem``."""
        try:
            self._take_over()
            for item in self.feed:
                self._take(item)
            self._stop()
        except InputError as error:
            self.problem = str(error)
            log.error("%s: %s", self.name, error)
        except Exception as error:
            self.problem, self.is_bug = f"a bug of rcl: {type(error).__name__}: {error}", True
            log.exception("%s: a bug of rcl stopped this source", self.name)
        finally:
            self.feed.stop()
            self._has_ended = True

    def state(self) -> SourceState:
        """How the source is now, for other threads."""
        counts, part = self.feed.counts, self._part
        return SourceState(
            self.name,
            connected=counts.is_connected,
            seconds_since_last_picture=self.feed.seconds_since_picture if counts.frames_read else math.inf,
            behind_seconds=self.feed.waiting_seconds,
            frames_read=counts.frames_read,
            frames_dropped=counts.frames_dropped,
            reconnections=counts.reconnections,
            gaps=counts.gaps,
            snippets=self._snippets + (part.snippets if part else 0),
            events_announced=self._counts["announced"],
            events_corrected=self._counts["corrected"],
            events_withdrawn=self._counts["withdrawn"],
            look_seconds=self._look_took,
            features_bytes=part.nbytes if part else 0,
            frozen=counts.is_frozen,
            problem=self.problem or counts.problem,
            has_ended=self._has_ended and not self.problem,
        )

    # -- the items of the feed ---------------------------------------------------------------------------------------

    def _take(self, item: Item) -> None:
        if isinstance(item, Picture):
            self._see(item)
        elif isinstance(item, PartBegins):
            self._begin(item)
        elif isinstance(item, PartEnds):
            for problem in item.problems:
                log.warning("%s: %s", self.name, problem)
            self._end()
            self._ended = item.why
        elif isinstance(item, Idle):
            self._say_gap()
            self.journal.tick()

    def _begin(self, item: PartBegins) -> None:
        self._say_gap(item)
        if self._left is not None and self._left.number == item.number:
            self._part = self._left  # the pictures come again from its beginning
        else:
            self._end_left()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._part = self._new_part(item)
        self._left = None
        self._begin_events(item.number, item.started_at)
        self.place.keep(self.feed.position())
        if item.why or not self._is_known(item.number):
            self._say([about_part("part", self.name, item.number, item.started_at, item.why)])

    def _see(self, picture: Picture) -> None:
        part = self._part
        assert part is not None  # a part begins before its pictures
        part.push(picture)
        if part.seconds - self._latest_look >= self._until_next_look():
            look = self._look(part)
            self._say(self.tracker.update(look.detections, look.seconds, look.settled_before))
            self._make_clips(part.number, look.seconds)
            self.place.keep(self.feed.position())

    def _end(self) -> None:
        """End the part that is read: its last events are said.

        The features of a file or folder stay until the next part begins: a later start reads this one again, and must
        not say anew what it was thought to show before its end was seen.
        """
        if self._part is None:
            return
        self._part.finish()
        self._say_last(self._part)
        self._snippets += self._part.snippets
        self._part = None
        if self._is_live:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.place.keep(self.feed.position())

    def _stop(self) -> None:
        """The feed has ended, or a stop was asked for: what is known of the part is said.

        Of a file or a folder, a later start reads the part again from its beginning, and needs its features.
        """
        if self._part is not None and self._is_live:
            self._end()
        elif self._part is not None:
            self._say_last(self._part, goes_on=True)
            self.place.keep(self.feed.position())
        self._end_left()

    # -- after a restart ---------------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Take over the features that an earlier process has left. Those of an address end: it cannot be read again."""
        if not (self.folder / PART).exists():
            return
        localizer = self.looking.localizer
        keep = self.looking.keep_seconds
        try:
            self._left = PartFeatures.resume(
                self.folder, localizer.extractor, localizer.streams, where=self.name, keep_seconds=keep
            )
        except InputError as error:
            log.warning("%s; what the earlier process had seen last is lost", error)
            return
        if self._is_live:
            self._end_left()

    def _end_left(self) -> None:
        if self._left is None:
            return
        left, self._left = self._left, None
        left.finish()
        self._begin_events(left.number, left.started_at)
        self._say_last(left)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin_events(self, number: int, started_at: float) -> None:
        known = self.journal.last_part(self.name)
        if known is not None and known.number == number:
            self.tracker.begin(number, known.events.values(), first_number=known.next_number)
        else:
            self.tracker.begin(number)
        if self.clips:
            self.clips.begin_part(number, started_at)
        self._latest_look = 0.0

    def _is_known(self, number: int) -> bool:
        known = self.journal.last_part(self.name)
        return known is not None and known.number == number

    # -- looks and messages ------------------------------------------------------------------------------------------

    def _new_part(self, item: PartBegins) -> PartFeatures:
        localizer = self.looking.localizer
        return PartFeatures(
            localizer.extractor,
            localizer.streams,
            where=self.name,
            number=item.number,
            started_at=item.started_at,
            keep_seconds=self.looking.keep_seconds,
            folder=self.folder,
        )

    def _look(self, part: PartFeatures) -> Look:
        begin = self.clock()
        look = self.looking.look(part)
        self._look_took, self._latest_look = self.clock() - begin, part.seconds
        return look

    def _until_next_look(self) -> float:
        """Seconds of the source from one look to the next."""
        if math.isinf(self.tracker.latency_seconds):  # only what is settled is said
            return self.looking.context_seconds / 2
        return max(self._look_seconds, self._look_took / SHARE_OF_LOOKS if self._is_live else 0.0)

    def _say_last(self, part: PartFeatures, *, goes_on: bool = False) -> None:
        look = self._look(part)
        self._say(
            self.tracker.finish(
                look.detections, now_seconds=look.seconds, settled_before=look.settled_before, goes_on=goes_on
            )
        )
        self.expected.write(self.tracker.expected)
        self._make_clips(part.number, math.inf)

    def _say_gap(self, begins: PartBegins | None = None) -> None:
        """Say that the part has ended in a gap, once it is known that the source goes on."""
        if self._ended and (begins is not None or self._is_live):
            known = self.journal.last_part(self.name)
            number, started_at = (known.number, known.started_at or 0.0) if known else (0, 0.0)
            self._say([about_part("gap", self.name, number, started_at, self._ended)])
            self._ended = ""

    def _say(self, messages: list[Message]) -> None:
        if not messages:
            return
        self._counts.update(message.kind for message in messages)
        self.journal.append(messages)
        if self.clips:
            for message in messages:
                self.clips.hear(message)

    def _make_clips(self, part: int, seconds: float) -> None:
        if self.clips:
            self._say(self.clips.update(part, seconds))
