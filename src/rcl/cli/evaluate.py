"""``rcl evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from rcl.cli.arguments import detections_first
from rcl.cli.console import print_table, warn
from rcl.cli.evaluate_frames import FrameMeasureOptions
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Overwrite, Thresholds, location, parse_thresholds


def evaluate(
    detections: Annotated[Location, typer.Argument(help="Results file, .json or .csv.", parser=location)],
    annotations: Annotated[Location, typer.Argument(help="Annotation file, or a pack.", parser=location)],
    chosen: TruthOptions,
    framewise: FrameMeasureOptions,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    short: Annotated[float | None, typer.Option(help="Also evaluate instances of at most this many seconds.")] = None,
    output: Annotated[Location | None, typer.Option("--json", help="Write every number here.", parser=location)] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute mean average precision and average recall, equal to the official ActivityNet evaluation."""
    from rcl.cli.output_kinds import EVALUATION
    from rcl.cli.outputs import check_replaceable
    from rcl.cli.tables import evaluation_table
    from rcl.data.formats.results import load_detections
    from rcl.evaluation import metrics
    from rcl.evaluation.joining import differences
    from rcl.system.text_files import write_json

    if framewise.frames:
        framewise.evaluate(detections, annotations, chosen, output=output, overwrite=overwrite)
        return
    framewise.check_unused()
    thresholds = parse_thresholds(tiou)
    if output:
        check_replaceable(output, EVALUATION, overwrite=overwrite, inputs=[detections, annotations])
    with detections_first("evaluate", detections, annotations):
        truth = GroundTruth.load(annotations, chosen)
        found = truth.join(load_detections(detections), where=detections)
    for sentence in (*differences(found, truth.chosen), *truth.doubtful_instances()):
        warn(sentence)
    ground = truth.chosen
    if found.labels == ("",):
        warn("the detections have no labels, so the labels of the annotations are ignored.")
        ground = ground.unlabelled()
    evaluation = metrics.evaluate(found, ground, tiou_thresholds=thresholds, short_seconds=short, policy=truth.policy)
    print_table(evaluation_table(evaluation))
    if output:
        write_json(output, evaluation.to_json(), indent=1)
