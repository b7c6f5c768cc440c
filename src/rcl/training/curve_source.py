"""What a learning curve trains on: labels and settings of a finished run, or of a pack, as ``rcl fit`` chooses them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.pack import find_annotations
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import read_json
from rcl.training.extraction import Extraction
from rcl.training.fit_pack import pack_in, plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.plan import FitRun, LabelledVideos


class CurveSource(NamedTuple):
    """What a learning curve trains on.

    Args:
        pack: folder of the features.
        config: of every training.
        training: the labels, of which parts are trained on.
        held_out: the labelled videos that every detector is evaluated on.
        evaluation: of a finished training with all labels and the seed of ``config``, if there is one.
    """

    pack: Path
    config: Config
    training: Annotations
    held_out: Annotations
    evaluation: dict[str, Any] | None = None

    @classmethod
    def open(
        cls,
        source: PathLike,
        labels: PathLike | Annotations | None,
        reading: ReadOptions | None,
        matched: Callable[[LabelledVideos], None],
    ) -> CurveSource:
        """Open a run or a pack.

        Args:
            source: folder of a finished run, or of a pack.
            labels: in place of those of the pack.
            reading: how to read what the file of labels does not say.
            matched: called with the labelled videos of a pack.

        Raises:
            InputError: it is neither, no videos are held out, or a run is given with labels.
        """
        root = to_path(source)
        if (root / "last.ckpt").is_file() and (root / "config.yaml").is_file():
            if labels is not None:
                fix = "leave them out, or give the pack in place of the run"
                raise InputError(root, expected="no labels for a run, which has its own", found=str(labels), fix=fix)
            return _of_run(root)
        pack = pack_in(root, labels)
        if pack is None:
            expected, fix = "a pack of features, or a finished run", "run rcl fit first, and give its folder"
            raise InputError(root, expected=expected, found="videos", fix=fix)
        return _of_pack(pack, labels, reading, matched)


def _of_run(run: Path) -> CurveSource:
    config = load_config(run / "config.yaml")
    pack = run / "pack" if (run / "pack").is_dir() else config.data.root
    own = run / "annotations.json"  # of a run that may have been moved
    path = own if own.is_file() else config.data.annotations or find_annotations(pack)
    finished = run / "evaluation.json"
    is_of_these = finished.is_file() and path.stat().st_mtime <= (run / "last.ckpt").stat().st_mtime
    evaluation = read_json(finished) if is_of_these else None
    return _divided(pack, config, load_annotations(path), evaluation)


class _Quiet(FitObserver):
    """Says nothing of a fit that only chooses."""

    def __init__(self, matched: Callable[[LabelledVideos], None]) -> None:
        self._matched = matched

    def matched(self, labelled: LabelledVideos) -> None:
        """Pass it on."""
        self._matched(labelled)


def _of_pack(
    pack: Path,
    labels: PathLike | Annotations | None,
    reading: ReadOptions | None,
    matched: Callable[[LabelledVideos], None],
) -> CurveSource:
    """The settings that ``rcl fit`` chooses for all labels."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_pack(pack, labels, FitRun(Path(folder), reading), Extraction(), _Quiet(matched))
        annotations = load_annotations(plan.annotations)
    return _divided(pack, plan.config, annotations, None)


def _divided(pack: Path, config: Config, annotations: Annotations, evaluation: dict[str, Any] | None) -> CurveSource:
    name = config.data.validation_subset
    if name is None:
        expected = "held-out videos, on which all detectors are compared"
        fix = "mark some labelled videos as validation in the labels (column subset), and run rcl fit again"
        raise InputError(annotations.source, expected=expected, found="none", fix=fix)
    training, held_out = annotations.subset(config.data.training_subset), annotations.subset(name)
    if not held_out.labels:
        expected, fix = "labels of the held-out videos", "label some of them"
        raise InputError(f"{annotations.source}, subset {name}", expected=expected, found="none", fix=fix)
    return CurveSource(pack, config, training, held_out, evaluation)
