"""Event F1 at thresholds chosen on other videos, and how well calibrated scores are.

    python benchmarks/operating_points.py PACK=CHECKPOINT ... --output FOLDER [--json FILE]

For each pack and its detector, on the validation videos at tIoU 0.5, where F1 is that of all detections together
(micro) and the mean of the classes (macro):

- ranking: the best F1 that a single threshold gives, chosen on these videos;
- same videos: thresholds per class, chosen on these videos;
- a fold: thresholds per class, chosen on a third of the training videos, by a network that was trained on the others
  with the configuration of the checkpoint; it is kept in FOLDER;
- other videos: each video is decided by thresholds that the other validation videos choose, as `rcl fit` reports.

The calibration error (ECE) is that of all detections without duplicates: as they are, and calibrated on the fold or on
the other validation videos.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import argument_parser, write_json

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.pack import find_annotations
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, choose_operating_points, without_duplicates
from rcl.evaluation.events import Events, evaluate_events
from rcl.training.calibrate import choose
from rcl.training.choices import hold_out
from rcl.training.held_out import detect_held_out
from rcl.training.recipe import with_changes
from rcl.training.run import train
from rcl.training.trials import usable_folds


def detections_of(localizer: Localizer, truth: Annotations, pack: Path, file: Path) -> Detections:
    """The detections in the videos of ``truth``, from the file if it is there."""
    if not file.exists():
        save_detections(detect_held_out(localizer, truth, pack).detections, file)
    return load_detections(file)


def train_on_folds(checkpoint: Path, pack: Path, folder: Path) -> tuple[Detections, Annotations]:
    """Train on all but the first fold of the training videos; the detections in that, and its labels."""
    training = load_annotations(find_annotations(pack)).subset("training")
    annotations = folder / "annotations.json"
    save_annotations(hold_out(training, usable_folds(training)[0]), annotations)
    if not (folder / "detections.json").exists():
        config = read_checkpoint(checkpoint).config
        changes: dict[str, dict[str, Any]] = {
            "data": {"root": str(pack), "annotations": str(annotations), "validation_subset": None},
            "training": {"members": 1},
        }
        sections = with_changes(config.model_dump(mode="json"), changes)
        train(parse_config(sections, where="fold"), folder / "run", devices=1)
    truth = load_annotations(annotations).subset("validation")
    return detections_of(Localizer.load(folder / "run"), truth, pack, folder / "detections.json"), truth


def calibration_error(points: OperatingPoints, detections: Detections, truth: Annotations) -> float | None:
    kept = without_duplicates(detections)
    return evaluate_events(replace(kept, scores=points.calibration(kept.scores)), truth).calibration_error


def f1(events: Events) -> dict[str, float]:
    return {"micro": float(events.micro.f1), "macro": float(events.macro.f1)}


def measure(pack: Path, checkpoint: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    localizer = Localizer.load(checkpoint)
    truth = load_annotations(find_annotations(pack)).subset("validation")
    found = detections_of(localizer, truth, pack, folder / f"{checkpoint.parent.name}.json")
    validated = choose(localizer, found, truth, "the validation videos")
    fold = choose_operating_points(*train_on_folds(checkpoint, pack, folder / "fold"), labels=localizer.labels)
    before, others = validated.calibration_error
    alone = without_duplicates(found)
    score, _ = validated.ranking.best_single or (0.0, 0.0)
    return {
        "ranking": f1(evaluate_events(alone[alone.scores >= score], truth)),
        "same videos": f1(validated.same),
        "a fold": f1(evaluate_events(fold.decide(found), truth)),
        "other videos": f1(validated.other) if validated.other else None,
        "calibration_error": {
            "before": before,
            "a fold": calibration_error(fold, found, truth),
            "other videos": others,
        },
    }


def show(name: str, row: dict[str, Any]) -> None:
    for kind in ("ranking", "same videos", "a fold", "other videos"):
        values = row[kind]
        f1s = f"{100 * values['micro']:7.1f}{100 * values['macro']:7.1f}" if values else f"{'–':>7}{'–':>7}"
        error = row["calibration_error"].get("before" if kind == "ranking" else kind)
        print(f"{name:22}{kind:14}{f1s}{'' if error is None else f'{100 * error:7.1f}'}", flush=True)
        name = ""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("pairs", nargs="+", metavar="PACK=CHECKPOINT")
    parser.add_argument("--output", type=Path, required=True, help="folder for the networks of the folds")
    options = parser.parse_args()
    print(f"{'':22}{'thresholds of':14}{'micro':>7}{'macro':>7}{'ECE':>7}  %")
    rows: dict[str, dict[str, Any]] = {}
    for pair in options.pairs:
        pack, checkpoint = map(Path, pair.split("="))
        rows[f"{pack.name} {checkpoint.parent.name}"] = row = measure(pack, checkpoint, options.output / pack.name)
        show(pack.name, row)
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
