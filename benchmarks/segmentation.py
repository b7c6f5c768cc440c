"""Segmentation against the best thresholded list of the same detector and against ED-TCN, and the time of decoding.

    python benchmarks/segmentation.py PACKS RUNS [--only PACK ...] [--write docs/results.md] [--json FILE]

RUNS/PACK/SEED/last.ckpt are checkpoints of the packs in PACKS, one folder per seed. For each, on the validation videos:

- *segments*: ``rcl segment`` as it is.
- *list*: ``rcl detect``, of which detections below a threshold are left out, and of the others the best one labels a
  frame. The threshold is the one with the highest F1@50 on these same videos, which favours the list.

The measures are those of ``rcl evaluate --frames`` at the rate of the features, mean of the seeds, ± half the range.

The second table has times for an hour of video: the validation videos one after the other, as often as it takes.
*network* is the time for the scores of all segments, *decoding* the time for the best segmentation of them, *soft-NMS*
the time for a list.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy import cell, table
from measuring import argument_parser, replace_block, write_json

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations
from rcl.detector.inputs import Job, jobs_of
from rcl.detector.localizer import Localizer
from rcl.detector.progress import no_progress
from rcl.detector.rates import BASE_RATE
from rcl.evaluation.frames import FrameEvaluation, evaluate_frames
from rcl.evaluation.framing import frames_of_detections, true_frames

PUBLISHED = {
    "50salads-mid-fold1": (64.7, 59.8, 67.1, 63.0, 51.9),
    "gtea-fold1": (63.7, 69.9, 72.0, 67.2, 54.7),
}
"""ED-TCN on the same features, means over all folds: Lea et al., CVPR 2017, as MS-TCN's paper lists them."""
MEASURES = ("accuracy", "Edit", "F1@10", "F1@25", "F1@50")
THRESHOLDS = np.arange(0.02, 0.97, 0.02)
HOUR = 3600.0


def measures(evaluation: FrameEvaluation) -> list[float]:
    """The ``MEASURES`` in percent."""
    values = (evaluation.accuracy, evaluation.segments.edit, *evaluation.segments.f1.tolist())
    return [100 * value for value in values]


def detections(localizer: Localizer, jobs: Sequence[Job]) -> Detections:
    """The detections in all videos."""
    found = [localizer.detect_prepared(*job.read(localizer), video=job.video) for job in jobs]
    return Detections.concatenate(found)


def measure(checkpoint: Path, pack: Path) -> dict[str, Any]:
    """The measures of the segmentation and of the best list."""
    localizer = Localizer.load(checkpoint, device="cpu")
    annotations: Annotations = load_annotations(find_annotations(pack), clip=False).subset("validation")
    truth = true_frames(annotations)
    labels = {video: own.labels for video, own in truth.items()}
    jobs = jobs_of(pack, localizer, "validation", localizer.preparation.layout, None)

    def evaluate(found: Detections) -> list[float]:
        return measures(evaluate_frames(frames_of_detections(found, truth), labels))

    whole = detections(localizer, jobs)
    lists = [(evaluate(whole[whole.scores >= threshold]), float(threshold)) for threshold in THRESHOLDS]
    best, threshold = max(lists, key=lambda pair: pair[0][-1])
    localizer.search = localizer.search.segmenter()
    return {"segments": evaluate(detections(localizer, jobs)), "list": best, "threshold": threshold}


def seconds_of(run: Callable[[], Any]) -> tuple[float, Any]:
    """How long a function takes, and its result."""
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


@torch.inference_mode()
def measure_hour(checkpoint: Path, pack: Path) -> dict[str, float]:
    """Seconds for an hour of video."""
    localizer = Localizer.load(checkpoint, device="cpu")
    jobs = jobs_of(pack, localizer, "validation", localizer.preparation.layout, None)
    parts = [job.read(localizer) for job in jobs]
    rate = float(np.mean([timeline.snippets_per_second for _, timeline in parts]))
    features = torch.cat([features[:, :] for features, _ in parts], dim=1)  # (C, T)
    snippets = round(HOUR * rate)
    features = features.repeat(1, -(-snippets // features.shape[1]))[:, :snippets]
    segmenter, end = localizer.search.segmenter(), float(snippets)
    ask = {"steps": None, "rates": BASE_RATE, "progress": no_progress}
    network, candidates = seconds_of(lambda: segmenter.candidates(features, end, **ask))
    decoding, chosen = seconds_of(lambda: segmenter.decoder.suppress(candidates))
    usual = localizer.search.candidates(features, end, **ask)
    nms, _ = seconds_of(lambda: localizer.search.decoder.scaled(snippets).suppress(usual))
    return {
        "snippets": snippets,
        "candidates": len(candidates.scores),
        "segments": len(chosen.scores),
        "network": network,
        "decoding": decoding,
        "soft_nms": nms,
    }


def accuracy_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A row for each way of each pack."""
    rows = []
    for pack, seeds in results.items():
        names = {"segments": "`rcl segment`", "list": "best list"}
        for way, name in names.items():
            rows.append([pack if way == "segments" else "", name, *_cells([seed[way] for seed in seeds])])
        if pack in PUBLISHED:
            rows.append(["", "ED-TCN (mean of the folds)", *PUBLISHED[pack]])
    return table(["", "", *MEASURES], rows)


def _cells(seeds: Sequence[Sequence[float]]) -> list[str]:
    return [cell(column) for column in zip(*seeds, strict=True)]


def time_table(hours: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each pack."""
    rows = [
        [pack, f"{n['snippets']:,}", f"{n['candidates']:,}", f"{n['network']:.1f} s"]
        + [f"{1000 * n[key]:.0f} ms" for key in ("decoding", "soft_nms")]
        for pack, n in hours.items()
    ]
    return table(["an hour of", "snippets", "candidates", "network", "decoding", "soft-NMS"], rows)


def main(arguments: argparse.Namespace) -> None:
    """Measure everything in the folder of runs."""
    results, hours = {}, {}
    for folder in sorted(path for path in arguments.runs.iterdir() if path.is_dir()):
        pack, checkpoints = arguments.packs / folder.name, sorted(folder.glob("*/last.ckpt"))
        if not checkpoints or (arguments.only and folder.name not in arguments.only):
            continue
        results[folder.name] = [measure(checkpoint, pack) for checkpoint in checkpoints]
        hours[folder.name] = measure_hour(checkpoints[0], pack)
        print(accuracy_table({folder.name: results[folder.name]}), flush=True)
    tables = {"segmentation": accuracy_table(results), "segmentation, time": time_table(hours)}
    for name, text in tables.items():
        print(f"\n{text}")
        if arguments.write:
            replace_block(arguments.write, f"<!-- {name} -->", "<!-- end -->", text)
    write_json(arguments.json, {"measures": results, "hour": hours})


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("packs", type=Path, metavar="PACKS", help="folder of packs")
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder with PACK/SEED/last.ckpt")
    parser.add_argument("--only", nargs="+", metavar="PACK", help="only these packs")
    parser.add_argument("--write", type=Path, metavar="FILE", help="document whose tables are replaced")
    main(parser.parse_args())
