"""Annotation files of ELAN (Wittenburg et al., LREC 2006), format EAF 3.0, one for each video."""

from __future__ import annotations

import json
import logging
import mimetypes
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from rcl.data.annotations import Annotations
from rcl.data.formats.exported import KEY, Exported, Instance, file_names, instance_of, name_in, stem_of, video_of
from rcl.data.formats.values import to_number, to_segment
from rcl.system.errors import Defect, InputError, Problems, counted, located, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import write_text

log = logging.getLogger("rcl")

MANY_LABELS = 40
"""With more labels, a file has tiers only for those of its video; else it has one for each, for new annotations."""

_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPE = "default-lt"
_CONSTRAINTS = {  # every file of ELAN lists them
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, "
    "no time gaps allowed within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. "
    "Annotations refering to the same parent are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}


# -- writing -----------------------------------------------------------------------------------------------------


def write(exported: Exported, folder: PathLike) -> list[str]:
    """Write a file for every video: a tier for each label, with the label as the value of its annotations.

    Annotations of one tier may not overlap in ELAN, so where those of one label do, there is a second tier.

    Args:
        exported: the content.
        folder: to write ``VIDEO.eaf`` to; made if missing.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: two videos would have the same file, a file exists already (it may hold corrections), a label has
            characters that XML cannot hold, or the folder cannot be written to.
    """
    folder = Path(folder)
    files = file_names([*exported.instances], ".eaf")
    for name in files.values():
        if os.path.exists(folder / name):  # unlike Path.exists, this takes names of any length
            fix = "choose another folder or remove it"
            raise InputError(folder / name, expected="no file yet", found="one that may hold corrections", fix=fix)
    if any(_NO_XML.search(label) for label in exported.labels()):
        label = next(label for label in exported.labels() if _NO_XML.search(label))
        raise InputError(f"label {label!r}", expected="text", found="a control character", fix="rename the label")
    shared = exported.labels() if len(exported.labels()) <= MANY_LABELS else []
    for name, file in files.items():
        root = _document(exported, name, folder, shared)
        ElementTree.indent(root, "    ")
        text = ElementTree.tostring(root, encoding="unicode").replace("\r", "&#13;")  # or it would be read as \n
        write_text(folder / file, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')
    return [*exported.changed, *_losses(exported.all(), scored=exported.scored)]


def _losses(instances: Sequence[Instance], *, scored: bool) -> list[str]:
    times = [time for instance in instances for time in instance[:2]]
    short = sum(_milliseconds(i)[1] != round(i.end_seconds * 1000) for i in instances)
    return [
        *(["scores"] if scored and instances else []),
        *(["times finer than a millisecond"] if any(abs(round(t * 1000) - t * 1000) > 1e-6 for t in times) else []),
        *([f"lengths under 1 ms ({short} instances last 1 ms)"] if short else []),
    ]


def _milliseconds(instance: Instance) -> tuple[int, int]:
    start = round(instance.start_seconds * 1000)
    return start, max(round(instance.end_seconds * 1000), start + 1)


def _document(exported: Exported, name: str, folder: Path, shared: Sequence[str]) -> ElementTree.Element:
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "RCL",
            "DATE": datetime.now().astimezone().isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    header.append(ElementTree.Element("MEDIA_DESCRIPTOR", _media(exported, name, folder)))
    ElementTree.SubElement(header, "PROPERTY", NAME=KEY).text = json.dumps(exported.facts(name))
    instances = exported.instances[name]
    ElementTree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(len(instances))
    slots = ElementTree.SubElement(root, "TIME_ORDER")
    times = sorted({time for instance in instances for time in _milliseconds(instance)})
    slot_of = {time: f"ts{number}" for number, time in enumerate(times, 1)}
    for time, slot in slot_of.items():
        ElementTree.SubElement(slots, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    number = 0
    for tier_id, items in _tiers(instances, shared).items():
        tier = ElementTree.SubElement(root, "TIER", TIER_ID=tier_id, LINGUISTIC_TYPE_REF=_TYPE)
        for instance in items:
            number += 1
            start, end = _milliseconds(instance)
            place = {"TIME_SLOT_REF1": slot_of[start], "TIME_SLOT_REF2": slot_of[end]}
            around = ElementTree.SubElement(tier, "ANNOTATION")
            aligned = ElementTree.SubElement(around, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **place})
            ElementTree.SubElement(aligned, "ANNOTATION_VALUE").text = instance.label
    kind = {"LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", kind)
    for stereotype, description in _CONSTRAINTS.items():
        ElementTree.SubElement(root, "CONSTRAINT", STEREOTYPE=stereotype, DESCRIPTION=description)
    return root


def _media(exported: Exported, name: str, folder: Path) -> dict[str, str]:
    """Where the video is; ELAN looks for one that is not known in the folder of its file."""
    file, media = exported.files.get(name), exported.media_of(name)
    kind = mimetypes.guess_type(media)[0] or ""
    relative = quote(media, safe="", errors="replace")
    address = f"file:///{relative}"
    if file is not None:
        address, relative = file.resolve().as_uri(), Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
        relative = quote(relative, errors="replace")
    kind = kind if kind.startswith("video/") else "video/*"
    return {"MEDIA_URL": address, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": f"./{relative}"}


def _tiers(instances: Sequence[Instance], shared: Sequence[str]) -> dict[str, list[Instance]]:
    """Tiers without overlaps; the first of each label has its name."""
    labels = sorted({*shared, *(instance.label for instance in instances)})
    tiers: dict[str, list[Instance]] = {label: [] for label in labels}
    names = {label: [label] for label in labels}
    for instance in sorted(instances, key=_milliseconds):
        own, start = names[instance.label], _milliseconds(instance)[0]
        free = (name for name in own if not tiers[name] or _milliseconds(tiers[name][-1])[1] <= start)
        name = next(free, None)
        if name is None:
            name = next(n for i in range(2, len(tiers) + 3) if (n := f"{instance.label} ({i})") not in tiers)
            tiers[name] = []
            own.append(name)
        tiers[name].append(instance)
    return tiers


# -- reading -----------------------------------------------------------------------------------------------------


class _Builder(ElementTree.TreeBuilder):
    """Refuses what ELAN never writes: a document type, with which a small file can grow without limit."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Defect(expected="XML without a document type", found=f"<!DOCTYPE {name}>", fix="save it again in ELAN")


def parse(text: str, source: str, *, file_name: str) -> Annotations:
    """Annotations of all tiers: the label is their value, or the name of the tier where that is empty.

    Annotations without times of their own, such as those that refer to others, are left out with a warning. The name
    of the video is that of the first linked file.

    Args:
        text: the content of the file.
        source: the file, for messages.
        file_name: of the annotation file, from which the video has its name if no file is linked.

    Raises:
        InputError: the text is damaged or of another kind, or a value in it is wrong.
    """
    with located(source):
        root = _parse_xml(text)
        media, facts, offset = _header(root)
        times = _times(root)
        instances, others = _instances_of(root, times, offset, source)
        if others:
            log.warning("%s: left out %s without times of their own", source, counted(others, "annotation"))
        video = video_of(name_in(facts) or stem_of(media or file_name), instances, facts)
    return Annotations({video.name: video}, source=source)


def _parse_xml(text: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(text, ElementTree.XMLParser(target=_Builder()))
    except ElementTree.ParseError as error:
        line, column = error.position
        found = f"{error.msg.partition(':')[0]} at line {line}, column {column}"
        raise Defect(expected="complete XML", found=found, fix="save it again in ELAN") from None
    if root.tag != "ANNOTATION_DOCUMENT":
        fix = "save it again in ELAN"
        raise Defect(expected="an <ANNOTATION_DOCUMENT> of ELAN", found=f"<{root.tag}>", fix=fix)
    return root


def _header(root: ElementTree.Element) -> tuple[str | None, object, float]:
    """The linked file, what we wrote ourselves, and the time in the video, in milliseconds, at which ELAN is at 0."""
    header = root.find("HEADER")
    if header is None:
        return None, None, 0.0
    units = header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise Defect(expected="times in milliseconds", found=units, fix="save it again in ELAN")
    facts: Any = None
    for item in header.iterfind("PROPERTY"):
        if item.get("NAME") == KEY:
            try:
                facts = json.loads(item.text or "")
            except (ValueError, RecursionError):
                fix = "remove the property"
                raise Defect(expected=f"what we wrote as property {KEY!r}", found=shown(item.text), fix=fix) from None
    linked = header.find("MEDIA_DESCRIPTOR")
    if linked is None:
        return None, facts, 0.0
    address = unquote(linked.get("RELATIVE_MEDIA_URL") or linked.get("MEDIA_URL") or "")
    return address or None, facts, to_number(linked.get("TIME_ORIGIN", 0), "TIME_ORIGIN")


def _times(root: ElementTree.Element) -> dict[str, float | None]:
    """Time slots in milliseconds; ``None`` for those that ELAN spreads between others."""
    times: dict[str, float | None] = {}
    for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
        value, key = slot.get("TIME_VALUE"), slot.get("TIME_SLOT_ID", "")
        times[key] = None if value is None else to_number(value, f"TIME_VALUE of time slot {key!r}")
    return times


def _instances_of(
    root: ElementTree.Element, times: dict[str, float | None], offset: float, source: str
) -> tuple[list[Instance], int]:
    """Instances by time, and the number of annotations without times."""
    tiers = [(tier, tier.get("TIER_ID", "")) for tier in root.iterfind("TIER")]
    names = {name for _, name in tiers}
    instances, others, problems = list[Instance](), 0, Problems()
    for tier, name in tiers:
        second = re.fullmatch(r"(.+) \(\d+\)", name, re.DOTALL)  # what `write` makes for annotations that overlap
        label = second[1] if second and second[1] in names else name
        others += len(tier.findall("ANNOTATION/REF_ANNOTATION"))
        for item in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
            with problems.located(f"{source}, tier {name!r}, annotation {item.get('ANNOTATION_ID')!r}"):
                start, end = (_time(times, item.get(key)) for key in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
                if start is None or end is None:
                    others += 1
                    continue
                segment = to_segment((start + offset) / 1000, (end + offset) / 1000)
                value = item.findtext("ANNOTATION_VALUE") or ""
                instances.append(instance_of(*segment, value if value.strip() else label))
    problems.raise_first()
    return sorted(instances, key=lambda instance: instance[:2]), others


def _time(times: dict[str, float | None], slot: str | None) -> float | None:
    if slot is None or slot not in times:
        raise Defect(expected="a time slot of the file", found=repr(slot), fix="save it again in ELAN")
    return times[slot]
