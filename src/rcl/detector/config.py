"""The sections of a configuration, with the types and defaults of their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rcl.detector.model_config import ModelConfig
from rcl.detector.rates import BASE_RATE, Rates
from rcl.models.decoding import Decoder
from rcl.models.losses import Criterion
from rcl.system.options import Count, Section, Share, Weight
from rcl.system.paths import is_address, to_path


def _digits_as_text(value: Any) -> Any:
    """YAML reads ``32`` as a number even if it is a name."""
    return str(value) if type(value) is int else value


def _names(value: Any) -> Any:
    """``motion,imu`` is short for ``[motion, imu]``."""
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


def _here(value: object) -> object:
    """Refuse the address of an object store: training reads the features again in every epoch."""
    path = to_path(value) if isinstance(value, str) and value.startswith("file://") else value
    if isinstance(path, str) and is_address(path):
        raise PydanticCustomError("address", "a path on this machine: copy the pack here")
    return path


LocalPath = Annotated[Path, BeforeValidator(_here)]


class DataConfig(Section):
    """Where the data is, and how its features are read."""

    root: LocalPath = Path(".")
    """The pack: a folder with ``annotations.json`` (or ``.csv``) and ``features/`` (or ``features.h5``, ``.npz``)."""
    annotations: LocalPath | None = None
    """Annotation file, JSON or CSV, where it is not in the pack."""
    features: LocalPath | None = None
    """Folder or file of features, where it is not in the pack."""
    layout: Literal["TC", "CT"] = "TC"
    """How feature files are stored: (snippets, channels), or (channels, snippets)."""
    streams: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_names)] | None = None
    """Of a pack with several streams, those to use: ``motion,imu``; null for all."""
    training_subset: str = "training"
    """The subset to learn from."""
    validation_subset: str | None = "validation"
    """The subset that every epoch is evaluated on; null to train without."""
    unseen_labels: Literal["refuse", "missed"] = "refuse"
    """Validation labels that do not occur in training: refuse them, or count their instances as missed."""
    snippets_per_second: PositiveFloat | None = None
    """Snippet rate of the features, in place of ``fps`` in the annotation file."""
    resize: PositiveInt | None = None
    """Resize every video to so many snippets (100 in ActivityNet protocols); null keeps its own length."""
    resize_method: Literal["linear", "mean", "mean3"] = "linear"
    """``linear``: between the centres of the snippets; ``mean``: the mean of what a new snippet covers; ``mean3``: the
    mean of three points, as BSN and BMN had it."""
    downsample: PositiveInt = 1
    """So many snippets in a row become one, their mean: for features of a higher rate than the actions need."""
    window: PositiveInt | None = None
    """T, snippets per sliding window (256 in THUMOS14 protocols); null for whole videos."""
    window_stride: PositiveInt | None = None
    """Snippets from one window to the next; null for half a window."""
    window_share: Share = 0.75
    """An action belongs to a training window if more than this share of it lies inside."""
    scale: PositiveFloat = 1.0
    """Divide the features by this, so that their spread is about 1."""
    standardize: bool = False
    """Subtract the mean of each channel of the training videos, and divide by its deviation, in place of ``scale``. The
    checkpoint keeps both."""

    @model_validator(mode="after")
    def _one_length(self) -> DataConfig:
        if self.resize and self.downsample > 1:
            raise ValueError("either downsample or resize, which sets the number of snippets by itself")
        return self

    @model_validator(mode="after")
    def _windows_leave_no_gaps(self) -> DataConfig:
        if self.window and self.resize:
            raise ValueError("either window or resize, since a resized video has one length already")
        if self.window and self.window_stride and self.window_stride > self.window:
            raise ValueError(f"a window_stride of at most the window, {self.window}, so that no snippet is left out")
        return self


class AugmentationConfig(Section):
    """Random changes of the training features, against overfitting with few videos or an over-confident backbone."""

    noise: Weight = 0.0
    """Standard deviation of Gaussian noise on every (scaled) feature; ``model.streams.noise`` is for wide streams."""
    speed: Share = 0.0
    """Speed changes by a factor of up to ``1 ± speed``."""
    crop: PositiveInt | None = None
    """Of a longer video, so many snippets in a row are taken at random; null for whole videos."""


class SamplingConfig(Section):
    """The three kinds of training segments (paper 3.3), per video; 0 switches a kind off."""

    regular: Count = 1000
    """Segments of the regular grid (drawn at random where there are more)."""
    jittered: Count = 0
    """Random segments around the grid."""
    scale_invariant: Count = 24
    """Segments around each ground truth."""
    spread: PositiveFloat = 0.3
    """Standard deviation of a scale-invariant segment's ends, in lengths of its ground truth."""


class LossConfig(Section):
    """Weights of the losses (paper eq. 5 to 8)."""

    classification: Weight = Criterion.classification
    """Of p1, whether an anchor is an action."""
    regression: Weight = Criterion.regression
    """Of p2, its tIoU; λ1."""
    offsets: Weight = Criterion.offsets
    """λ2."""
    labels: Weight = Criterion.labels
    """Of the label scores."""
    boundaries: Weight = Criterion.boundaries
    """Of the boundary head, where the encoder has one."""
    foreground: Share = Criterion.foreground
    """τ of eq. 5: an anchor of a larger tIoU is an action."""
    label_foreground: Share = Criterion.label_foreground
    """The same for the label scores."""
    offset_foreground: Share = Criterion.offset_foreground
    """Offsets are learned by anchors of a larger tIoU."""
    alpha: PositiveFloat = Criterion.alpha
    """Attenuation of eq. 8."""
    order: Literal["first", "last"] = Criterion.order
    """Which step weighs most: step m weighs α^m (``first``, as eq. 8 is printed) or α^(M−m+1) (``last``)."""
    scale_invariant: bool = Criterion.scale_invariant
    """All actions weigh the same, however many anchors are near them: the loss of TSI."""


class TrainingConfig(Section):
    """Optimization."""

    epochs: PositiveInt = 25
    """Passes over the training videos; with ``epoch_steps``, parts of the training."""
    epoch_steps: PositiveInt | None = None
    """Steps in an epoch, however many videos there are; null: an epoch is a pass over the training videos."""
    batch_size: PositiveInt = 1
    """Videos per step and device."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """``adam`` adds the weight decay to the loss (λ3 of eq. 7), ``adamw`` keeps it apart."""
    learning_rate: PositiveFloat = 1e-3
    """At its highest, after the warm-up."""
    weight_decay: Weight = 0.05
    """λ3."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """The learning rate after the warm-up."""
    step_epochs: PositiveInt = 5
    """With ``step``: the learning rate falls to a tenth every so many epochs."""
    warmup: Share = 0.1
    """Share of all steps in which the learning rate rises from 0."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest norm of the gradient; null does not clip."""
    ema: Share | Literal["auto"] | None = "auto"
    """Decay of the weight average; ``auto`` averages over about the last tenth of all steps; null for none."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of all randomness: the same seed gives the same weights."""
    members: Annotated[int, Field(ge=1, le=20)] = 1
    """Networks of different seeds that are trained one after the other; their answers are averaged. Training and
    detection take as many times as long."""
    validate_every: PositiveInt = 1
    """Epochs between two evaluations."""
    buckets: bool = True
    """Put videos of similar lengths into a batch, so that little of it is padding. It has no effect if all lengths are
    equal."""
    workers: Count = 0
    """Processes that load data; 0 loads in the training process."""
    precision: Annotated[Literal["auto", "32", "bf16", "16"], BeforeValidator(_digits_as_text)] = "auto"
    """``auto``: 16-bit where the device has it, 32-bit on CPU."""


class InferenceConfig(Section):
    """The segments that are scored, and the decoding of their scores."""

    anchors: Literal["lattice", "grid", "pairs"] = "lattice"
    """``lattice``: lengths in a geometric series, O(T) of them; ``grid``: all T (T + 1) / 2 of whole snippets;
    ``pairs``: from the centre of a snippet to that of another. The heads ``anchors``, ``points`` and
    ``queries`` have their own."""
    shortest: PositiveFloat = 2.0
    """First length of the lattice, in snippets."""
    longest: PositiveFloat | None = None
    """The longest segment, in snippets; null: with a ``lattice``, the longest action in training; with ``grid`` and
    ``pairs``, the whole video. A ``grid`` of the grid head has the cells of its map."""
    ratio: Annotated[float, Field(gt=1)] = 1.25
    """Of two lengths of the lattice that follow each other."""
    stride: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Between two starts, in lengths."""
    rates: Rates = BASE_RATE
    """The segments are scored at each of these rates of the features, and the answers averaged: ``[0.7, 1, 1.4]`` costs
    three times as much as ``[1]``, and may help where actions are slower or faster than in training."""
    refine_above: Share = Decoder.refine_above
    """Refine a segment if its best score after the first step is at least this. Others keep that score and their place
    after one step, which saves most of the time of refinement; 0 refines all."""
    classification_power: Weight = Decoder.classification_power
    """Power of p1 in the score of a detection; see ``Decoder``."""
    regression_power: Weight = Decoder.regression_power
    """Power of p2."""
    boundary_power: Weight = Decoder.boundary_power
    """Power of the start and end probabilities, where the encoder has a boundary head."""
    boundary_peaks: bool = Decoder.boundary_peaks
    """Keep only segments that start and end at a peak of these probabilities."""
    nms: Literal["gaussian", "linear", "hard", "none"] = Decoder.method
    """How a detection lowers the scores of overlapping detections of its label."""
    nms_sigma: PositiveFloat = Decoder.sigma
    """Width of the Gaussian."""
    nms_threshold: Share = Decoder.threshold
    """Soft-NMS ignores overlaps up to this."""
    candidates: PositiveInt = Decoder.candidates
    """The number of best (segment, label) pairs of a video or window that enter soft-NMS, per 16,384 snippets begun."""
    top: PositiveInt = Decoder.top
    """Q: detections kept per video, per 16,384 snippets begun."""
    min_score: Share = Decoder.min_score
    """A detection with a lower score is dropped."""


class Config(Section):
    """All options of a run."""

    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    model: ModelConfig = ModelConfig()
    sampling: SamplingConfig = SamplingConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()

    @model_validator(mode="after")
    def _some_segments(self) -> Config:
        if not (self.sampling.regular or self.sampling.jittered or self.sampling.scale_invariant):
            raise ValueError("at least one kind of training segments in section sampling")
        return self

    @model_validator(mode="after")
    def _scores_are_learned(self) -> Config:
        loss, inference = self.loss, self.inference
        offsets = loss.offsets and self.model.head.name != "grid"  # whose segments stay where they are
        if not (loss.classification or loss.regression or offsets or (loss.labels and self.model.labels != "none")):
            raise ValueError("at least one loss of this model with a weight above 0 in section loss")
        for name in ("classification", "regression"):
            if getattr(inference, f"{name}_power") and not getattr(loss, name):
                raise ValueError(f"inference.{name}_power=0 where loss.{name} is 0, since nothing learns that score")
        return self
