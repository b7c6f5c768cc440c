"""Projects of BORIS: observations of videos, with the events of an ethogram."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.formats.boris.events import Event, Kind, Observation, annotations_of, chosen, pair, report_left_out
from rcl.data.formats.exported import KEY
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_number, to_positive
from rcl.system.errors import Defect, InputError, Problems, counted, listed, shown

TRACK = "track "
"""Subjects of this name and a number hold what overlaps in a project that we wrote."""


def is_boris(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a project of BORIS."""
    return isinstance(data.get("observations"), dict) and "behaviors_conf" in data


def parse(data: Mapping[str, Any], source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a project: the label is the behaviour.

    Times are those of the first player's videos, also where several were played one after the other or BORIS added an
    offset. An observation without a video is left out with a warning, as are subjects, modifiers and other players.

    Args:
        data: the content of the file; see :func:`is_boris`.
        source: the file, for messages.
        options: ``annotator``: the id of the observation to read.

    Raises:
        InputError: a value is wrong, or a state event has no start or no stop.
    """
    problems = Problems()
    kinds = _kinds(data, source)
    found, live, players, subjects, modifiers = list[Observation](), list[str](), 0, 0, 0
    for name in chosen(data["observations"], source, options):
        content = data["observations"][name]
        with problems.located(f"{source}, observation {name!r}"):
            observation, further = _observation(name, content)
            if observation is None:
                live.append(name)
                continue
            events = _events(content, kinds)
            observation.instances += pair(events)
            found.append(observation)
            players += further
            subjects += sum(bool(event.subject) and not event.subject.startswith(TRACK) for event in events)
            modifiers += sum(event.modifiers not in ("", "None") for event in events)
    problems.raise_first()
    others = [f"{counted(players, 'video')} of further players"] if players else []
    others += [f"observations without a video ({listed(live)})"] if live else []
    report_left_out(source, subjects=subjects, modifiers=modifiers, others=others)
    return annotations_of(found, source)


def _kinds(data: Mapping[str, Any], source: str) -> dict[str, bool]:
    """Whether a behaviour is a state, by its code."""
    ethogram = data["behaviors_conf"]
    items = [*ethogram.values()] if isinstance(ethogram, dict) else []
    kinds = {item["code"]: "state" in str(item.get("type", "")).lower() for item in items if _has_code(item)}
    if len(kinds) < len(items):
        fix = "correct the ethogram in BORIS"
        raise InputError(
            source, expected="a different code for each behaviour", found="one missing or repeated", fix=fix
        )
    return kinds


def _has_code(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("code"), str)


def _observation(name: str, content: Any) -> tuple[Observation | None, int]:
    """The observation without its instances, if it is one of videos, and the number of videos of other players."""
    if not isinstance(content, dict):
        raise Defect(expected="an observation {…}", found=shown(content), fix="save the project again in BORIS")
    players = content.get("file")
    players = players if isinstance(players, dict) else {"1": players}
    files = [_files(players[key]) for key in sorted(players, key=str)]
    files = [names for names in files if names]
    if content.get("type", "MEDIA") != "MEDIA" or not files:
        return None, 0
    info = content.get("media_info")
    info = info if isinstance(info, dict) else {}
    known = info.get("length")
    known = known if isinstance(known, dict) else {}
    lengths = [_length(known.get(file)) for file in files[0]]
    offset = to_number(content.get("time offset") or 0, "time offset")
    if content.get("media_creation_date_as_offset"):  # the times are then those of the day
        created = info.get("media_creation_time")
        created = created.get(files[0][0]) if isinstance(created, dict) else None
        offset += to_number(created or 0, "creation time of the video")
    return Observation(name, files[0], lengths, offset, facts=_facts(content)), sum(map(len, files[1:]))


def _files(value: object) -> list[str]:
    return [file for file in value if isinstance(file, str) and file] if isinstance(value, list) else []


def _length(value: object) -> float | None:
    return None if value in (None, "", "NA", 0) else to_positive(value, "length of the video")


def _facts(content: Mapping[str, Any]) -> object:
    """What we wrote into an observation ourselves."""
    variables = content.get("independent_variables")
    text = variables.get(KEY) if isinstance(variables, dict) else None
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _events(content: Mapping[str, Any], kinds: Mapping[str, bool]) -> list[Event]:
    rows = content.get("events")
    if not isinstance(rows, list):
        raise Defect(expected='"events": [[time, subject, behaviour, …]]', found=shown(rows), fix="save it again")
    return [_event(number, row, kinds) for number, row in enumerate(rows, 1)]


def _event(number: int, row: Any, kinds: Mapping[str, bool]) -> Event:
    if not isinstance(row, Sequence) or isinstance(row, str) or len(row) < 3:
        expected = "an event [time, subject, behaviour, modifiers, comment]"
        raise Defect(expected=expected, found=f"{shown(row)} as event {number}", fix="correct or remove it")
    seconds, subject, behaviour, modifiers = row[0], row[1], row[2], row[3] if len(row) > 3 else ""
    if not isinstance(behaviour, str) or behaviour not in kinds:
        found = f"{shown(behaviour)} in event {number}, which is not in it"
        raise Defect(expected="behaviours of the ethogram", found=found, fix="add it to the ethogram in BORIS")
    kind: Kind = "STATE" if kinds[behaviour] else "POINT"
    time = to_number(seconds, f"time of event {number}")
    return Event(time, behaviour, kind, str(subject or ""), str(modifiers or ""))
