"""The detector of a command: that of a checkpoint, or one that was exported."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rcl.cli.extraction_options import DetectorFiles
from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.detector.checkpoint import Checkpoint
    from rcl.detector.operating_points import OperatingPoints
    from rcl.detector.video_detector import VideoDetector
    from rcl.system.ray_cluster import Cluster


class OpenedDetector(NamedTuple):
    """A detector and its file.

    ``files``: those that its answers depend on; ``steps``: M; ``points``: its operating points, if it has some;
    ``kept``: the checkpoint, if it is one.
    """

    detector: VideoDetector
    file: Path
    files: tuple[Path, ...]
    steps: int
    points: OperatingPoints | None
    kept: Checkpoint | None = None


def open_detector(
    path: Path, inputs: Sequence[Path], moved: DetectorFiles, *, cluster: Cluster | None
) -> OpenedDetector:
    """Open a checkpoint, or an exported detector.

    Args:
        path: of the user.
        inputs: what will be searched.
        moved: new places of the files of a backbone.
        cluster: where to search; an exported detector works on this machine alone.

    Raises:
        InputError: the file is missing, damaged or of another kind.
    """
    from rcl.detector.exported.description import find_exported

    graph = find_exported(path)
    if graph is None:
        return _of_checkpoint(path, moved)
    if cluster:
        fix = "leave it out, or use the checkpoint"
        raise InputError("--engine ray", expected="a checkpoint", found=f"the exported {graph.name}", fix=fix)
    return _of_export(graph, inputs, moved)


def check_steps(opened: OpenedDetector, steps: int | None) -> None:
    """Check that a graph does so many refinement steps; a checkpoint can also do fewer than it was trained with.

    Raises:
        InputError: it has others.
    """
    if opened.kept is None and steps not in (None, opened.steps):
        fix = "leave it out, or use the checkpoint"
        raise InputError("--steps", expected=f"the {opened.steps} of the graph", found=str(steps), fix=fix)


def _of_checkpoint(path: Path, moved: DetectorFiles) -> OpenedDetector:
    try:
        import_module("torch")
    except ImportError:
        expected = "PyTorch, which a checkpoint needs, or a model.onnx of rcl export-model"
        fix = "install it (pip install torch), or correct the path of the exported detector"
        raise InputError(path, expected=expected, found="neither", fix=fix) from None
    from rcl.detector.checkpoint import find_checkpoint, read_checkpoint
    from rcl.detector.localizer import Localizer

    kept, file = read_checkpoint(path), find_checkpoint(path)
    localizer = Localizer.from_checkpoint(kept, **moved.arguments())
    return OpenedDetector(localizer, file, (file,), localizer.model.steps, kept.operating_points, kept)


def _of_export(graph: Path, inputs: Sequence[Path], moved: DetectorFiles) -> OpenedDetector:
    from rcl.detector.exported.description import DESCRIPTION
    from rcl.detector.exported.detector import ExportedDetector
    from rcl.detector.exported.extraction import extractor_for, needs_extraction

    detector = ExportedDetector.load(graph)
    if needs_extraction(detector.description, inputs):
        detector.extractor = extractor_for(detector.description, source=str(graph), **moved.arguments())
    files = (graph, graph.with_suffix(DESCRIPTION))
    return OpenedDetector(detector, graph, files, detector.description.steps, detector.operating_points)
