"""Time of each stage of detection, training and evaluation, and the limit that bounds it.

    python benchmarks/stages.py [--write benchmarks/README.md] [--json FILE] [--threads 2] [--rounds 5]

Two workloads with made-up features: videos of 1,000 snippets and 2,048 channels with the network of
the recipe 50salads (lattice anchors, M = 3, 17 labels), and of 100 snippets and 2,048 channels with that of
activitynet_i3d_rcl (BMN's encoder, all 5,050 segments, M = 10, proposals). New weights give no offsets and
low scores, so the weights of the readouts are random. All segments are refined, of which a trained detector refines a
tenth (``detection.py``).

The table has the best time of each stage, its arithmetic (multiplications and additions of convolutions, matrix
products and weighted sums) and its traffic (every operation reads its inputs and writes its outputs). Both are
fractions of what this machine reaches in the same process in a matrix product of 2,048² and in a copy of 256 MiB. A
stage that reaches a quarter of either is bound by the higher one, any other by calls: many small operations, or Python.
Traffic above the limit comes from caches.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measuring import argument_parser, best_seconds, replace_block, write_json
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.batches import Batch, collate
from rcl.data.detections import Detections
from rcl.data.formats.load import save_annotations
from rcl.detector.build import build_criterion, build_model
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.training.data import TrainingData, load_training_data
from rcl.training.loaders import training_dataset
from rcl.training.recipes import recipe_file

CHANNELS, VIDEOS, BATCH, RATE = 2048, 4, 4, 2.5
WORKLOADS = {"50salads": 1000, "activitynet_i3d_rcl": 100}  # snippets of a video
BOUND = 0.25  # the fraction of a limit at which it bounds a stage
MARKERS = "<!-- stages -->", "<!-- /stages -->"


class Limits(NamedTuple):
    """Operations and bytes per second that the machine reaches."""

    arithmetic: float
    traffic: float


class Work(NamedTuple):
    """Arithmetic operations and bytes of traffic of a stage."""

    operations: float
    bytes: float


class Stage(NamedTuple):
    """A stage, its best time for a video or batch, and its work."""

    name: str
    seconds: float
    work: Work


# -- measuring ---------------------------------------------------------------------------------------------------


def machine_limits(rounds: int) -> Limits:
    a, b = torch.randn(2, 2048, 2048).unbind()
    source, target = torch.ones(2, 2**26).unbind()
    return Limits(
        2 * 2048**3 / best_seconds(lambda: a @ b, rounds), 2**29 / best_seconds(lambda: target.copy_(source), rounds)
    )


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, and the arithmetic of weighted sums, which torch omits."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.operations = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if operation.is_view:
            return result
        inputs = [item for item in tree_leaves((args, kwargs)) if isinstance(item, Tensor)]
        if "embedding_bag" in str(operation) and "backward" not in str(operation):
            table, positions = inputs[:2]  # only the rows that are looked up
            self.operations += 2 * positions.numel() * table.shape[1]
            self.bytes += positions.numel() * table.shape[1] * table.element_size() - table.nbytes
        outputs = [item for item in tree_leaves(result) if isinstance(item, Tensor)]
        self.bytes += sum(item.nbytes for item in (*inputs, *outputs))
        return result


def work_of(run: Callable[[], Any]) -> Work:
    with Traffic() as traffic, FlopCounterMode(display=False) as flops:
        run()
    return Work(flops.get_total_flops() + traffic.operations, traffic.bytes)


def bound(stage: Stage, limits: Limits) -> tuple[float, float, str]:
    arithmetic = stage.work.operations / stage.seconds / limits.arithmetic
    traffic = stage.work.bytes / stage.seconds / limits.traffic
    if max(arithmetic, traffic) < BOUND:
        return arithmetic, traffic, "calls"
    return arithmetic, traffic, "arithmetic" if arithmetic > traffic else "traffic"


# -- workloads ---------------------------------------------------------------------------------------------------


def make_pack(root: Path, snippets: int) -> None:
    random = np.random.default_rng(0)
    videos = {}
    (root / "features").mkdir(parents=True)
    for number in range(2 * VIDEOS):
        name = f"video-{number}"
        np.save(root / "features" / f"{name}.npy", random.standard_normal((snippets, CHANNELS), dtype=np.float32))
        lengths = random.uniform(0.01, 0.3, 18) * snippets / RATE
        starts = random.uniform(0, snippets / RATE - lengths)
        labels = (*(f"action {index}" for index in random.permutation(17)), "action 0")
        subset = "training" if number < VIDEOS else "validation"
        segments = np.stack((starts, starts + lengths), axis=1)
        videos[name] = VideoAnnotation(name, subset, snippets / RATE, RATE, segments, labels)
    save_annotations(Annotations(videos), root / "annotations.json")


def build(config: Config, data: TrainingData) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=len(data.facts.labels))
    for readout in (model.readout, model.refinement.update):
        nn.init.normal_(readout.offsets.weight, std=0.01)
        nn.init.normal_(readout.labels.weight, std=0.05)
    return model


def detection(localizer: Localizer, data: TrainingData, rounds: int) -> tuple[list[Stage], float]:
    """The stages of detection in a video of the validation subset, and the seconds of the whole."""
    assert data.validation is not None
    # All segments are refined: which ones reach the threshold says nothing about new weights.
    localizer.search.decoder = replace(localizer.search.decoder, refine_above=0.0)
    model, decoder, stages = localizer.model, localizer.search.decoder, list[Stage]()

    def stage(name: str, run: Callable[[], Any], *, without: Stage | None = None) -> Any:
        spent, work = best_seconds(run, rounds), work_of(run)
        if without:
            spent, work = spent - without.seconds, Work(*(a - b for a, b in zip(work, without.work, strict=True)))
        stages.append(Stage(name, spent, work))
        return run()

    with torch.inference_mode():
        features, _ = data.validation.read(0)
        loaded = Work(0, 3 * features.nbytes)  # from the file, and once more to scale
        stages.append(Stage("load", best_seconds(lambda: data.validation.read(0), rounds), loaded))
        anchors = stage("anchors", lambda: localizer.search.anchors(features.shape[1]).segments)
        mask = torch.ones(1, features.shape[1], dtype=torch.bool)
        encoding = stage("encode", lambda: model.encode(features[None], mask))
        stage("query", lambda: model.query(encoding, anchors[None], steps=1))
        predictions = stage("refine", lambda: model.query(encoding, anchors[None]), without=stages[-1])
        end = float(features.shape[1])
        candidates = stage("decode", lambda: decoder.select(predictions, end=end, minimum_length=1.0))
        stage("NMS", lambda: decoder.suppress(candidates))
        whole = best_seconds(
            lambda: localizer.detect_prepared(*data.validation.read(0), video="video"),  # type: ignore[union-attr]
            rounds,
        )
    return stages, whole


def evaluation(localizer: Localizer, data: TrainingData, rounds: int) -> Stage:
    assert data.validation is not None
    assert data.annotations is not None
    found = [
        localizer.detect_prepared(*data.validation.read(index), video=video.name)
        for index, video in enumerate(data.validation.videos)
    ]
    detections = Detections.concatenate(found)
    truth = data.annotations
    spent = best_seconds(lambda: evaluate(detections, truth, tiou_thresholds=np.linspace(0.3, 0.7, 5)), rounds)
    pairs = sum(len(part) * len(truth.videos[part.videos[0]].labels) for part in found)
    return Stage("evaluate", spent / len(found), Work(0, 8 * 8 * pairs / len(found)))


def training(config: Config, data: TrainingData, rounds: int) -> list[Stage]:
    """The stages of a training step."""
    model, criterion = build(config, data).train(), build_criterion(config.loss)
    dataset, size = training_dataset(config, data), min(config.training.batch_size, BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn())

    def load() -> Batch:
        return collate([dataset[index] for index in range(size)])

    batch = load()
    stages = [Stage("load", best_seconds(load, rounds), Work(0, 3 * batch.features.nbytes))]

    def encode() -> Any:
        return model.encode(batch.features, batch.mask)

    def forward(steps: int | None = None) -> Any:
        return model.query(encode(), batch.anchors, steps=steps)

    def losses(predictions: Any) -> Tensor:
        arguments = {"mask": batch.mask, "anchor_mask": batch.anchor_mask}
        return torch.stack([*criterion(predictions, batch.segments, batch.labels, **arguments).values()]).sum()

    def whole() -> None:
        optimizer.zero_grad()
        losses(forward()).backward()

    def update() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        averaged.update_parameters(model)

    ways = {
        "encode": encode,
        "query": lambda: forward(1),
        "refine": forward,
        "losses": lambda: losses(forward()),
        "backward": whole,
    }
    spent, done = 0.0, Work(0, 0)
    for name, run in ways.items():  # each includes the ones before it
        seconds, work = best_seconds(run, rounds), work_of(run)
        stages.append(Stage(name, seconds - spent, Work(*(a - b for a, b in zip(work, done, strict=True)))))
        spent, done = seconds, work
    return [*stages, Stage("update", best_seconds(update, rounds), work_of(update))]


# -- the tables --------------------------------------------------------------------------------------------------


def table(title: str, stages: list[Stage], limits: Limits) -> list[str]:
    total = sum(stage.seconds for stage in stages)
    lines = [f"| {title} | ms | share | arithmetic | traffic | bound by |", "|---|---|---|---|---|---|"]
    for stage in stages:
        arithmetic, traffic, by = bound(stage, limits)
        numbers = f"{stage.seconds * 1e3:.1f} | {stage.seconds / total:.0%} | {arithmetic:.0%} | {traffic:.0%}"
        lines.append(f"| {stage.name} | {numbers} | {by} |")
    return [*lines, f"| all | {total * 1e3:.1f} | | | | |", ""]


def measure(rounds: int) -> tuple[list[str], dict[str, Any]]:
    limits = machine_limits(rounds)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    reached = f"{limits.arithmetic / 1e9:.0f} GFLOP/s, {limits.traffic / 1e9:.1f} GB/s"
    lines, numbers = [f"Limits of this machine ({machine}): {reached}.", ""], dict[str, Any](limits=limits._asdict())
    for name, snippets in WORKLOADS.items():
        with tempfile.TemporaryDirectory() as scratch:
            pack = Path(scratch) / "pack"
            make_pack(pack, snippets)
            config = load_config(recipe_file(name), [f"data.root={pack}"])
            data = load_training_data(config)
            localizer = Localizer.from_model(build(config, data), config, data.facts, device="cpu")
            found, whole = detection(localizer, data, rounds)
            found.append(evaluation(localizer, data, rounds))
            trained = training(config, data, rounds)
        count = len(localizer.search.anchors(snippets).segments)
        batch = min(config.training.batch_size, BATCH)
        lines += [f"**{name}**, {snippets} snippets, {count:,} anchors at detection.", ""]
        lines += table("detection, per video", found, limits)
        lines += [f"A call of `detect_prepared` with its reading: {whole * 1e3:.1f} ms.", ""]
        lines += table(f"a training step, batch of {batch}", trained, limits)
        numbers[name] = {
            kind: {stage.name: [stage.seconds, *stage.work] for stage in stages}
            for kind, stages in (("detection", found), ("training", trained))
        }
    return lines, numbers


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--write", type=Path, help="write the tables between the markers of this file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines, numbers = measure(options.rounds)
    print("\n".join(lines))
    write_json(options.json, numbers)
    if options.write:
        replace_block(options.write, *MARKERS, "\n" + "\n".join(lines).rstrip())


if __name__ == "__main__":
    main()
