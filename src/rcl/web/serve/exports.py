"""The labels of a page as files of other tools, to download."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rcl.data.annotations import Annotations
from rcl.data.formats.boris import writing as boris
from rcl.data.formats.elan import writing as elan
from rcl.data.formats.exported import Exported
from rcl.data.formats.tables import table
from rcl.system.errors import InputError, listed, shown
from rcl.web.serve.annotation_file import AnnotationFile
from rcl.web.serve.videos import Video

FORMATS = {"boris": "labels.boris", "elan": "labels-elan.zip", "csv": "labels.csv"}


class Download(NamedTuple):
    """A file to download.

    Args:
        name: of the file.
        content: its bytes.
        lost: what its format cannot keep, in words for the user.
    """

    name: str
    content: bytes
    lost: list[str]


def exported_labels(annotations: AnnotationFile, videos: Mapping[str, Video], format_: str) -> Download:
    """The labels as a project of BORIS, as a ZIP archive of ELAN's files, or as a table.

    Args:
        annotations: the labels.
        videos: by key; their files are named in the projects.
        format_: ``boris``, ``elan`` or ``csv``.

    Raises:
        InputError: the format is another one, there are no labels, or they are damaged.
    """
    if format_ not in FORMATS:
        raise InputError("export", expected=listed([*FORMATS]), found=shown(format_), fix="correct it")
    labels = Annotations(annotations.read(), source=str(annotations.path))
    if not labels.videos:
        fix = "press Done in a video first"
        raise InputError(annotations.path, expected="labels to export", found="none", fix=fix)
    shown_videos = [video for video in videos.values() if video.name in labels.videos]
    files = {video.name: video.path.absolute() for video in shown_videos if video.path}
    exported, name = Exported.of(labels, files), FORMATS[format_]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if format_ == "elan":
            lost = elan.write(exported, Path(folder) / "eaf")
            return Download(name, _zipped(Path(folder) / "eaf"), lost)
        lost = boris.write(exported, path) if format_ == "boris" else table.write(labels, path)
        return Download(name, path.read_bytes(), lost)


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, str(file.relative_to(folder)))
    return content.getvalue()
