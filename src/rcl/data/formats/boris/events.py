"""What BORIS (Friard and Gamba, 2016) records: events of observations, which become instances of videos."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, NamedTuple, TypeAlias

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import Instance, add_video, instance_of, name_in, video_of
from rcl.data.formats.media_names import names_of_files
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import Defect, InputError, Problems, counted, listed, located

log = logging.getLogger("rcl")

Kind: TypeAlias = Literal["START", "STOP", "POINT", "STATE"]
"""What an event does; ``STATE`` starts or stops, by turns."""


class Event(NamedTuple):
    """One event of an observation, at a time in seconds of it."""

    seconds: float
    behaviour: str
    kind: Kind
    subject: str = ""
    modifiers: str = ""


@dataclass
class Observation:
    """What was observed in a video, or in several that were played one after the other.

    Args:
        name: the id of the observation.
        files: of the videos, in order.
        lengths: of the videos, in seconds; ``None`` where not known.
        offset: seconds that BORIS added to the times of the videos.
        instances: in seconds of the observation.
        facts: what :func:`rcl.data.formats.exported.video_of` takes.
    """

    name: str
    files: Sequence[str]
    lengths: Sequence[float | None]
    offset: float = 0.0
    instances: list[Instance] = field(default_factory=list)
    facts: object = None

    def by_file(self) -> dict[str, list[Instance]]:
        """The instances of each file, in its own seconds; one that goes on in the next file is in both.

        Raises:
            Defect: the length of a file is not known, and another one follows.
        """
        *before, _ = self.lengths
        known = [length for length in before if length is not None]
        if len(known) < len(before):
            fix = "import the project (.boris) instead, or observe each video by itself"
            raise Defect(expected="the length of each video that others follow", found="a video without one", fix=fix)
        starts = [*accumulate(known, initial=self.offset)]
        found: dict[str, list[Instance]] = {file: [] for file in self.files}
        for file, zero, first, last in zip(
            self.files, starts, [-math.inf, *starts[1:]], [*starts[1:], math.inf], strict=True
        ):
            for start, end, label, _ in self.instances:
                if (start < last and end > first) or first <= start == end < last:
                    segment = round(max(start, first) - zero, 6), round(min(end, last) - zero, 6)
                    found[file].append(Instance(*segment, label))
        return found


def pair(events: Iterable[Event]) -> list[Instance]:
    """Instances of events: a state from its start to its stop, a point where it is.

    BORIS pairs the starts and stops of a behaviour of one subject with the same modifiers, in the order of time.

    Raises:
        Defect: a state has no start or no stop. BORIS does not know either which of several events is too much, so
            nothing is guessed.
    """
    opened: dict[tuple[str, str, str], float] = {}
    instances = list[Instance]()
    for event in sorted(events, key=lambda event: event.seconds):
        key = event.behaviour, event.subject, event.modifiers
        if event.kind == "POINT":
            instances.append(instance_of(event.seconds, event.seconds, event.behaviour))
        elif key in opened and event.kind != "START":
            instances.append(instance_of(opened.pop(key), event.seconds, event.behaviour))
        elif key in opened or event.kind == "STOP":
            raise _unpaired(event, "start" if event.kind == "STOP" else "stop")
        else:
            opened[key] = event.seconds
    for (behaviour, subject, _), seconds in opened.items():
        raise _unpaired(Event(seconds, behaviour, "START", subject), "stop")
    return sorted(instances)


def _unpaired(event: Event, missing: str) -> Defect:
    of = f" of {event.subject!r}" if event.subject else ""
    return Defect(
        expected="a start and a stop of each state event",
        found=f"{event.behaviour!r}{of} at {event.seconds:g} s without a {missing}",
        fix=f"add the {missing} in BORIS, or remove the event",
    )


def chosen(names: Iterable[str], source: str, options: ReadOptions | None) -> list[str]:
    """The observations to read: all, or the one that ``options.annotator`` names.

    Raises:
        InputError: no observation has that name.
    """
    names, wanted = [*names], options.annotator if options else None
    if wanted is not None and wanted not in names:
        fix = "give one of them to --annotator"
        raise InputError(source, expected=f"an observation {wanted!r}", found=listed(names) or "none", fix=fix)
    return names if wanted is None else [wanted]


def annotations_of(observations: Iterable[Observation], source: str) -> Annotations:
    """Annotations of the videos of observations.

    Observations of one video are put together where they are about different things. Two of the same thing, such as
    those of two people, are refused.

    Raises:
        InputError: two observations have the same behaviour of a video at about the same time, or the times of a video
            are not known.
    """
    problems = Problems()
    parts = defaultdict[tuple[str, bool], list[_Part]](list)
    for observation in observations:
        own = name_in(observation.facts)
        with problems.located(f"{source}, observation {observation.name!r}"):
            for file, instances in observation.by_file().items():
                length = observation.lengths[observation.files.index(file)]
                parts[own or file, bool(own)].append(_Part(observation, instances, length))
    problems.raise_first()
    videos = dict[str, VideoAnnotation]()
    with located(source):
        names = names_of_files(file for file, is_own in parts if not is_own)
        for (file, is_own), found in parts.items():
            _check_different(found)
            facts = found[0].observation.facts if is_own else {"duration": found[0].length}
            instances = sorted(instance for part in found for instance in part.instances)
            add_video(videos, video_of(file if is_own else names[file], instances, facts))
    several = [names.get(file, file) for (file, _), found in parts.items() if len(found) > 1]
    if several:
        log.warning("%s: put several observations of a video together: %s", source, listed(several))
    return Annotations(videos, source=source)


class _Part(NamedTuple):
    """What one observation says about one video."""

    observation: Observation
    instances: Sequence[Instance]
    length: float | None


def _check_different(parts: Sequence[_Part]) -> None:
    """Refuse observations of the same thing: as two people hardly agree, it is enough that a behaviour is in both, and
    the times of the one lie among those of the other."""
    spans = dict[str, list[tuple[str, float, float]]]()
    for part in parts:
        name = part.observation.name
        own = dict[str, tuple[float, float]]()
        for start, end, label, _ in part.instances:
            first, last = own.get(label, (start, end))
            own[label] = min(first, start), max(last, end)
        for label, (start, end) in own.items():
            for other, first, last in spans.setdefault(label, []):
                if max(start, first) <= min(end, last):
                    found = f"{label!r} in {other!r} and in {name!r}, around {max(start, first):g} s"
                    fix = f"choose one, e.g. --annotator {name!r}"
                    raise Defect(expected="one observation of a behaviour at a time", found=found, fix=fix)
            spans[label].append((name, start, end))


def report_left_out(source: str, *, subjects: int, modifiers: int, others: Sequence[str] = ()) -> None:
    """Say what annotations have no place for."""
    parts = [
        *([f"the subjects of {counted(subjects, 'event')}"] if subjects else []),
        *([f"the modifiers of {counted(modifiers, 'event')}"] if modifiers else []),
        *others,
    ]
    if parts:
        log.warning("%s: not kept: %s", source, ", ".join(parts))
