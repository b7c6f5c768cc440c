"""From a folder of videos and a table of labels to a trained and evaluated detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rcl.data.annotations import Annotations
from rcl.data.datasets import VideoDataset
from rcl.data.detections import Detections
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import save_detections
from rcl.data.segments import Timeline
from rcl.detector.config import Config
from rcl.detector.load_config import load_config, parse_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import Evaluation, evaluate
from rcl.system.errors import InputError, listed
from rcl.system.ray_cluster import Cluster
from rcl.system.text_files import write_json
from rcl.training.choices import (
    MANY_INSTANCES,
    Choice,
    action_lengths,
    choose_epochs,
    choose_layers,
    choose_stride,
    split_videos,
)
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extract_many import extract_many
from rcl.video.extraction import choose_extraction
from rcl.video.finding import match_videos
from rcl.video.packs import Outcome, PackWriter
from rcl.video.settings import read_settings

# -- choices from the data ---------------------------------------------------------------------------------------


# -- the chain ---------------------------------------------------------------------------------------------------


class HeldOut(NamedTuple):
    """What a new detector found in the held-out videos, and everything a report of it needs.

    ``features`` gives a video's features ``(C, T)``, resized and scaled, and their timeline.
    """

    detections: Detections
    annotations: Annotations
    evaluation: Evaluation
    localizer: Localizer
    features: Mapping[str, Callable[[], tuple[Tensor, Timeline]]]


class Fit:
    """The steps of ``rcl fit``, in this order: :meth:`extract`, :meth:`configure`, :meth:`train`, :meth:`evaluate`.

    Args:
        videos: name to file.
        labels: table or JSON of annotations, in seconds; see ``load_annotations``.
        output: folder of the run; its ``pack`` holds the features.
        backbone: its name; see ``build_backbone``.
        options: of the backbone.
        rate: frames per second; the backbone's choice by default.
        window: L; the backbone's choice by default.
        stride: σ; chosen from the lengths of the actions by default.
        seed: of the split and of the training.
        resume: go on with a training that was stopped.
        overwrite: begin the training anew where there was one.
        device: where the backbone runs.

    Raises:
        InputError: the table cannot be read, or names no video that is there; the backbone cannot be had; ``output``
            holds features of other settings.
    """

    def __init__(
        self,
        videos: Mapping[str, Path],
        labels: Path,
        output: Path,
        *,
        backbone: str = "motion",
        options: BackboneOptions | None = None,
        rate: float | None = None,
        window: int | None = None,
        stride: int | None = None,
        seed: int = 0,
        resume: bool = False,
        overwrite: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.resumes = (output / "last.ckpt").exists() and resume
        self.overwrite = overwrite
        if (output / "last.ckpt").exists() and not (resume or overwrite):
            fix = "add --resume to go on with it, or choose another folder"
            raise InputError(output, expected="a new folder", found="the run of an earlier command", fix=fix)
        annotations = match_videos(load_annotations(labels, clip=False), videos)
        there = {name: video for name, video in annotations.videos.items() if name in videos}
        self.missing = sorted(set(annotations.videos) - set(there))
        self.unlabelled = sorted(set(videos) - set(there))
        lengths = action_lengths(replace(annotations, videos=there))
        if not len(lengths):
            found = f"labels of {listed(list(annotations.videos), 3)}, videos {listed(list(videos), 3)}"
            fix = "write the names of the video files into the column video"
            raise InputError(labels, expected="labelled segments of the videos", found=found, fix=fix)
        self.videos = {name: videos[name] for name in there}
        self.output, self.seed = output, seed
        self.choices: list[Choice] = []
        self.annotations = replace(annotations, videos=there)
        self.short_seconds = float(np.round(np.quantile(lengths, 0.25), 2))
        if self.resumes and (kept := read_settings(output / "pack")):  # what the training began with
            rate, window, stride = rate or kept.rate, window or kept.window, stride or kept.stride
        made, settings = choose_extraction(backbone, options, rate=rate, window=window, stride=stride, device=device)
        if stride is None:
            # Networks cost too much to be asked more often than usual; the descriptor sees up to the next snippet.
            chosen = choose_stride(lengths, settings.rate)
            chosen = chosen if backbone == "motion" else max(chosen, settings.stride)
            seen = chosen + 1 if backbone == "motion" and window is None else settings.window
            settings = settings.model_copy(update={"stride": chosen, "window": seen})
            short = float(np.quantile(lengths, 0.1))
            reason = f"one action in ten is shorter than {short:.2g} s"
            self._choose("snippets per second", f"{settings.snippets_per_second:.3g}", reason)
        self.writer = PackWriter(output / "pack", settings, backbone=made, device=device)

    def _choose(self, name: str, value: object, reason: str) -> None:
        self.choices.append(Choice(name, str(value), reason))

    def _split(self, annotations: Annotations) -> Annotations:
        if any(video.subset != "training" for video in annotations.videos.values()):
            return annotations
        split = split_videos(annotations, seed=self.seed)
        held_out = [name for name, video in split.videos.items() if video.subset == "validation"]
        reason = "the table names no subset" if held_out else "every label needs a training video"
        self._choose("held out for validation", listed(held_out, 4) or "no video", reason)
        return split

    def extract(
        self,
        *,
        workers: int = 1,
        cluster: Cluster | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Iterator[Outcome]:
        """Extract the features of every video that is not done yet; see ``extract_many``."""
        return extract_many(self.writer, self.videos, workers=workers, cluster=cluster, progress=progress)

    def configure(self) -> Config:
        """Write the annotations of what was extracted, and choose the configuration of the training.

        A training that goes on keeps both.

        Raises:
            InputError: no training video could be extracted, or the labels are not those that a training began with.
        """
        if self.resumes:
            self._check_unchanged()
            return load_config(self.output / "config.yaml")
        done = {name: self.annotations.videos[name] for name in self.writer.names() if name in self.annotations.videos}
        self.writer.annotate(self._split(replace(self.annotations, videos=done)))
        kept = load_annotations(self.writer.root / "annotations.json")
        training = kept.subset("training")
        if not training.labels:
            raise InputError(
                self.annotations.source,
                expected="segments inside the training videos, in seconds",
                found="none",
                fix="correct the times (are they frames, or minutes?)",
            )
        snippets_per_second = self.writer.settings.snippets_per_second
        lengths = action_lengths(training)
        longest = float(lengths[-1]) * snippets_per_second
        layers = choose_layers(longest)
        self._choose("encoder layers", layers, f"the longest action lasts {longest / snippets_per_second:.3g} s")
        channels = 128 if len(lengths) >= MANY_INSTANCES else 64
        self._choose("channels of the model", channels, f"{len(lengths)} training instances")
        epochs = choose_epochs(len(training.videos))
        self._choose("epochs", epochs, f"{len(training.videos)} training videos")
        subset = next((name for name in ("validation", "testing") if _has_labels(kept, name)), None)
        values: dict[str, Any] = {
            "data": {
                "root": str(self.writer.root),
                "validation_subset": subset,
                "scale": self._scale(training),
            },
            "model": {"encoder": {"name": "temporal", "channels": channels, "layers": layers}, "channels": channels},
            "sampling": {"regular": 500},
            "training": {
                "epochs": epochs,
                "batch_size": 2,
                "learning_rate": 2e-3,
                "validate_every": max(1, epochs // 5),
                "seed": self.seed,
            },
        }
        return parse_config(values, where="rcl fit")

    def _check_unchanged(self) -> None:
        path = self.writer.root / "annotations.json"
        for name, video in load_annotations(path, clip=False).videos.items():
            now = self.annotations.videos.get(name)
            if now and (now.labels != video.labels or not np.array_equal(now.segments_seconds, video.segments_seconds)):
                raise InputError(
                    f"{self.annotations.source}, video {name!r}",
                    expected="the labels that the training began with",
                    found="others",
                    fix="fit into another folder",
                )

    def _scale(self, annotations: Annotations) -> float:
        """Standard deviation of the features of up to fifty training videos, to two digits."""
        store = FeatureStore(self.writer.root / "features")
        spreads = [store.read(name).std(axis=0).mean() for name in list(annotations.videos)[:50]]
        return float(f"{max(float(np.mean(spreads)), 1e-6):.2g}")

    def train(self, config: Config) -> Path:
        """Train; see ``rcl.training.run.train``."""
        from rcl.training.run import train  # Lightning takes a second to import

        # One process: others would start with the same command, which is more than a training.
        return train(config, self.output, resume=self.resumes, overwrite=self.overwrite, devices=1)

    def evaluate(self, checkpoint: Path, config: Config) -> HeldOut | None:
        """Detect in the held-out videos and compare with their labels.

        It leaves ``detections.json`` and ``evaluation.json``. ``None`` where no video is held out.
        """
        subset = config.data.validation_subset
        if subset is None:
            return None
        truth = load_annotations(self.writer.root / "annotations.json").subset(subset)
        localizer = Localizer.load(checkpoint)
        videos = VideoDataset(truth, FeatureStore(self.writer.root / "features"), (), localizer.preparation)
        detections = Detections.concatenate(
            [
                localizer.detect_prepared(*videos.read(index), video=video.name)
                for index, video in enumerate(videos.videos)
            ]
        )
        save_detections(detections, self.output / "detections.json")
        evaluation = evaluate(
            detections, truth, tiou_thresholds=np.linspace(0.3, 0.7, 5), short_seconds=self.short_seconds
        )
        write_json(self.output / "evaluation.json", evaluation.to_json(), indent=1)
        features = {video.name: partial(videos.read, index) for index, video in enumerate(videos.videos)}
        return HeldOut(detections, truth, evaluation, localizer, features)


def _has_labels(annotations: Annotations, subset: str) -> bool:
    return any(video.labels and video.subset == subset for video in annotations.videos.values())
