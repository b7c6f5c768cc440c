"""Annotation files of ELAN (Wittenburg et al., LREC 2006), format EAF 3.0, one for each video: what is written.

`reading` reads what ELAN saved.
"""

from __future__ import annotations

import json
import mimetypes
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from rcl.data.formats.exported import KEY, Exported, Instance, check_new, file_names
from rcl.system.errors import InputError
from rcl.system.paths import PathLike
from rcl.system.text_files import write_text

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


def write(exported: Exported, folder: PathLike, *, replace: bool = False) -> list[str]:
    """Write a file for every video: a tier for each label, with the label as the value of its annotations.

    Annotations of one tier may not overlap in ELAN, so where those of one label do, there is a second tier.

    Args:
        exported: the content.
        folder: to write ``VIDEO.eaf`` to; made if missing.
        replace: existing files, which may hold corrections.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: two videos would have the same file, a file exists already and is not to be replaced, a label has
            characters that XML cannot hold, or the folder cannot be written to.
    """
    folder = Path(folder)
    files = file_names([*exported.instances], ".eaf")
    if not replace:
        check_new(folder, files.values())
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
