"""The tables of Charades (Sigurdsson et al., ECCV 2016): one row for each video, with all its actions."""

from __future__ import annotations

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import Instance, add_video, instance_of, video_of
from rcl.data.formats.media_names import subset_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_optional, to_segment
from rcl.system.errors import Defect, Problems, located
from rcl.system.text_formats import columns_of, parse_csv

_OTHERS = ("subject", "scene", "quality", "relevance", "verified", "script", "objects", "descriptions", "egocentric")


def is_charades(text: str) -> bool:
    """Whether a table is one of Charades, judged by its header."""
    return {"id", "actions", "length", "script"} <= {*columns_of(text)}


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a table ``id,subject,scene,…,actions,length``.

    Labels are the codes of the classes, such as ``c092``.

    Args:
        text: the content of the file.
        source: the file, for messages.
        options: ``subset`` of all videos; by default what the name of the file says.

    Raises:
        InputError: the table is damaged, or a value is wrong.
    """
    videos, problems = dict[str, VideoAnnotation](), Problems()
    with located(source):
        subset = subset_of(source, options.subset if options else None)
    for line, fields in parse_csv(text, source, ("id", "actions", "length"), _OTHERS):
        row = {key: value.strip() for key, value in fields.items()}
        with problems.located(f"{source}, line {line}, video {row['id']!r}"):
            if not row["id"]:
                raise Defect(expected="the id of a video", found="none", fix="add it")
            instances = [_instance(part) for part in row["actions"].split(";") if part.strip()]
            duration = to_optional(row["length"] or None, "length")
            add_video(videos, video_of(row["id"], instances, {"subset": subset, "duration": duration}))
    problems.raise_first()
    return Annotations(videos, source=source)


def _instance(part: str) -> Instance:
    words = part.split()
    if len(words) != 3:
        raise Defect(expected="actions as 'c092 11.90 21.20;…'", found=repr(part), fix="correct the action")
    return instance_of(*to_segment(words[1], words[2]), words[0])
