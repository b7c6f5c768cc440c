"""``rcl evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.arguments import detections_first
from rcl.cli.console import note, print_table, warn
from rcl.cli.evaluate_frames import FrameMeasureOptions
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Overwrite, Thresholds, location, parse_thresholds
from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections
    from rcl.evaluation.ground_truths import Policy


EventTiou = Annotated[
    float | None,
    typer.Option(
        metavar="TIOU",
        help="Also precision, recall and F1 of the detections as a list, matched at this tIoU, e.g. 0.5.",
    ),
]


def evaluate(
    detections: Annotated[Location, typer.Argument(help="Results file, .json or .csv.", parser=location)],
    annotations: Annotated[Location, typer.Argument(help="Annotation file, or a pack.", parser=location)],
    chosen: TruthOptions,
    framewise: FrameMeasureOptions,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    short: Annotated[float | None, typer.Option(help="Also evaluate instances of at most this many seconds.")] = None,
    events: EventTiou = None,
    output: Annotated[Location | None, typer.Option("--json", help="Write every number here.", parser=location)] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute mean average precision and average recall, equal to the official ActivityNet evaluation.

    With --events, also precision, recall and F1 of the detections as a list, such as rcl detect --decide writes.
    """
    from rcl.cli.output_kinds import EVALUATION
    from rcl.cli.outputs import check_replaceable
    from rcl.cli.tables import evaluation_table
    from rcl.evaluation import metrics
    from rcl.system.text_files import write_json

    if framewise.frames:
        _check_no_lists(short, events)
        framewise.evaluate(detections, annotations, chosen, output=output, overwrite=overwrite)
        return
    framewise.check_unused()
    thresholds = parse_thresholds(tiou)
    _check_tiou(events)
    if short is not None and not short > 0:
        raise InputError("--short", expected="a length in seconds above 0", found=f"{short:g}", fix="write e.g. 2")
    if output:
        check_replaceable(output, EVALUATION, overwrite=overwrite, inputs=[detections, annotations])
    found, ground, policy = _joined(detections, annotations, chosen)
    evaluation = metrics.evaluate(found, ground, tiou_thresholds=thresholds, short_seconds=short, policy=policy)
    print_table(evaluation_table(evaluation))
    numbers = evaluation.to_json()
    if events is not None:
        numbers["events"] = _print_events(found, ground, events, policy)
    if output:
        write_json(output, numbers, indent=1)


def _joined(
    detections: Location, annotations: Location, chosen: TruthOptions
) -> tuple[Detections, Annotations, Policy]:
    """The detections, the ground truth that they are compared with, and how; with warnings of what may be a mistake."""
    from rcl.data.formats.results import load_detections
    from rcl.evaluation.joining import differences

    with detections_first("evaluate", detections, annotations):
        truth = GroundTruth.load(annotations, chosen)
        found = truth.join(load_detections(detections), where=detections)
    for sentence in (*differences(found, truth.chosen), *truth.doubtful_instances()):
        warn(sentence)
    truth.print_reviewed()
    if found.labels != ("",):
        return found, truth.chosen, truth.policy
    warn("the detections have no labels, so the labels of the annotations are ignored.")
    return found, truth.chosen.unlabelled(), truth.policy


def _check_no_lists(short: float | None, events: float | None) -> None:
    for option, given in {"--short": short, "--events": events}.items():
        if given is not None:
            fix = "leave out one of the two"
            raise InputError(option, expected="an evaluation of detections", found="--frames", fix=fix)


def _check_tiou(tiou: float | None) -> None:
    if tiou is not None and not 0 < tiou <= 1:
        raise InputError("--events", expected="a tIoU in (0, 1]", found=str(tiou), fix="write e.g. 0.5")


def _print_events(found: Detections, ground: Annotations, tiou: float, policy: Policy) -> dict[str, Any]:
    """Print the event scores of the detections; the numbers in plain Python types."""
    from rcl.cli.event_tables import event_table, ranking_hint
    from rcl.evaluation.events import evaluate_events

    events = evaluate_events(found, ground, tiou=tiou, policy=policy)
    print_table(event_table(events))
    if events.is_ranking:
        note(ranking_hint(events))
    return events.to_json()
