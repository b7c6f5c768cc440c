"""From configuration to modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial

import torch
from torch import Tensor

from rcl.data.batches import Augmentation
from rcl.data.streams import Stream
from rcl.detector.checkpoint import Checkpoint, Facts
from rcl.detector.config import AugmentationConfig, Config, InferenceConfig, LossConfig, SamplingConfig
from rcl.detector.heads import AnchorGenerator
from rcl.detector.model_config import ModelConfig
from rcl.detector.search import Search
from rcl.models.decoding import Decoder
from rcl.models.detector import Detector
from rcl.models.ensemble import Ensemble
from rcl.models.losses import Criterion
from rcl.models.sampling import Lattice, TrainingSegments, grid, pairs
from rcl.models.set_losses import SetCriterion
from rcl.models.streams import StreamedEncoder
from rcl.system.errors import InputError


def build_model(config: ModelConfig, *, in_channels: int, num_labels: int, streams: Sequence[Stream] = ()) -> Detector:
    """The network of a configuration, with new weights.

    Args:
        config: section ``model``.
        in_channels: width of the snippet features.
        num_labels: L; unused where ``config.labels`` is ``none``.
        streams: what the features consist of, side by side; none for a single stream.

    Raises:
        InputError: the encoder refuses its options, such as groups that do not divide its channels.
    """
    encoder = _streamed_encoder(config, streams) if streams else config.encoder.build(in_channels)
    return config.head.build(encoder, num_labels if config.labels == "joint" else 0)


def _streamed_encoder(config: ModelConfig, streams: Sequence[Stream]) -> StreamedEncoder:
    embedding = config.streams.build([stream.channels for stream in streams])
    return StreamedEncoder(embedding, config.encoder.build(embedding.channels))


def load_model(checkpoint: Checkpoint) -> Detector:
    """The network of a checkpoint, or the ensemble.

    Raises:
        InputError: its weights are not those of the model that its configuration describes.
    """
    first, *others = (_load_network(checkpoint, weights) for weights in (checkpoint.weights, *checkpoint.members))
    return Ensemble([first, *others]) if others else first


def _load_network(checkpoint: Checkpoint, weights: dict[str, Tensor]) -> Detector:
    config, facts = checkpoint.config, checkpoint.facts
    try:
        with torch.device("meta"):  # takes no memory until the sizes are known to fit the weights
            build_model(config.model, **facts.sizes()).load_state_dict(weights, assign=True)
        model = build_model(config.model, **facts.sizes())
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            checkpoint.source,
            expected="weights of the model in its configuration",
            found=" ".join(str(error).split("\n", 1)[-1].split())[:120],
            fix="use a whole file that rcl train wrote",
        ) from None
    return model


def regular_anchors(model: ModelConfig, config: InferenceConfig, *, longest: float) -> AnchorGenerator:
    """``T → Anchors``: the segments of a video that the model scores.

    Args:
        model: section ``model``.
        config: section ``inference``.
        longest: of the training actions, in snippets; the longest of the lattice where ``inference.longest`` is null.
    """
    configured: AnchorGenerator
    if config.anchors == "lattice":
        configured = Lattice(config.shortest, config.longest or longest, config.ratio, config.stride)
    else:
        configured = partial(grid if config.anchors == "grid" else pairs, longest=config.longest)
    return model.head.anchors(configured, config.anchors)


def training_segments(config: SamplingConfig, anchors: AnchorGenerator) -> TrainingSegments:
    """The sampler of section ``sampling``."""
    return TrainingSegments(**config.model_dump(), anchors=anchors)


def build_criterion(config: LossConfig, *, head: str = "continuous") -> Criterion | SetCriterion:
    """The losses of section ``loss`` for the head of this name."""
    if head == "queries":
        return SetCriterion(**config.model_dump(include={field.name for field in fields(SetCriterion)}))
    return Criterion(**config.model_dump(), points=head == "points")


def build_decoder(config: InferenceConfig) -> Decoder:
    """Score fusion and soft-NMS of section ``inference``."""
    options = config.model_dump(include={field.name for field in fields(Decoder)})
    return Decoder(**options, method=config.nms, sigma=config.nms_sigma, threshold=config.nms_threshold)


def build_search(model: Detector, config: Config, facts: Facts, *, device: torch.device | str | None = None) -> Search:
    """The search with a model, which moves to ``device`` and into evaluation mode."""
    return Search(
        model,
        anchors=regular_anchors(config.model, config.inference, longest=facts.longest),
        decoder=build_decoder(config.inference),
        window=config.data.window,
        window_stride=config.data.window_stride,
        rates=config.inference.rates,
        device=device,
    )


def build_augmentation(config: AugmentationConfig) -> Augmentation:
    """The random changes of section ``augmentation``."""
    return Augmentation(**config.model_dump())
