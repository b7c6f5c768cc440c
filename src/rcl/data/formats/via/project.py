"""Projects of VIA 3, the VGG Image Annotator (Dutta and Zisserman, ACM MM 2019), with temporal segments of videos."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import (
    KEY,
    Exported,
    Instance,
    add_video,
    instance_of,
    name_in,
    names_of,
    stem_of,
    video_of,
)
from rcl.data.formats.media import choose_media, path_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_segment
from rcl.system.errors import Defect, InputError, Problems, counted, listed, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json

log = logging.getLogger("rcl")

_NAME = "TEMPORAL-SEGMENTS"  # of the attribute that VIA makes in a new project
_ANCHOR = "FILE1_Z2_XY0"  # of an attribute of temporal segments
_ANCHOR_END = "_Z2_XY0"  # likewise, also in views of several files
_TEXT, _CHECKBOX, _SELECT = 1, 2, 4  # types of attributes
_IMAGE, _VIDEO, _AUDIO = 2, 4, 8  # types of files
_LOCAL, _URI = 1, 3  # where a file is: VIA asks the user, or at a file:// address


def is_via(data: dict[str, Any]) -> bool:
    """Whether a JSON object is a project of VIA 3."""
    return all(isinstance(data.get(key), dict) for key in ("project", "attribute", "file", "view", "metadata"))


def write(exported: Exported, path: PathLike) -> list[str]:
    """Write one project with all videos. Times and scores keep full precision.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path does not end in ``.json`` or cannot be written.
    """
    extension_of(Path(path), (".json",))
    files: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for number, (name, instances) in enumerate(exported.instances.items(), 1):
        known = exported.files.get(name)
        place = {"loc": _URI, "src": known.resolve().as_uri()} if known else {"loc": _LOCAL, "src": ""}
        media = exported.media_of(name)
        files[str(number)] = {"fid": str(number), "fname": media, "type": _VIDEO, **place, KEY: exported.facts(name)}
        for index, instance in enumerate(instances, 1):
            metadata[f"{number}_{index:06}"] = _metadata_of(str(number), instance)
    project = {
        "project": _project([*files]),
        "config": _config(),
        "attribute": _attributes(exported),
        "file": files,
        "metadata": metadata,
        "view": {number: {"fid_list": [number]} for number in files},
    }
    write_json(path, project)
    return [*exported.changed]


def _metadata_of(view: str, instance: Instance) -> dict[str, Any]:
    score = {} if instance.score is None else {"2": repr(instance.score)}
    times = [instance.start_seconds, instance.end_seconds]
    return {"vid": view, "flg": 0, "z": times, "xy": [], "av": {"1": instance.label, **score}}


def _attributes(exported: Exported) -> dict[str, Any]:
    """The segments are grouped by the first attribute, whose options VIA offers for new ones."""
    shared = {"anchor_id": _ANCHOR, "default_option_id": ""}
    options = {label: label for label in exported.labels()}
    label = {"aname": _NAME, "type": _SELECT, "desc": "Label of the action", "options": options}
    score = {"aname": "score", "type": _TEXT, "desc": "Score of the detection", "options": {}}
    return {"1": {**label, **shared}, **({"2": {**score, **shared}} if exported.scored else {})}


def _project(views: list[str]) -> dict[str, Any]:
    return {
        "pid": "__VIA_PROJECT_ID__",  # these three mark a project that is not shared on a server
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": "RCL",
        "creator": "RCL",
        "created": int(time.time() * 1000),
        "data_format_version": "3.1.1",
        "vid_list": views,
    }


def _config() -> dict[str, Any]:
    return {
        "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
        "ui": {
            "file_content_align": "center",
            "file_metadata_editor_visible": True,
            "spatial_metadata_editor_visible": True,
            "temporal_segment_metadata_editor_visible": True,
            "spatial_region_label_attribute_id": "",
            "gtimeline_visible_row_count": "4",
        },
    }


# -- reading -----------------------------------------------------------------------------------------------------


def parse(data: dict[str, Any], source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a project: its temporal segments.

    Their label is the attribute named TEMPORAL-SEGMENTS, or the first of temporal segments, by which VIA groups them.
    Other attributes, regions, marks of single frames and attributes of files are left out with a warning.

    Args:
        data: the content of the file; see :func:`is_via`.
        source: the file, for messages.
        options: ``tiers``: names of the attributes that label; ``media``: which file of a view with several is the
            video, by default the first that is not sound.

    Raises:
        InputError: a value is wrong.
    """
    options = options or ReadOptions()
    labelling = _labelling(data["attribute"], options.tiers, source)
    instances: dict[str, list[Instance]] = {view: [] for view in data["view"]}
    left_out, unlisted, problems = Counter[str](), Counter[str](), Problems()
    for key, item in data["metadata"].items():
        with problems.located(f"{source}, metadata {key!r}"):
            if not isinstance(item, dict) or str(item.get("vid")) not in instances:
                raise Defect(expected="metadata of one of the views", found=shown(item), fix="correct or remove it")
            times, area, values = item.get("z"), item.get("xy"), item.get("av")
            if not isinstance(times, list) or len(times) != 2 or area:
                left_out[""] += 1
                continue
            segment = to_segment(*times)
            labels = _labels_of(values, labelling)
            instances[str(item["vid"])] += [instance_of(*segment, label) for label in labels]
            unlisted.update(_unlisted(values, labelling))
            left_out.update(key for key in (values if isinstance(values, dict) else ()) if key not in labelling)
    problems.raise_first()
    if others := left_out.pop("", 0):
        log.warning("%s: left out %s other than temporal segments", source, counted(others, "item"))
    if unlisted:
        message = "%s: labels that are no options of the attribute in VIA: %s; are they meant?"
        log.warning(message, source, listed([f"{label!r} ({count})" for label, count in unlisted.items()]))
    _warn_of_attributes(data["attribute"], labelling, left_out, source)
    return Annotations(_named(data, instances, options, source), source=source)


# -- attributes --------------------------------------------------------------------------------------------------


def _labelling(attributes: dict[str, Any], wanted: Sequence[str], source: str) -> dict[str, Any]:
    """The attributes that label temporal segments."""
    own = {
        key: attribute
        for key, attribute in attributes.items()
        if isinstance(attribute, dict) and str(attribute.get("anchor_id")).endswith(_ANCHOR_END)
    }
    if wanted:
        names = [attribute.get("aname") for attribute in own.values()]
        if missing := [name for name in wanted if name not in names]:
            found = listed([repr(name) for name in names]) or "none"
            expected = f"an attribute {missing[0]!r} of temporal segments"
            raise InputError(source, expected=expected, found=found, fix="correct --tier")
        return {key: attribute for key, attribute in own.items() if attribute.get("aname") in wanted}
    named = [key for key, attribute in own.items() if str(attribute.get("aname")).upper() == _NAME]
    return {key: own[key] for key in [*named, *own][:1]}


def _labels_of(values: object, labelling: dict[str, Any]) -> list[object]:
    """The labels of a segment; several where there are several attributes, or one is a checkbox."""
    if not labelling:
        fix = "define one in VIA's attribute editor"
        raise Defect(expected="an attribute of temporal segments", found="none in the project", fix=fix)
    known = values if isinstance(values, dict) else {}
    given = [key for key in labelling if known.get(key) not in (None, "")] or [*labelling][:1]
    return [label for key in given for label in _chosen(known.get(key), labelling[key])]


def _chosen(value: object, attribute: dict[str, Any]) -> list[object]:
    options = _options(attribute)
    return [options.get(one, one) if isinstance(one, str) else one for one in _values(value, attribute)]


def _unlisted(values: object, labelling: dict[str, Any]) -> list[str]:
    """The values of a segment that are none of those that VIA offers, as it writes for a segment without one."""
    known = values if isinstance(values, dict) else {}
    return [
        one
        for key, attribute in labelling.items()
        if (options := _options(attribute)) and attribute.get("type") != _TEXT
        for one in _values(known.get(key), attribute)
        if isinstance(one, str) and one and one not in options
    ]


def _values(value: object, attribute: dict[str, Any]) -> list[object]:
    several = attribute.get("type") == _CHECKBOX and isinstance(value, str) and value not in _options(attribute)
    return [*value.split(",")] if several and isinstance(value, str) else [value]


def _options(attribute: dict[str, Any]) -> dict[str, Any]:
    options = attribute.get("options")
    return options if isinstance(options, dict) else {}


def _warn_of_attributes(
    attributes: dict[str, Any], labelling: dict[str, Any], left_out: Mapping[str, int], source: str
) -> None:
    names = {key: attributes[key].get("aname") for key in left_out if isinstance(attributes.get(key), dict)}
    others = [repr(name) for name in names.values() if name != "score"]  # those of detections
    if others and labelling:
        message = "%s: the label is the attribute %s; left out: %s; --tier chooses"
        label = listed([repr(attribute.get("aname")) for attribute in labelling.values()])
        log.warning(message, source, label, listed(others))


# -- videos ------------------------------------------------------------------------------------------------------


def _named(
    data: dict[str, Any], instances: Mapping[str, Sequence[Instance]], options: ReadOptions, source: str
) -> dict[str, VideoAnnotation]:
    files, problems = dict[str, dict[str, Any]](), Problems()
    unclear = images = 0
    for view, found in instances.items():
        with problems.located(f"{source}, view {view!r}"):
            file, sure = _file_in(data, view, options.media)
            if file.get("type") == _IMAGE and not found:
                images += 1
                continue
            unclear += not sure
            if not name_in(file.get(KEY)):
                stem_of(_path_of(file))  # it has one
            files[view] = file
    problems.raise_first()
    if images:
        log.warning("%s: left out %s", source, counted(images, "image"))
    if unclear:
        message = "%s: %s with several videos or with sound only; the first is taken; --media chooses"
        log.warning(message, source, counted(unclear, "view"))
    unnamed = [view for view in files if not name_in(files[view].get(KEY))]
    names = dict(zip(unnamed, names_of([_path_of(files[view]) for view in unnamed]), strict=True))
    videos: dict[str, VideoAnnotation] = {}
    for view, file in files.items():
        with problems.located(f"{source}, view {view!r}"):
            add_video(videos, video_of(names.get(view, ""), instances[view], file.get(KEY)))
    problems.raise_first()
    return videos


def _file_in(data: dict[str, Any], view: str, media: str | None) -> tuple[dict[str, Any], bool]:
    """The file that is the video of a view, and whether it is clear which."""
    content = data["view"][view]
    keys = content.get("fid_list") if isinstance(content, dict) else None
    files = [data["file"].get(str(key)) for key in keys] if isinstance(keys, list) else []
    known = [file for file in files if isinstance(file, dict)]
    if not known or len(known) < len(files):
        raise Defect(expected="a view of one file or more of the project", found=shown(content), fix="remove the view")
    if len(known) == 1 and media is None:
        return known[0], known[0].get("type") != _AUDIO
    chosen, sure = choose_media([_path_of(file) for file in known], media)
    return known[chosen], sure


def _path_of(file: dict[str, Any]) -> str:
    return path_of(str(file.get("fname") or file.get("src") or ""))
