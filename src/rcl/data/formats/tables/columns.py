"""Columns of tables: which one holds what, by the names that people and programs give them."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError, listed, shown

log = logging.getLogger("rcl")

_SYNONYMS = {
    "video": "video videos file filename filepath path videofile videofilename videoname videoid videopath media "
    "mediafile mediafilename clip clipname clipid movie vid youtubeid datei dateiname "
    "fichier nomdufichier nomfichier archivo",
    "start": "start starttime timestart starttimestamp timestampstart startpoint tstart starting begin begintime "
    "timebegin tbegin beginning onset onsettime from fromtime tmin in timein timecodein inpoint segmentstart "
    "eventstart actionstart anfang anfangszeit beginn startzeit debut tempsdebut tempsdedebut inicio inizio",
    "end": "end endtime timeend endtimestamp timestampend endpoint tend ending stop stoptime timestop stoptimestamp "
    "tstop finish finishtime offset offsettime to totime until till tmax out timeout timecodeout outpoint segmentend "
    "eventend actionend ende endzeit fin tempsfin tempsdefin fine xend",
    "label": "label labels labelname action actions actionname actionlabel actionclass activity activityname "
    "activitylabel behavior behaviors behaviour behaviours event eventname eventlabel class classname classlabel "
    "category categoryname gesture annotation tag verhalten aktion aktivitat klasse etiquette comportement "
    "activite etiqueta accion comportamiento azione",
    "time": "time t timestamp timepoint timecode at moment",
    "frame_rate": "framerate videofps videoframerate framespersecond",
    "duration": "videoduration videolength",
    "length": "duration length",
    "subset": "subset split",
    "fps": "fps",
    "group": "group",
    "reviewed": "reviewed",
    "score": "score scores confidence conf probability prob",
}
"""Small letters without accents and blanks."""
_ROLES = {name: role for role, names in _SYNONYMS.items() for name in names.split()}
_TIMES = ("start", "end", "time", "duration", "length")
_UNITS = {
    name: unit
    for unit, names in {
        "seconds": "s sec secs second seconds",
        "milliseconds": "ms msec msecs millis millisecond milliseconds",
        "minutes": "mins minute minutes",
        "frames": "frame frames",
    }.items()
    for name in names.split()
}
_ELAN_FORM = r" - (?=(?:hh:mm:ss[.:]\w+|ss\.msec|msec)$)"  # ELAN's "Begin Time - ss.msec"
_BRACKETED_UNITS = _UNITS | {
    "ss.msec": "seconds",
    "min": "minutes",
    "f": "frames",
    "sec.": "seconds",
    "s.": "seconds",
    "min.": "minutes",
}
UNKNOWN = "unknown"
LENGTH = "length"  # of an instance: only where the options say so, as it may be that of the video
_FOR_PEOPLE = ("comment", "annotator")
INDIVIDUAL = "individual"  # whom a row is about: only where the options say so, as a video may show all of them


class Meaning(NamedTuple):
    """What a column holds, by its name: ``unit`` is that of times, ``unknown`` if it is stated in unknown words."""

    role: str
    unit: str | None = None


class Column(NamedTuple):
    """A column that is read: its name and its place among the columns, from 0, and the unit that its name states."""

    name: str
    place: int
    unit: str | None = None


def meaning_of(name: str) -> Meaning | None:
    """What a column holds, if its name says so.

    >>> meaning_of("Start (s)"), meaning_of("end_frame"), meaning_of("Behavior")
    (Meaning(role='start', unit='seconds'), Meaning(role='end', unit='frames'), Meaning(role='label', unit=None))
    """
    words, inside = _parts(name)
    role, unit = _ROLES.get("".join(words)), None
    if role is None:
        role, unit = _role_with_unit(words)
    if role not in _TIMES:
        return Meaning(role) if role else None
    return Meaning(role, _bracketed_unit(inside) if inside else unit)


def _parts(name: str) -> tuple[list[str], str]:
    """The words of a name, in small letters without accents, and what stands in brackets after them."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    stem, *inside = re.split(rf"[(\[]|{_ELAN_FORM}", plain, maxsplit=1)
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem).casefold())
    return words, inside[0] if inside else ""


def _unit_of(name: str) -> str | None:
    """The unit that a name states, whatever else it says, as that of a column which the options name."""
    words, inside = _parts(name)
    if (meaning := meaning_of(name)) and meaning.role in _TIMES:
        return meaning.unit
    if inside and (unit := _bracketed_unit(inside)) != UNKNOWN:
        return unit
    units = _units_in(words)
    return units.pop() if len(units) == 1 else None


def _units_in(words: Sequence[str]) -> set[str]:
    """The units among words; the last may be ``min``, which begins a name as the least of something."""
    last = {"minutes"} if len(words) > 1 and words[-1] == "min" else set()
    return {_UNITS[word] for word in words if word in _UNITS} | last


def _role_with_unit(words: Sequence[str]) -> tuple[str | None, str | None]:
    """The meaning of words one of which is a unit, such as ``start ms``, ``first frame`` or ``end in seconds``."""
    units = _units_in(words)
    rest = [word for word in words if word not in _UNITS and word not in ("in", "min", "number", "no", "nr", "index")]
    role = _ROLES.get("".join(rest) or "time")
    if role == "time" and "min" in words:
        return None, None  # the least time of something, rather
    if rest in (["first"], ["last"]) and units == {"frames"}:
        role = "start" if rest == ["first"] else "end"
    return (role, units.pop()) if len(units) == 1 and role in _TIMES else (None, None)


def _bracketed_unit(inside: str) -> str | None:
    text = inside.strip().rstrip(")]").strip().casefold()
    if re.fullmatch(r"\[?(h{1,2}\]?:)?m{1,2}:s{1,2}([.,:][a-z0]+)?", text):  # h:mm:ss: the values say so, too
        return None
    return _BRACKETED_UNITS.get(text.removeprefix("in "), UNKNOWN)


# -- the columns of a table --------------------------------------------------------------------------------------


def find_columns(
    header: Sequence[str], source: object, roles: Collection[str], options: ReadOptions
) -> dict[str, Column]:
    """The columns of a table by what they hold: those that the options name, else those of our names, else synonyms.

    Args:
        header: names of all columns.
        source: the file, for messages.
        roles: what is read: ``video``, ``start``, ``end``, ``label`` and others.
        options: ``columns`` names columns; ``times`` chooses between times in different units.

    Raises:
        InputError: a column that the options name is missing, or several columns could be one.
    """
    found = _given_columns(header, source, options.columns)
    taken = {column.place for column in found.values()}
    free = [(place, name) for place, name in enumerate(header) if place not in taken]
    for role in roles:
        if role in found or role in (LENGTH, INDIVIDUAL):
            continue
        named = [Column(name, place) for place, name in free if name.strip().lower() == role]
        column = _only(role, named or _similar(role, free, options), source, same=bool(named))
        if column:
            found[role] = column
    return {role: column for role, column in found.items() if role in roles}


def _given_columns(header: Sequence[str], source: object, given: Mapping[str, str]) -> dict[str, Column]:
    found = {}
    for role, name in given.items():
        place = next((i for i, each in enumerate(header) if each.strip().casefold() == name.strip().casefold()), None)
        if place is None:
            expected = f"a column of {source}: {listed([repr(each) for each in header if each], 12)}"
            raise InputError("--columns", expected=expected, found=f"{role}={name}", fix="correct the name")
        found[role] = Column(header[place], place, _unit_of(header[place]))
    return found


def _similar(role: str, free: Sequence[tuple[int, str]], options: ReadOptions) -> list[Column]:
    columns = [
        Column(name, place, meaning.unit)
        for place, name in free
        if (meaning := meaning_of(name)) and meaning.role == role
    ]
    chosen = [column for column in columns if options.times and column.unit == options.times]
    forms = [re.split(_ELAN_FORM, column.name) for column in columns]
    if len(chosen) != 1 and all(len(form) == 2 and form[0] == forms[0][0] for form in forms):
        return columns[:1]  # ELAN writes every time in several forms
    return chosen if len(chosen) == 1 else columns


def _only(role: str, columns: Sequence[Column], source: object, *, same: bool) -> Column | None:
    """The one column of a role, if any."""
    if len(columns) <= 1:
        return columns[0] if columns else None
    if same:
        raise InputError(source, expected="every column once", found=f"{role} twice", fix="remove or rename one")
    names = [column.name for column in columns]
    raise InputError(
        source,
        expected=f"one column for the {role}",
        found=" and ".join(map(repr, names)),
        fix=f"say which with --columns {role}={shown(names[0])[1:-1]} ({commands_for(role)}), or remove one",
    )


def commands_for(role: str) -> str:
    """The commands whose ``--columns`` names a column of this role."""
    return "rcl export; elsewhere, call it 'score'" if role == "score" else "rcl import, rcl fit"


def warn_of_others(header: Sequence[str], source: object, read: Collection[Column]) -> None:
    """Name the columns that are not read, but for those that are meant for people."""
    places = {column.place for column in read}
    left = [
        (place, name)
        for place, name in enumerate(header, 1)
        if place - 1 not in places and name.lower() not in _FOR_PEOPLE
    ]
    if left:
        names = ", ".join(repr(name) if name else f"{place} (without a name)" for place, name in left)
        log.warning("%s: the columns %s are not read", source, names)
