"""Annotation files of ELAN (Wittenburg et al., LREC 2006), up to format EAF 3.0, one for each video: reading."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from rcl.data.annotations import Annotations
from rcl.data.formats.elan.labels import Row, warn_of_labels, warn_of_left_out
from rcl.data.formats.elan.times import Times, read_times
from rcl.data.formats.exported import KEY, Instance, instance_of, name_in, stem_of, video_of
from rcl.data.formats.markup import parse_xml
from rcl.data.formats.media import choose_media, is_audio, path_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import Pair, to_number, to_segment
from rcl.system.errors import Defect, Problems, listed, located, shown

log = logging.getLogger("rcl")


def parse(text: str, source: str, *, file_name: str, options: ReadOptions | None = None) -> Annotations:
    """Annotations of the tiers: the label is their value, or the name of the tier where that is empty.

    Annotations that refer to others, and have no times of their own, are left out with a warning, unless their tier is
    asked for. The name of the video is that of the first linked file that is not sound.

    Args:
        text: the content of the file.
        source: the file, for messages.
        file_name: of the annotation file, from which the video has its name if no file is linked.
        options: ``tiers``, ``tier_as_label``, ``annotator`` of the tiers, ``media``, and ``times`` with ``fps`` where
            the unit is not milliseconds.

    Raises:
        InputError: the text is damaged or of another kind, or a value in it is wrong.
    """
    options = options or ReadOptions()
    with located(source):
        root = parse_xml(text, root="ANNOTATION_DOCUMENT", tool="ELAN")
        facts = _facts_in(root)
        media, offset = _media_in(root, options, source, named=bool(name_in(facts)))
        _keep_tiers_of(root, options.annotator)
        times = read_times(root, source, unit=_unit(root, options), offset=offset)
        content = _Document(root, times)
        instances = _instances_of(content, options, source)
        video = video_of(name_in(facts) or stem_of(media or file_name), instances, facts)
    return Annotations({video.name: video}, source=source)


# -- header ------------------------------------------------------------------------------------------------------


def _facts_in(root: Element) -> object:
    """What we wrote ourselves."""
    facts: Any = None
    for item in root.iterfind("HEADER/PROPERTY"):
        if item.get("NAME") == KEY:
            try:
                facts = json.loads(item.text or "")
            except (ValueError, RecursionError):
                fix = "remove the property"
                raise Defect(expected=f"what we wrote as property {KEY!r}", found=shown(item.text), fix=fix) from None
    return facts


def _unit(root: Element, options: ReadOptions) -> float:
    """Milliseconds of a step of the times."""
    header = root.find("HEADER")
    stated = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    given = options.seconds_per_unit
    if given is None and (options.times or stated) != "milliseconds":
        fix = "save it again in ELAN, or say what they are with --times, for frames with --fps"
        raise Defect(expected="times in milliseconds", found=options.times or stated, fix=fix)
    return 1.0 if given is None or options.times == "milliseconds" else given * 1000


def _media_in(root: Element, options: ReadOptions, source: str, *, named: bool) -> tuple[str | None, float]:
    """The file that is the video, and the time in it, in milliseconds, at which ELAN is at 0."""
    linked = root.findall("HEADER/MEDIA_DESCRIPTOR")
    addresses = {item.get("MEDIA_URL") for item in linked} - {""}
    linked = [item for item in linked if item.get("EXTRACTED_FROM", "") not in addresses]  # the sound of a video
    files = [_address_of(item) for item in linked]
    linked = [item for item, file in zip(linked, files, strict=True) if file]
    files = [file for file in files if file]
    if not files:
        header = root.find("HEADER")  # files of before 2004 name the video there
        return options.media or (None if header is None else header.get("MEDIA_FILE")) or None, 0.0
    chosen, sure = choose_media(files, options.media)
    if not sure and not named:
        whole = "sound" if is_audio(files[chosen]) else f"{len(files)} media files"
        message = "%s: links %s; the video is taken to be %r; --media names another"
        log.warning(message, source, whole, stem_of(files[chosen]))
    return files[chosen], to_number(linked[chosen].get("TIME_ORIGIN", 0), "TIME_ORIGIN")


def _address_of(item: Element) -> str:
    """The path of a linked file; of sound that was taken out of a video, that of the video."""
    address = item.get("RELATIVE_MEDIA_URL") or item.get("MEDIA_URL") or ""
    if is_audio(address):
        address = item.get("EXTRACTED_FROM") or address
    return path_of(address) if "://" in address else unquote(address)


# -- annotations -------------------------------------------------------------------------------------------------


class _Document:
    """Annotations by their identifiers: those that refer to others have the times of these."""

    def __init__(self, root: Element, times: Times) -> None:
        self.tiers = [(tier, tier.get("TIER_ID", "")) for tier in root.iterfind("TIER")]
        self.times = times
        aligned = root.iterfind("TIER/ANNOTATION/ALIGNABLE_ANNOTATION")
        self._aligned = {item.get("ANNOTATION_ID", ""): item for item in aligned}
        self._parents = dict[str, tuple[str, int, int]]()  # with the position among its siblings, and their number
        for tier, _ in self.tiers:
            siblings = defaultdict[str, list[str]](list)
            for item in tier.iterfind("ANNOTATION/REF_ANNOTATION"):
                siblings[item.get("ANNOTATION_REF", "")].append(item.get("ANNOTATION_ID", ""))
            for parent, items in siblings.items():
                self._parents |= {key: (parent, place, len(items)) for place, key in enumerate(items)}
        self._words = dict(_vocabulary(root))

    def segment(self, item: Element) -> Pair | None:
        """Start and end in seconds; ``None`` where they are not known.

        Several annotations that refer to the same one divide its time evenly, as ELAN shows them.
        """
        parts = list[tuple[int, int]]()
        key = item.get("ANNOTATION_ID", "")
        for _ in self.tiers:  # a chain has one annotation of each at most; a circle would have no end
            if key not in self._parents:
                break
            key, place, count = self._parents[key]
            parts.append((place, count))
        owner = self._aligned.get(key) if parts or item.tag == "REF_ANNOTATION" else item
        if owner is None:
            return None
        start, end = (self.times.at(owner.get(name)) for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
        if start is None or end is None:
            return None
        for place, count in reversed(parts):
            step = (end - start) / count
            start, end = start + place * step, end if place + 1 == count else start + (place + 1) * step
        return to_segment(start, end)

    def value(self, item: Element) -> str:
        """The text of an annotation, or the entry of the vocabulary that it refers to."""
        return (item.findtext("ANNOTATION_VALUE") or "").strip() or self._words.get(item.get("CVE_REF", ""), "")


def _vocabulary(root: Element) -> Iterable[tuple[str, str]]:
    for entry in root.iterfind("CONTROLLED_VOCABULARY/CV_ENTRY_ML"):
        if value := (entry.findtext("CVE_VALUE") or "").strip():
            yield entry.get("CVE_ID", ""), value


def _keep_tiers_of(root: Element, annotator: str | None) -> None:
    """Remove the tiers of other annotators."""
    people = {tier: tier.get("ANNOTATOR", "") for tier in root.findall("TIER")}
    if annotator is None:
        return
    if annotator.casefold() not in map(str.casefold, people.values()):
        found = listed(sorted({repr(person) for person in people.values() if person})) or "no names of annotators"
        raise Defect(expected=f"tiers of the annotator {annotator!r}", found=found, fix="correct --annotator")
    for tier, person in people.items():
        if person.casefold() != annotator.casefold():
            root.remove(tier)


def _instances_of(document: _Document, options: ReadOptions, source: str) -> list[Instance]:
    """Instances by time."""
    names = {name for _, name in document.tiers}
    rows, refers, timeless, problems = list[Row](), Counter[str](), Counter[str](), Problems()
    _check_tiers(names, options.tiers)
    for tier, name in document.tiers:
        second = re.fullmatch(r"(.+) \(\d+\)", name, re.DOTALL)  # what `elan.write` makes of annotations that overlap
        label = second[1] if second and second[1] in names else name
        if options.tiers and not {name, label} & {*options.tiers}:
            continue
        refers[name] += 0 if options.tiers else len(tier.findall("ANNOTATION/REF_ANNOTATION"))
        kinds = ("ALIGNABLE_ANNOTATION", *(("REF_ANNOTATION",) if options.tiers else ()))
        for item in (item for kind in kinds for item in tier.iterfind(f"ANNOTATION/{kind}")):
            with problems.located(f"{source}, tier {name!r}, annotation {item.get('ANNOTATION_ID')!r}"):
                segment, value = document.segment(item), document.value(item)
                if segment is None:
                    (timeless if item.tag == "ALIGNABLE_ANNOTATION" else refers)[name] += 1
                    continue
                chosen = label if options.tier_as_label or not value else value
                rows.append(Row(label, instance_of(*segment, chosen), value, bool(item.get("CVE_REF"))))
    problems.raise_first()
    warn_of_left_out(refers, timeless, source, asked=bool(options.tiers))
    if not options.tier_as_label:
        warn_of_labels(rows, source, asked=bool(options.tiers))
    return sorted((row.instance for row in rows), key=lambda instance: instance[:2])


def _check_tiers(names: Iterable[str], wanted: Sequence[str]) -> None:
    if wanted and not {*wanted} & {*names}:
        found = listed([repr(name) for name in sorted(names)], 10) or "none"
        raise Defect(expected=f"a tier {wanted[0]!r}", found=found, fix="correct --tier")
