"""Training on videos of which only a part was reviewed, and the same as if all of it had been.

    python benchmarks/partial_labels.py PACKS --output RUNS [--only PACK ...] [--seeds 0 1 2] [--json FILE]

PACKS is a folder of packs. In every training video, a run of neighbouring instances, half of them, is kept. The stretch
that they lie in, from a random time in the gap before the first to one in the gap after the last, is what was reviewed.
``rcl.fit`` trains on

- *reviewed*: these instances, with ``reviewed``.
- *as if all were reviewed*: these instances, without ``reviewed``: all others count as background.
- *cut to the same stretches*: these instances, labelled completely: the features of the training videos are cut to what
  was reviewed. Nothing is unlabelled, and the instances are the same.
- *half of the videos*: about as many instances, labelled completely: all those of every second training video.
- *everything*: all instances of all videos.

The validation videos are those of the pack, labelled completely. Numbers: average mAP at tIoU 0.3 to 0.7 in percent,
mean of the seeds, ± half their range. A seed chooses the stretches and the weights.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import cell, table
from measuring import argument_parser, write_json

import rcl
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.pack import find_annotations, find_features

PACKS = ("50salads-mid-fold1", "gtea-fold1", "sbhar-dev")


def half_of(video: VideoAnnotation, random: np.random.Generator) -> VideoAnnotation:
    """A run of half of the instances of a video, and the stretch that they lie in."""
    order = np.argsort(video.segments_seconds[:, 0], kind="stable")
    starts, ends = video.segments_seconds[order].T
    count = -(-len(order) // 2)
    first = int(random.integers(len(order) - count + 1))
    last = first + count - 1
    end_of_video = video.duration_seconds or float(ends.max(initial=0.0))
    # Instances may overlap: those that are left out end before the stretch, or begin after it, as far as possible.
    before = min(float(ends[:first].max(initial=0.0)), starts[first])
    after = max(float(starts[last + 1 :].min(initial=end_of_video)), float(ends[first : last + 1].max()))
    stretch = random.uniform(before, starts[first]), random.uniform(float(ends[first : last + 1].max()), after)
    kept = np.sort(order[first : last + 1])
    return replace(
        video,
        segments_seconds=video.segments_seconds[kept],
        labels=tuple(video.labels[row] for row in kept),
        reviewed_seconds=np.array([stretch]),
    )


def changed(annotations: Annotations, training: dict[str, VideoAnnotation]) -> Annotations:
    """The annotations with these training videos in place of all of them."""
    others = {name: video for name, video in annotations.videos.items() if video.subset != "training"}
    return replace(annotations, videos={**training, **others})


def cut(pack: Path, root: Path, annotations: Annotations) -> Path:
    """A pack in which the training videos are what was reviewed of them."""
    store = FeatureStore(find_features(pack))
    (root / "features").mkdir(parents=True)
    videos = {}
    for name, video in annotations.videos.items():
        features = store.read(name)  # (T, C)
        if video.reviewed_seconds is not None:
            rate = video.snippets_per_second or len(features) / float(video.duration_seconds or 1.0)
            limits = [
                round(float(time) * rate) for time in (video.reviewed_seconds[0, 0], video.reviewed_seconds[-1, 1])
            ]
            features = features[limits[0] : max(limits[1], limits[0] + 1)]
            shifted = (video.segments_seconds - limits[0] / rate).clip(0, len(features) / rate)
            video = replace(
                video, segments_seconds=shifted, duration_seconds=len(features) / rate, reviewed_seconds=None
            )
        np.save(root / "features" / f"{name}.npy", features)
        videos[name] = video
    save_annotations(replace(annotations, videos=videos), root / "annotations.json")
    return root


def variants(pack: Path, folder: Path, seed: int) -> dict[str, tuple[Path, Annotations]]:
    """Pack and labels of each way to train."""
    annotations = load_annotations(find_annotations(pack))
    training = {name: video for name, video in annotations.videos.items() if video.subset == "training"}
    random = np.random.default_rng(seed)
    halves = {name: half_of(video, random) for name, video in training.items() if video.labels}
    reviewed = changed(annotations, halves)
    as_all = changed(annotations, {name: replace(video, reviewed_seconds=None) for name, video in halves.items()})
    order = random.permutation([*training])
    every_second = changed(annotations, {name: training[name] for name in order[: -(-len(order) // 2)].tolist()})
    root = folder / "cut"
    if not root.exists():
        cut(pack, root, reviewed)
    return {
        "reviewed": (pack, reviewed),
        "as if all were reviewed": (pack, as_all),
        "cut to the same stretches": (root, load_annotations(root / "annotations.json")),
        "half of the videos": (pack, every_second),
        "everything": (pack, annotations),
    }


def measure(pack: Path, labels: Annotations, output: Path) -> float:
    """The average mAP of a fit; a finished one is not repeated."""
    number = output / "average_map.txt"
    if not number.exists():
        seed = int(output.parent.name)
        evaluation = rcl.fit(pack, labels, output, seed=seed, overwrite=True).evaluation
        assert evaluation is not None  # all packs have validation videos
        number.write_text(f"{evaluation.average_map!r}\n")
    return float(number.read_text())


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("packs", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", default=PACKS, help="packs")
    parser.add_argument("--ways", nargs="+", help="ways to train; by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    numbers: dict[str, dict[str, list[float]]] = {}
    counts: dict[str, dict[str, int]] = {}
    for name in options.only:
        for seed in options.seeds:
            folder = options.output / name / str(seed)
            for way, (pack, labels) in variants(options.packs / name, folder, seed).items():
                if options.ways and way not in options.ways:
                    continue
                begin = time.perf_counter()
                value = measure(pack, labels, folder / way.replace(" ", "-"))
                numbers.setdefault(name, {}).setdefault(way, []).append(value)
                counts.setdefault(name, {})[way] = sum(len(v.labels) for v in labels.subset("training").videos.values())
                print(f"{name} {way} {seed}: {value:.1%} ({time.perf_counter() - begin:.0f} s)", flush=True)
    rows = [
        [name if not place else "", way, str(counts[name][way]), cell([100 * value for value in values])]
        for name, ways in numbers.items()
        for place, (way, values) in enumerate(ways.items())
    ]
    print(table(["", "trained on", "instances", "average mAP"], rows))
    write_json(options.json, {"average_map": numbers, "instances": counts})


if __name__ == "__main__":
    main()
