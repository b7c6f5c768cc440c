"""Projects of VIA 3, the VGG Image Annotator (Dutta and Zisserman, ACM MM 2019), with temporal segments of videos."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import KEY, Exported, Instance, add_video, instance_of, name_in, stem_of, video_of
from rcl.data.formats.values import to_segment
from rcl.system.errors import Defect, Problems, counted, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json

log = logging.getLogger("rcl")

_ANCHOR = "FILE1_Z2_XY0"  # of an attribute of temporal segments
_TEXT, _CHECKBOX, _SELECT = 1, 2, 4  # types of attributes
_VIDEO = 4  # type of a file
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
    label = {"aname": "TEMPORAL-SEGMENTS", "type": _SELECT, "desc": "Label of the action", "options": options}
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


def parse(data: dict[str, Any], source: str) -> Annotations:
    """Annotations of a project: its temporal segments.

    Their label is the attribute that VIA groups them by: the first of temporal segments. Regions, marks of single
    frames and attributes of files are left out with a warning.

    Args:
        data: the content of the file; see :func:`is_via`.
        source: the file, for messages.

    Raises:
        InputError: a value is wrong.
    """
    instances: dict[str, list[Instance]] = {view: [] for view in data["view"]}
    others, problems = 0, Problems()
    for key, item in data["metadata"].items():
        with problems.located(f"{source}, metadata {key!r}"):
            if not isinstance(item, dict) or str(item.get("vid")) not in instances:
                raise Defect(expected="metadata of one of the views", found=shown(item), fix="correct or remove it")
            times, area = item.get("z"), item.get("xy")
            if not isinstance(times, list) or len(times) != 2 or area:
                others += 1
                continue
            segment = to_segment(*times)
            labels = _labels_of(item.get("av"), data["attribute"])
            instances[str(item["vid"])] += [instance_of(*segment, label) for label in labels]
    videos: dict[str, VideoAnnotation] = {}
    for view, found in instances.items():
        with problems.located(f"{source}, view {view!r}"):
            name, facts = _video_in(data, view)
            add_video(videos, video_of(name, found, facts))
    problems.raise_first()
    if others:
        log.warning("%s: left out %s other than temporal segments", source, counted(others, "item"))
    return Annotations(videos, source=source)


def _labels_of(values: object, attributes: dict[str, Any]) -> list[object]:
    """The label of a segment; several where the attribute is a checkbox."""
    for key, attribute in attributes.items():
        if isinstance(attribute, dict) and attribute.get("anchor_id") == _ANCHOR:
            value = values.get(key) if isinstance(values, dict) else None
            options = attribute.get("options")
            options = options if isinstance(options, dict) else {}
            several = attribute.get("type") == _CHECKBOX and isinstance(value, str) and value not in options
            chosen = value.split(",") if several and isinstance(value, str) else [value]
            return [options.get(option, option) if isinstance(option, str) else option for option in chosen]
    fix = "define one in VIA's attribute editor"
    raise Defect(expected="an attribute of temporal segments", found="none in the project", fix=fix)


def _video_in(data: dict[str, Any], view: str) -> tuple[str, object]:
    content = data["view"][view]
    files = content.get("fid_list") if isinstance(content, dict) else None
    file = data["file"].get(str(files[0])) if isinstance(files, list) and len(files) == 1 else None
    if not isinstance(file, dict):
        raise Defect(expected="a view of one file of the project", found=shown(content), fix="remove the view")
    facts = file.get(KEY)
    own = name_in(facts)
    return own or stem_of(str(file.get("fname") or file.get("src") or "")), facts
