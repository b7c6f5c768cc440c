"""Typed configuration: YAML in, one clear sentence out for whatever is wrong with it, before any work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rcl.system.errors import InputError
from rcl.system.paths import is_address
from rcl.system.text_files import shown, to_path

Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


def _digits_as_text(value: Any) -> Any:
    """YAML reads ``32`` as a number, also where it is a name."""
    return str(value) if type(value) is int else value


def _here(value: object) -> object:
    """Refuse an address, of which a path would be made; a training reads the features again in every epoch."""
    path = to_path(value) if isinstance(value, str) and value.startswith("file://") else value
    if isinstance(path, str) and is_address(path):
        raise PydanticCustomError("address", "a path on this machine: copy the pack here")
    return path


LocalPath = Annotated[Path, BeforeValidator(_here)]


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


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
    training_subset: str = "training"
    """The subset to learn from."""
    validation_subset: str | None = "validation"
    """The subset that every epoch is evaluated on; null to train without."""
    snippets_per_second: PositiveFloat | None = None
    """Snippet rate of the features, in place of ``fps`` in the annotation file."""
    resize: PositiveInt | None = None
    """Resize every video to so many snippets (100 in ActivityNet protocols); null keeps its own length."""
    resize_method: Literal["linear", "mean3"] = "linear"
    """``linear``: between the centres of the snippets; ``mean3``: the mean of three points, as BSN and BMN had it."""
    window: PositiveInt | None = None
    """T, snippets per sliding window (256 in THUMOS14 protocols); null for whole videos."""
    window_stride: PositiveInt | None = None
    """Snippets from one window to the next; null for half a window."""
    window_share: Share = 0.75
    """An action belongs to a training window if more than this share of it lies inside."""
    scale: PositiveFloat = 1.0
    """Divide the features by this, so that their spread is about 1."""

    @model_validator(mode="after")
    def _windows_leave_no_gaps(self) -> DataConfig:
        if self.window and self.resize:
            raise ValueError("either window or resize, since a resized video has one length already")
        if self.window and self.window_stride and self.window_stride > self.window:
            raise ValueError(f"a window_stride of at most the window, {self.window}, so that no snippet is left out")
        return self


class AugmentationConfig(Section):
    """Random changes of the training features; they make up for few videos and for an over-confident backbone."""

    noise: Weight = 0.0
    """Standard deviation of Gaussian noise on every (scaled) feature."""
    speed: Share = 0.0
    """Speed changes by a factor of up to ``1 ± speed``."""


class TemporalEncoderConfig(Section):
    """Dilated convolutions for whole videos."""

    name: Literal["temporal"] = "temporal"
    channels: PositiveInt = 128
    """Width of every layer."""
    layers: PositiveInt = 9
    """Layer i has dilation 2^i, so that L layers see 2^(L+1) − 1 snippets."""
    dropout: Share = 0.1
    """Inside every layer."""
    input_dropout: Share = 0.1
    """Share of the feature channels that is dropped, one draw per video and step."""
    boundaries: bool = False
    """Add a boundary head, as BMN has it."""


class BMNEncoderConfig(Section):
    """The convolutions of BMN, for sequences of a fixed length."""

    name: Literal["bmn"] = "bmn"
    channels: PositiveInt = 256
    """Width of every layer."""
    groups: PositiveInt = 4
    """Groups of the base and boundary convolutions."""
    proposal_channels: PositiveInt | None = None
    """Width of the last layer, where it is another one (128 in OpenTAD)."""


class GTADEncoderConfig(Section):
    """The graph convolutions of G-TAD, for sequences of a fixed length."""

    name: Literal["gtad"] = "gtad"
    channels: PositiveInt = 256
    """Width of every layer; a multiple of groups."""
    groups: PositiveInt = 4
    """Groups of the first convolution."""
    neighbours: PositiveInt = 3
    """k, nearest snippets in feature space."""
    inner_bins: PositiveInt = 32
    """Of its look-up along the segment (16 on THUMOS14)."""
    context_bins: PositiveInt = 4
    """Of its look-up of the neighbours' means (16 on THUMOS14)."""


class ModelConfig(Section):
    """The encoder and the function on top of it."""

    encoder: Annotated[TemporalEncoderConfig | BMNEncoderConfig | GTADEncoderConfig, Field(discriminator="name")] = (
        TemporalEncoderConfig()
    )
    head: Literal["continuous", "grid", "anchors", "points"] = "continuous"
    """``continuous``: a function of any segment, as in RCL; ``grid``: a map of all segments of whole snippets;
    ``anchors``: some lengths at every snippet; ``points``: centre and length of the action that a snippet lies in."""
    conditioned: bool = True
    """With ``continuous``: the function is told the coordinates of the segment."""
    map_channels: PositiveInt = 128
    """With ``grid``: width of the map."""
    map_kernel: Literal[1, 3] = 3
    """With ``grid``: size of the convolutions over the map."""
    map_rows: Literal["durations", "starts"] = "durations"
    """With ``grid``: what the rows of the map are; ``starts`` as in the BMN code of JJBOY, whose weights need it."""
    map_finer: PositiveInt = 1
    """With ``grid``: enlarge the map of scores so many times, by linear interpolation."""
    lengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
    """With ``anchors``: their lengths, in snippets; ``points`` start with the geometric mean of them."""
    longest: PositiveInt | None = None
    """With a ``grid`` (head or anchors) or ``pairs``: D, the longest segment, in snippets; null: the whole video."""
    points: PositiveInt = 16
    """P, points along an anchor at which the features are looked up."""
    subpoints: PositiveInt = 1
    """Samples whose mean a point is."""
    context: Weight = 0.25
    """How far the points reach beyond each end, in lengths of the segment."""
    convention: Literal["centered", "bmn"] = "centered"
    """Where the points lie; ``bmn`` as in the public BMN code. See ``rcl.models.alignment``."""
    channels: PositiveInt = 128
    """Width of what is known of an anchor, and of the hidden state."""
    dropout: Share = 0.1
    """On what is known of an anchor."""
    labels: Literal["joint", "none"] = "joint"
    """``joint``: a label head on every anchor; ``none``: proposals."""
    steps: PositiveInt = 3
    """M, the number of refinement steps; 1 is continuous anchoring alone."""
    arrived: Annotated[float, Field(gt=0, le=1)] = 0.6
    """tIoU of a segment with the next one from which on it stays where it is."""
    jitter: Weight = 0.2
    """Error of the moved segments in training, in lengths of the segment."""

    @model_validator(mode="after")
    def _others_have_one_step(self) -> ModelConfig:
        if self.head != "continuous" and self.steps > 1:
            raise ValueError(f"steps=1 with head={self.head}, which has nothing to refine")
        return self

    @field_validator("encoder", mode="before")
    @classmethod
    def _default_encoder(cls, value: Any) -> Any:
        """Without a name it is the default encoder, so that ``model.encoder.channels=64`` is enough."""
        return {"name": "temporal", **value} if isinstance(value, dict) else value


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

    classification: Weight = 1.0
    """Of p1, whether an anchor is an action."""
    regression: Weight = 10.0
    """Of p2, its tIoU; λ1."""
    offsets: Weight = 1.0
    """λ2."""
    labels: Weight = 1.0
    """Of the label scores."""
    boundaries: Weight = 1.0
    """Of the boundary head, where the encoder has one."""
    foreground: Share = 0.7
    """τ of eq. 5: an anchor of a larger tIoU is an action."""
    label_foreground: Share = 0.5
    """The same for the label scores."""
    offset_foreground: Share = 0.3
    """Offsets are learned by anchors of a larger tIoU."""
    alpha: PositiveFloat = 0.8
    """Attenuation of eq. 8."""
    order: Literal["first", "last"] = "first"
    """Which step weighs most: step m weighs α^m (``first``, as eq. 8 is printed) or α^(M−m+1) (``last``)."""
    scale_invariant: bool = False
    """Every action weighs the same, however many anchors are near it: the loss of TSI."""


class TrainingConfig(Section):
    """Optimization."""

    epochs: PositiveInt = 25
    """Passes over the training videos."""
    batch_size: PositiveInt = 1
    """Videos per step and device."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """``adam`` adds the weight decay to the loss (λ3 of eq. 7), ``adamw`` keeps it apart."""
    learning_rate: PositiveFloat = 1e-3
    """At its highest, after the warm-up."""
    weight_decay: Weight = 0.05
    """λ3."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """What becomes of the learning rate after the warm-up."""
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
    validate_every: PositiveInt = 1
    """Epochs between two evaluations."""
    buckets: bool = True
    """Put videos of similar lengths into a batch, so that little of it is padding; with videos of one length it changes
    nothing."""
    workers: Count = 0
    """Processes that load data; 0 loads in the training process."""
    precision: Annotated[Literal["auto", "32", "bf16", "16"], BeforeValidator(_digits_as_text)] = "auto"
    """``auto``: 16-bit where the device has it, 32-bit on CPU."""


class InferenceConfig(Section):
    """Which segments are asked about, and what becomes of the answers."""

    anchors: Literal["lattice", "grid", "pairs"] = "lattice"
    """``lattice``: lengths in a geometric series, O(T) of them; ``grid``: all T (T + 1) / 2 of whole snippets;
    ``pairs``: from the centre of a snippet to that of another. The heads ``anchors`` and ``points`` have their own."""
    shortest: PositiveFloat = 2.0
    """First length of the lattice, in snippets."""
    longest: PositiveFloat | None = None
    """Last length of the lattice, in snippets; null: the longest action of the training set."""
    ratio: Annotated[float, Field(gt=1)] = 1.25
    """Of two lengths of the lattice that follow each other."""
    stride: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Between two starts, in lengths."""
    classification_power: Weight = 0.0
    """Power of p1 in the score of a detection; see ``Decoder``."""
    regression_power: Weight = 0.5
    """Power of p2."""
    boundary_power: Weight = 0.0
    """Power of the start and end probabilities, where the encoder has a boundary head."""
    boundary_peaks: bool = False
    """Keep only what starts and ends where these probabilities have a peak."""
    nms: Literal["gaussian", "linear", "hard", "none"] = "gaussian"
    """How a detection lowers the scores of those of its label that overlap it."""
    nms_sigma: PositiveFloat = 0.5
    """Width of the Gaussian."""
    nms_threshold: Share = 0.0
    """Overlap up to which a detection leaves another one alone."""
    candidates: PositiveInt = 3000
    """How many of the best (segment, label) pairs of a video, or of each of its windows, enter soft-NMS; so many for
    every 16,384 snippets begun of a longer one."""
    top: PositiveInt = 200
    """Q: detections kept per video; so many for every 16,384 snippets begun of a longer one."""
    min_score: Share = 1e-4
    """A detection with a lower score is dropped."""


class Config(Section):
    """Everything that a run depends on."""

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
        offsets = loss.offsets and self.model.head != "grid"  # whose segments stay where they are
        if not (loss.classification or loss.regression or offsets or (loss.labels and self.model.labels != "none")):
            raise ValueError("at least one loss of this model with a weight above 0 in section loss")
        for name in ("classification", "regression"):
            if getattr(inference, f"{name}_power") and not getattr(loss, name):
                raise ValueError(f"inference.{name}_power=0 where loss.{name} is 0, since nothing learns that score")
        return self


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """Check plain values against the schema.

    Raises:
        InputError: names the key, what it should be and what was found.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _explain(error, where) from None


def load_config(path: Path | str, overrides: list[str] | None = None) -> Config:
    """Read a YAML file and apply ``key=value`` overrides, such as ``training.epochs=5``.

    Raises:
        InputError: the file cannot be read, or a key or value is wrong.
    """
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise InputError(path, expected="a configuration file", found=found, fix="check the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: not UTF-8, or a date such as 2024-13-45.
        found = " ".join(str(error).split())
        raise InputError(path, expected="YAML", found=found, fix="mend the line it names") from None
    values = {} if values is None else values
    if isinstance(values, dict):  # a section whose keys are all commented out is an empty one
        values = {key: {} if value is None else value for key, value in values.items()}
    else:
        found = f"a {type(values).__name__}"
        raise InputError(path, expected="sections such as 'data:' and 'model:'", found=found, fix="see configs/")
    for override in overrides or []:
        _override(values, override)
    return parse_config(values, where=str(path))


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which the second ``training:`` is an error, where others would silently forget the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", mark)
        return super().construct_mapping(node, deep)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(
            f"override {override!r}", expected="key=value", found=override, fix="write e.g. training.epochs=5"
        )
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            fix = "give the key as section.name=value"
            raise InputError(
                f"override {override!r}", expected="a section", found=f"the value {shown(values)} at {section}", fix=fix
            )
    try:
        # YAML 1.1 reads 1e-3 as text; a number is a number to whoever types it.
        values[last] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        values[last] = text


_EXPECTED = {
    "invalid_key": "names as keys",
    "model_attributes_type": "a section with keys of its own",
    "model_type": "a section with keys of its own",
    "path_type": "a path (in quotes where it looks like a number)",
}
"""What Pydantic says in terms of Python, in ours."""


def _explain(error: ValidationError, where: str) -> InputError:
    problems = error.errors()
    first = problems[0]
    # Pydantic puts the chosen member of a union into the path; no such key stands in the file.
    location = [part for i, part in enumerate(first["loc"]) if i == 0 or first["loc"][i - 1] not in ("encoder", "ema")]
    key = ".".join(map(str, location))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(_known_keys(first["loc"])))
        return InputError(
            f"{where}, {key}", expected=f"one of {known}", found="an unknown key" + more, fix="correct or remove it"
        )
    found: Any = first["input"] if first["type"] != "value_error" else "another combination"
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "union_tag_invalid":
        key, found, expected = f"{key}.name", first["ctx"]["tag"], f"one of {first['ctx']['expected_tags']}"
    return InputError(
        f"{where}, {key or 'configuration'}",
        expected=_EXPECTED.get(first["type"], expected),
        found=shown(found, 80) + more,
        fix="correct the value",
    )


_ENCODERS = {"temporal": TemporalEncoderConfig, "bmn": BMNEncoderConfig, "gtad": GTADEncoderConfig}


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    section: Any = Config
    for part in location[:-1]:
        if part in _ENCODERS:
            section = _ENCODERS[part]
        elif part != "encoder":
            section = section.model_fields[part].annotation
    return list(section.model_fields)
