"""From configuration to modules: the one place that knows both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import geometric_mean

from rcl.data.batches import Augmentation
from rcl.detector.config import AugmentationConfig, InferenceConfig, LossConfig, SamplingConfig
from rcl.detector.model_config import BMNEncoderConfig, GTADEncoderConfig, ModelConfig
from rcl.models.alignment import SegmentAlignment
from rcl.models.anchoring import AnchorEmbedding, Readout
from rcl.models.anchors_and_points import AnchorDetector, LocationHead, PointDetector
from rcl.models.bmn import BMNEncoder
from rcl.models.decoding import Decoder
from rcl.models.graph_alignment import GraphAlignment
from rcl.models.grid import GridDetector, GridHead
from rcl.models.grid_cells import Cells
from rcl.models.gtad import GTADEncoder
from rcl.models.losses import Criterion
from rcl.models.rcl import RCL
from rcl.models.refinement import Movement, RecurrentRefinement
from rcl.models.sampling import Anchors, Lattice, TrainingSegments, centred, grid, pairs
from rcl.models.temporal import TemporalEncoder
from rcl.system.errors import InputError

Encoder = TemporalEncoder | BMNEncoder | GTADEncoder
Detector = RCL | GridDetector | AnchorDetector | PointDetector


def build_model(config: ModelConfig, *, in_channels: int, num_labels: int) -> Detector:
    """The network of a configuration, with new weights.

    Args:
        config: section ``model``.
        in_channels: width of the snippet features.
        num_labels: L; unused where ``config.labels`` is ``none``.

    Raises:
        InputError: the groups of an encoder do not divide its channels.
    """
    encoder = _encoder(config, in_channels)
    outputs = num_labels if config.labels == "joint" else 0
    if config.head in ("anchors", "points"):
        return _location_detector(config, encoder, outputs)

    alignment = _alignment(config, encoder.channels)
    if config.head == "grid":
        head = GridHead(config.channels, channels=config.map_channels, kernel=config.map_kernel, num_labels=outputs)
        return GridDetector(encoder, alignment, head, cells=_cells(config), finer=config.map_finer)
    embedding = AnchorEmbedding(
        alignment, channels=config.channels, conditioned=config.conditioned, dropout=config.dropout
    )
    readout = Readout(config.channels, num_labels=outputs)
    # Made last, so that the other weights start the same with it and without it.
    refinement = RecurrentRefinement(channels=config.channels, num_labels=outputs) if config.steps > 1 else None
    return RCL(
        encoder,
        embedding,
        readout,
        refinement,
        Movement(arrived=config.arrived, jitter=config.jitter),
        steps=config.steps,
    )


def _location_detector(config: ModelConfig, encoder: Encoder, num_labels: int) -> AnchorDetector | PointDetector:
    head = LocationHead(
        encoder.channels,
        channels=config.channels,
        hypotheses=len(config.lengths) if config.head == "anchors" else 1,
        num_labels=num_labels,
        dropout=config.dropout,
    )
    if config.head == "anchors":
        return AnchorDetector(encoder, head, lengths=config.lengths)
    return PointDetector(encoder, head, typical=geometric_mean(config.lengths))


def _alignment(config: ModelConfig, in_channels: int) -> SegmentAlignment | GraphAlignment:
    encoder = config.encoder
    if isinstance(encoder, GTADEncoderConfig):
        return GraphAlignment(
            in_channels,
            config.channels,
            inner_bins=encoder.inner_bins,
            context_bins=encoder.context_bins,
            context=config.context,
        )
    return SegmentAlignment(
        in_channels,
        config.channels,
        points=config.points,
        subpoints=config.subpoints,
        context=config.context,
        convention=config.convention,
    )


def _cells(config: ModelConfig) -> Cells:
    """As published: most ask about the last snippet of a segment; JJBOY's BMN, and ``centered``, about its end."""
    if isinstance(config.encoder, GTADEncoderConfig):
        return Cells(longest=config.longest, empty=(0.0, -1.0))
    last = 0.0 if config.convention == "bmn" and config.map_rows == "durations" else 1.0
    return Cells(config.map_rows, longest=config.longest, last=last)


def _encoder(config: ModelConfig, in_channels: int) -> Encoder:
    encoder = config.encoder
    if isinstance(encoder, BMNEncoderConfig | GTADEncoderConfig):
        if in_channels % encoder.groups or encoder.channels % encoder.groups:
            raise InputError(
                "model.encoder.groups",
                expected=f"a divisor of {in_channels} (channels of the features) and {encoder.channels} (encoder)",
                found=str(encoder.groups),
                fix="correct the value (1 always works)",
            )
        if isinstance(encoder, GTADEncoderConfig):
            return GTADEncoder(
                in_channels, channels=encoder.channels, groups=encoder.groups, neighbours=encoder.neighbours
            )
        return BMNEncoder(
            in_channels,
            channels=encoder.channels,
            groups=encoder.groups,
            proposal_channels=encoder.proposal_channels,
        )
    return TemporalEncoder(
        in_channels,
        encoder.channels,
        layers=encoder.layers,
        dropout=encoder.dropout,
        input_dropout=encoder.input_dropout,
        boundaries=encoder.boundaries,
    )


def regular_anchors(model: ModelConfig, config: InferenceConfig, *, longest: float) -> Callable[[int], Anchors]:
    """``T → Anchors``: the segments of a video that the model is asked about.

    Args:
        model: section ``model``.
        config: section ``inference``.
        longest: of the actions in training, in snippets; used where the configuration has none.
    """
    if model.head == "anchors":
        return partial(centred, lengths=model.lengths)
    if model.head == "points":
        return partial(centred, lengths=(1.0,))
    if config.anchors == "grid":
        return partial(grid, longest=model.longest, finer=model.map_finer if model.head == "grid" else 1)
    if config.anchors == "pairs":
        return partial(pairs, longest=model.longest)
    return Lattice(config.shortest, config.longest or longest, config.ratio, config.stride)


def training_segments(config: SamplingConfig, anchors: Callable[[int], Anchors]) -> TrainingSegments:
    """The sampler of section ``sampling``."""
    return TrainingSegments(
        regular=config.regular,
        jittered=config.jittered,
        scale_invariant=config.scale_invariant,
        spread=config.spread,
        anchors=anchors,
    )


def build_criterion(config: LossConfig, *, points: bool = False) -> Criterion:
    """The losses of section ``loss``, for anchors or for ``points``."""
    return Criterion(**config.model_dump(), points=points)


def build_decoder(config: InferenceConfig) -> Decoder:
    """Score fusion and soft-NMS of section ``inference``."""
    return Decoder(
        classification_power=config.classification_power,
        regression_power=config.regression_power,
        boundary_power=config.boundary_power,
        boundary_peaks=config.boundary_peaks,
        method=config.nms,
        sigma=config.nms_sigma,
        threshold=config.nms_threshold,
        candidates=config.candidates,
        top=config.top,
        min_score=config.min_score,
    )


def build_augmentation(config: AugmentationConfig) -> Augmentation:
    """The random changes of section ``augmentation``."""
    return Augmentation(**config.model_dump())
