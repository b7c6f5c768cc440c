"""Arguments that are missing or in another order, named as that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rcl.data.names import VIDEO_EXTENSIONS
from rcl.system.errors import InputError, listed
from rcl.system.paths import is_dir, is_file

_CHECKPOINT = "the checkpoint (last.ckpt of a run, or its folder)"
LABEL_EXTENSIONS = (".csv", ".tsv", ".txt", ".json", ".xlsx", ".eaf")


def check_checkpoint_first(command: str, checkpoint: Path, inputs: Sequence[Path] | None, *, wanted: str) -> list[Path]:
    """Check the arguments of a command that takes a checkpoint and then its inputs.

    Args:
        command: its name.
        checkpoint: the first argument.
        inputs: the others; none if they were forgotten.
        wanted: what the inputs are.

    Returns:
        The inputs.

    Raises:
        InputError: there are none, or the checkpoint is among them and not in front.
    """
    where, expected = f"rcl {command}", f"a checkpoint and then {wanted}"
    if not inputs:
        videos = is_dir(checkpoint) or checkpoint.suffix.lower() in VIDEO_EXTENSIONS
        alone = videos and not _is_checkpoint(checkpoint)
        missing, place = (_CHECKPOINT, "in front of") if alone else (wanted, "behind")
        raise InputError(where, expected=expected, found=f"only {checkpoint}", fix=f"add {missing} {place} it")
    behind = None if _is_checkpoint(checkpoint) else next((path for path in inputs if _is_checkpoint(path)), None)
    if behind:
        found = f"{checkpoint} first, and the checkpoint {behind} behind it"
        raise InputError(where, expected=expected, found=found, fix="swap the two")
    return [*inputs]


def served_paths(paths: Sequence[Path], checkpoint: Path | None) -> tuple[Path | None, Path]:
    """The checkpoint, if there is one, and the videos of ``rcl serve [CHECKPOINT] VIDEOS``.

    Raises:
        InputError: there are no videos, a file of labels is in their place, or there are two checkpoints.
    """
    *first, videos = paths
    if _is_label_file(videos):
        expected, found = "a folder of videos, or a pack of features", f"{videos}, a file of labels"
        fix = "give the folder; labels that exist already go behind --annotations"
        raise InputError("rcl serve", expected=expected, found=found, fix=fix)
    if len(first) > 1 or (first and checkpoint):
        found = listed([*map(str, first), *([str(checkpoint)] if checkpoint else [])])
        raise InputError("rcl serve", expected="one checkpoint", found=found, fix="give one of them")
    if first:
        check_checkpoint_first("serve", first[0], [videos], wanted="a folder of videos")
        return first[0], videos
    is_video = is_dir(videos) or videos.suffix.lower() in VIDEO_EXTENSIONS
    if _is_checkpoint(videos) or not is_video:
        check_checkpoint_first("serve", videos, None, wanted="a folder of videos")
    return checkpoint, videos


def check_videos_first(videos: Path, labels: Path | None) -> None:
    """Check the arguments of ``rcl fit``.

    Raises:
        InputError: they are swapped, or there are labels alone.
    """
    if labels is None:
        if _is_label_file(videos):
            expected, fix = (
                "the videos and then the labels, or a pack of features",
                f"add the videos in front of {videos}",
            )
            raise InputError("rcl fit", expected=expected, found=f"only the labels {videos}", fix=fix)
        return
    if _is_label_file(videos) and (is_dir(labels) or labels.suffix.lower() in VIDEO_EXTENSIONS):
        expected, found = "the videos and then the labels", f"the labels {videos} first, and the videos {labels} behind"
        raise InputError("rcl fit", expected=expected, found=found, fix="swap the two")


def check_no_labels(
    inputs: Sequence[Path], labels: Path | None, is_recording: Callable[[Path], bool] = lambda path: False
) -> None:
    """Check that no file of labels is among the recordings of ``rcl extract``; some of these end like one.

    Raises:
        InputError: one is.
    """
    for path in inputs:
        if _is_label_file(path) and not is_recording(path):
            fix = "give it with --labels" if labels is None else f"swap it with {labels}, which --labels names"
            if labels is not None and _is_label_file(labels):
                fix = "leave it out"
            raise InputError("rcl extract", expected="videos", found=f"{path}, a file of labels", fix=fix)


@contextmanager
def detections_first(command: str, detections: Path, annotations: Path) -> Iterator[None]:
    """Around a command that takes detections and then annotations: an error names the swap, if they are swapped.

    Raises:
        InputError: the error inside, or that the two are swapped.
    """
    try:
        yield
    except InputError:
        if not _holds_detections(detections) and _holds_detections(annotations):
            expected = "the detections and then the annotations"
            found = f"the detections {annotations} behind {detections}"
            raise InputError(f"rcl {command}", expected=expected, found=found, fix="swap the two") from None
        raise


def _holds_detections(path: Path) -> bool:
    from rcl.data.formats.results import load_detections

    try:
        load_detections(path)
    except InputError:
        return False
    return True


def _is_checkpoint(path: Path) -> bool:
    return path.suffix.lower() in (".ckpt", ".onnx") or any(
        is_file(path / name) for name in ("last.ckpt", "model.onnx")
    )


def _is_label_file(path: Path) -> bool:
    return path.suffix.lower() in LABEL_EXTENSIONS and not is_dir(path)
