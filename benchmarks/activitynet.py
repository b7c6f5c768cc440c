"""Time of everything around the network at the size of ActivityNet-1.3.

    python benchmarks/activitynet.py ANNOTATIONS [--videos N] [--json FILE]

ANNOTATIONS is the annotation file of ActivityNet-1.3; all its training and validation videos are used. The script makes
up the other inputs: a .npy file of 100 to 200 snippets × 8 channels per video, and class scores in CUHK's layout. The
recipe is activitynet_tsn_rcl, with a stand-in for the network that answers at random and whose time is not
counted. Everything else is the code that `rcl train`, `rcl detect` and `rcl evaluate` run, in one thread.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measuring import argument_parser, write_json
from torch import Tensor, nn

from rcl.data.annotations import Annotations
from rcl.data.batches import TrainingDataset, collate
from rcl.data.datasets import VideoDataset, WindowDataset
from rcl.data.detections import Detections
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.video_scores import label_detections, load_video_scores
from rcl.detector.build import build_augmentation, training_segments
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.evaluation import evaluate
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.targets import assign, boundary_targets
from rcl.training.data import TrainingData, load_training_data
from rcl.training.recipes import recipe_file

CONFIG = recipe_file("activitynet_tsn_rcl")
CHANNELS, CLASSES, WINDOW = 8, 200, 64
THRESHOLDS = np.linspace(0.5, 0.95, 10)


class Stopwatch:
    """Total seconds of each stage over all its runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - begin


class RandomModel(nn.Module):
    """A stand-in for the network with random scores and small random offsets."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.sight = steps, None
        self.generator = torch.Generator().manual_seed(0)
        self.seconds = 0.0

    def encode(self, features: Tensor, _: Tensor) -> SimpleNamespace:
        return SimpleNamespace(boundaries=torch.randn(1, 2, features.shape[2], generator=self.generator))

    def query(self, _: SimpleNamespace, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        begin = time.perf_counter()
        logits = torch.randn(steps or self.steps, 2, *anchors.shape[:2], generator=self.generator)
        offsets = 0.1 * torch.randn(anchors.shape, generator=self.generator)
        answers = tuple(AnchorScores(anchors, *step, offsets, anchors.new_zeros(*step[0].shape, 0)) for step in logits)
        self.seconds += time.perf_counter() - begin
        return Predictions(answers, answers[-1].segments, None)


def make_pack(annotations: Path, root: Path, *, videos: int | None = None) -> None:
    """Write a pack of the first ``videos`` of both subsets, or of all, with made-up features and class scores."""
    random = np.random.default_rng(0)
    data = json.loads(annotations.read_text())
    count: Counter[str] = Counter()
    for name, video in list(data["database"].items()):
        count[video["subset"]] += 1
        if video["subset"] == "testing" or (videos and count[video["subset"]] > videos):
            del data["database"][name]
    (root / "features").mkdir(parents=True)
    (root / "annotations.json").write_text(json.dumps(data))
    labels = sorted({item["label"] for video in data["database"].values() for item in video["annotations"]})
    labels += [f"class {i}" for i in range(len(labels), CLASSES)]
    scores = {}
    for name, video in data["database"].items():
        features = random.normal(size=(random.integers(100, 201), CHANNELS)).astype(np.float32)
        np.save(root / "features" / f"{name}.npy", features)
        if video["subset"] == "validation":
            score = random.dirichlet(np.full(CLASSES, 0.1))
            if video["annotations"]:
                score[labels.index(video["annotations"][0]["label"])] += 1
            scores[name.removeprefix("v_")] = (score / score.sum()).round(6).tolist()
    (root / "scores.json").write_text(json.dumps({"results": scores, "class": labels}))


def prepare_training(data: TrainingData, config: Config, localizer: Localizer, watch: Stopwatch) -> dict[str, int]:
    """Make the samples, segments and targets of an epoch over both subsets, as in training, and count them."""
    segments = training_segments(config.sampling, localizer.search.anchors)
    samples = anchors = 0
    for videos in (data.training, data.validation):
        dataset = TrainingDataset(videos, build_augmentation(config.augmentation), segments, seed=config.training.seed)
        for first in range(0, len(dataset), config.training.batch_size):
            with watch("features read and resized, segments drawn, batches"):
                last = min(first + config.training.batch_size, len(dataset))
                batch = collate([dataset[index] for index in range(first, last)])
            with watch("targets of the segments and of the boundaries"):
                assign(batch.anchors, batch.segments, batch.labels, 0)
                boundary_targets(batch.segments, batch.labels, batch.features.shape[2], tolerance=1.5)
            samples += len(batch.features)
            anchors += int(batch.anchor_mask.sum())
    return {"samples": samples, "training_segments": anchors}


def cut_windows(root: Path, watch: Stopwatch) -> dict[str, int]:
    """Cut both subsets into windows with an instance, as a recipe for THUMOS14 does, and count them."""
    windows = 0
    with watch(f"windows of {WINDOW} snippets cut, their instances found"):
        annotations = load_annotations(root / "annotations.json")
        # The file gives the rate of frames. Without it, the snippets are spread over the duration.
        videos = {name: replace(video, snippets_per_second=None) for name, video in annotations.videos.items()}
        labels = annotations.labels
        dataset = WindowDataset(
            VideoDataset(Annotations(videos), FeatureStore(root / "features"), labels), WINDOW, minimum_share=0.9
        )
        windows = len(dataset)
    with watch("windows read"):
        for index in range(windows):
            dataset[index]
    return {"windows": windows}


def detect(root: Path, videos: VideoDataset, localizer: Localizer, watch: Stopwatch) -> Path:
    """Detect in all ``videos`` and write the results, as `rcl detect` does."""
    with watch("class scores loaded"):
        scores = load_video_scores(root / "scores.json")
    found = []
    for index, video in enumerate(videos.videos):
        with watch("features read, scores fused, soft-NMS, seconds"):
            proposals = localizer.detect_prepared(*videos.read(index), video=video.name)
        with watch("detections labelled"):
            found.append(label_detections(proposals, scores))
    watch.seconds["features read, scores fused, soft-NMS, seconds"] -= localizer.model.seconds
    with watch("detections joined and written"):
        save_detections(Detections.concatenate(found), root / "detections.json")
    return root / "detections.json"


def measure(annotations: Path, root: Path, *, videos: int | None = None) -> dict[str, float | dict[str, float]]:
    """Run every stage in the folder ``root``, and return the numbers that the script prints."""
    make_pack(annotations, root, videos=videos)
    config = load_config(CONFIG, [f"data.root={root}"])
    before, after = Stopwatch(), Stopwatch()
    with before("annotations loaded, features found, heads read"):
        data = load_training_data(config)
    assert data.validation is not None  # the recipe has a validation subset
    model = RandomModel(config.model.head.steps)
    localizer = Localizer.from_model(model, config, data.facts, device="cpu")  # type: ignore[arg-type]
    counts = prepare_training(data, config, localizer, before) | cut_windows(root, before)
    path = detect(root, data.validation, localizer, after)
    with after("detections and annotations loaded"):
        detections = load_detections(path)
        truth = load_annotations(root / "annotations.json", clip=False).subset("validation")
    with after("mAP at 10 thresholds, AR@AN"):
        evaluation = evaluate(detections, truth, tiou_thresholds=THRESHOLDS)
    return {
        **counts,
        "validation_videos": len(truth.videos),
        "detections": len(detections),
        "classes": len(evaluation.labels),
        "average_map": evaluation.average_map,
        "before_the_network_seconds": dict(before.seconds),
        "after_the_network_seconds": dict(after.seconds),
        "random_answers_seconds": model.seconds,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def report(numbers: dict) -> None:
    print(f"{numbers['samples']:,} samples, {numbers['training_segments']:,} segments, {numbers['windows']:,} windows")
    show(numbers["before_the_network_seconds"])
    print(
        f"\n{numbers['detections']:,} detections of {numbers['classes']} classes in {numbers['validation_videos']:,} "
        f"videos (average mAP of random answers: {100 * numbers['average_map']:.1f} %)"
    )
    show(numbers["after_the_network_seconds"])
    print(f"\nnot counted: random answers {numbers['random_answers_seconds']:.1f} s")
    print(f"peak memory {numbers['peak_memory_gib']:.2f} GiB")


def show(seconds: dict[str, float]) -> None:
    for stage, value in chain(seconds.items(), [("total", sum(seconds.values()))]):
        print(f"{stage:56}{value:8.2f} s")


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("annotations", type=Path, help="annotation file of ActivityNet-1.3")
    parser.add_argument("--videos", type=int, metavar="N", help="only the first N of each subset")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the tensors are too small for several
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(options.annotations, Path(folder) / "pack", videos=options.videos)
    report(numbers)
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
