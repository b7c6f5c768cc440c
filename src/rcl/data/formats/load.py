"""Annotation files: each is opened once, recognized, and parsed by the module of its format."""

from __future__ import annotations

import logging
from collections.abc import Collection

from rcl.data.annotations import Annotations
from rcl.data.annotations import clip as clip_annotations
from rcl.data.detections import Detections
from rcl.data.formats import activitynet, bmn, outcome, thumos14
from rcl.data.formats.opening import filled, open_file, video_info_for
from rcl.data.formats.options import ReadOptions
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import extension_of, read_json, read_text, write_json

log = logging.getLogger("rcl")

OWN_FORMATS = ("activitynet", "table", "bmn", "thumos14")
"""Formats of annotations for training and evaluation; the others are those of annotation tools."""

# -- annotations -------------------------------------------------------------------------------------------------


def load_annotations(path: PathLike, *, clip: bool = True, options: ReadOptions | None = None) -> Annotations:
    """Read ground truth from ActivityNet's JSON, a CSV table, or a file of public code or of an annotation tool.

    JSON: ``{"database": {video: {"subset", "duration", "fps", "group", "reviewed": [[start, end]], "annotations":
    [{"segment": [start, end], "label"}]}}}``, in seconds and snippets per second. ``duration``, ``fps``, ``group``
    (what videos have in common, such as the person) and ``reviewed`` (what was looked at, by default all of the video)
    may be missing, ``annotations`` in testing videos.

    CSV: a header ``video,start,end,label`` and, if wanted, ``subset``, ``duration``, ``fps`` and ``group``, which may
    not differ between the rows of a video, and ``reviewed`` (``0-30;60-90``), of which all rows are added up. A row
    without start, end and label adds its video without an instance. In a table without a subset column every video is
    a training video. Tables of spreadsheets are read, too (``.xlsx``; semicolons, tabs, decimal commas, ``m:ss``,
    ``Start (ms)``), and so are rows of JSON.

    The JSON of BSN and BMN and the CSV of public THUMOS14 code are recognized by their content; see :func:`read_bmn`
    and :func:`read_thumos14`, which have options.

    >>> from pathlib import Path
    >>> _ = Path("labels.csv").write_text("video,start,end,label\\nclip,1.5,4,jump\\n")
    >>> annotations = load_annotations("labels.csv")
    >>> annotations.labels
    ('jump',)
    >>> annotations.videos["clip"].segments_seconds
    array([[1.5, 4. ]])

    Args:
        path: a ``.json``, ``.jsonl``, ``.csv``, ``.tsv``, ``.xlsx`` file, or see :func:`import_annotations`.
        clip: shorten segments that reach outside their video and drop those wholly outside, with one warning. Official
            evaluation is defined on the segments as they are, so evaluators pass ``False``.
        options: how to read what the file does not say.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a value is wrong. An end may equal its start.
    """
    file = open_file(to_path(path), options=options)
    annotations = file.annotations(extent="features") if clip else file.annotations()
    if file.format not in OWN_FORMATS:
        outcome.check_times(annotations)
        for doubt in (*outcome.doubts(annotations), *outcome.lengthless(annotations)):
            log.warning("%s: %s", annotations.source, doubt)
    return clip_annotations(annotations) if clip else annotations


def load_both(path: PathLike) -> tuple[Annotations, Annotations]:
    """Annotations for training, clipped, and for evaluation, as written; see :func:`load_annotations`.

    Raises:
        InputError: see :func:`load_annotations`.
    """
    file = open_file(to_path(path))
    written = file.annotations()
    # Only in BMN's files do the two differ in the durations of the videos.
    return clip_annotations(file.annotations(extent="features") if file.format == "bmn" else written), written


def save_annotations(annotations: Annotations, path: PathLike) -> None:
    """Write ActivityNet's JSON at full precision, whole or not at all.

    >>> import pathlib, tempfile, numpy as np
    >>> from rcl.data.annotations import VideoAnnotation
    >>> video = VideoAnnotation("clip", "training", 10.0, None, np.array([[1.5, 4.0]]), ("jump",))
    >>> path = pathlib.Path(tempfile.mkdtemp(), "labels.json")
    >>> save_annotations(Annotations({"clip": video}), path)
    >>> load_annotations(path).videos["clip"].labels
    ('jump',)

    Raises:
        InputError: the path does not end in ``.json`` or cannot be written.
    """
    extension_of(to_path(path), (".json",))
    database = {name: activitynet.entry_of(video) for name, video in annotations.videos.items()}
    write_json(path, {"version": "RCL", "taxonomy": [], "database": database}, indent=1)


# -- files of other tools and code -------------------------------------------------------------------------------


def import_annotations(path: PathLike, *, options: ReadOptions | None = None, name: str | None = None) -> Annotations:
    """Read ground truth from a file of an annotation tool, or from one that :func:`load_annotations` reads.

    Args:
        path: what Label Studio (``.json``), VIA 3 (``.json``) or ELAN (``.eaf``) saved, or annotations. A table of
            detections is read without its scores.
        options: how to read what the file does not say.

    Raises:
        InputError: the file cannot be read, is damaged or of another kind, or a value is wrong.
    """
    file = open_file(to_path(path), options=options)
    annotations = file.annotations()
    return annotations.renamed(dict.fromkeys(annotations.videos, name)) if name and file.named_by_file else annotations


def load_content(path: PathLike, *, options: ReadOptions | None = None) -> Annotations | Detections:
    """Read detections, or annotations as :func:`import_annotations` does.

    Raises:
        InputError: see :func:`import_annotations`.
    """
    file = open_file(to_path(path), options=options)
    return file.parse_detections() if file.parse_detections else file.annotations()


def format_of(path: PathLike) -> str:
    """The format of a file of annotations; one of :data:`OWN_FORMATS` or that of a tool.

    Raises:
        InputError: the file cannot be read, is damaged, or has an extension that no format has.
    """
    return open_file(to_path(path)).format


def read_bmn(
    path: PathLike, *, info: PathLike | None = None, subset: str | None = None, extent: bmn.Extent = "features"
) -> Annotations:
    """Read ``{video: {"duration_second", "duration_frame", "feature_frame", "annotations": [{"segment", "label"}]}}``.

    This is ``anet_anno_action.json`` of BSN, BMN and G-TAD. The durations are those that the features cover (see
    :func:`rcl.data.formats.bmn.effective_seconds`), so that ``data.resize: 100`` puts the ground truth where BMN has it
    in training. ``snippets_per_second`` is None: it follows from the features, rescaled or not. Segments are as in the
    file.

    Args:
        path: the JSON file.
        info: ``video_info_new.csv``, which has the subsets; by default the file of that name in the folder of ``path``.
            It may list more videos. Not needed where every entry has a ``"subset"``.
        subset: of all videos, where the file is of one subset (as MMAction2's ``anet_anno_train.json``).
        extent: which duration.

    Raises:
        InputError: a file is missing, damaged or of another kind, a value is wrong, or the subset of a video is not
            known.
    """
    path = to_path(path)
    known = read_video_info(info) if info else {} if subset else video_info_for(path)
    return bmn.parse(read_json(path), str(path), info=known, subset=subset, extent=extent)


def read_video_info(path: PathLike) -> dict[str, bmn.VideoInfo]:
    """Read ``video,numFrame,seconds,fps,rfps,subset,featureFrame``.

    Raises:
        InputError: the file is missing, damaged or of another kind, a value is wrong, or a video is listed twice.
    """
    path = to_path(path)
    return bmn.parse_video_info(read_text(path), str(path))


def read_thumos14(
    *paths: PathLike, stride_frames: int | None = None, ambiguous: bool = False, leave_out: Collection[str] = ()
) -> Annotations:
    """Read tables ``video,type,type_idx,start,end,startFrame,endFrame``, one row per instance.

    These are ``val_Annotation.csv`` and ``test_Annotation.csv`` of public THUMOS14 code. The community trains on the
    validation videos and evaluates on the test videos: ``video_validation_…`` are training here, ``video_test_…``
    validation. Times are in seconds. The tables have no durations. A CliffDiving is also a Diving.

    Args:
        paths: one table or several, each with videos of its own.
        stride_frames: frames from one snippet to the next (5 in G-TAD's TSN features). The frame rate of a video, which
            is not 30 everywhere, is the one that fits its start and end frames. If ``None``, ``snippets_per_second`` is
            ``None`` too.
        ambiguous: keep the instances that annotators could not decide on, with the label ``Ambiguous``. G-TAD trains
            its class-agnostic proposals on them, evaluations delete them. A video without others stays, without
            instances.
        leave_out: videos to skip, such as ``THUMOS14_LEFT_OUT``.

    Raises:
        InputError: a file is missing, damaged or of another kind, a value is wrong, or two files have the same video.
    """
    tables = [(read_text(path), str(path)) for path in map(to_path, paths)]
    return filled(thumos14.parse(*tables, stride_frames=stride_frames, ambiguous=ambiguous, leave_out=leave_out))
