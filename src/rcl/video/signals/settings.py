"""The settings that features of signals depend on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from rcl.data.signals.signal import Kind, RecordingOptions
from rcl.video.signals.pose import POSE_DESCRIPTORS, PoseDescriptor
from rcl.video.signals.sensors import SENSOR_DESCRIPTORS, SensorDescriptor

Descriptor = SensorDescriptor | PoseDescriptor


class SignalSettings(BaseModel):
    """Everything that features of a recording depend on except the recording. Packs of equal settings can be mixed.

    Args:
        kind: tells these settings from those of videos.
        source: sensors or pose tracks.
        columns: the columns of sensors, or the body parts of pose tracks, in the order of the features.
        rate: samples per second, to which recordings are brought.
        window: L, samples that a snippet sees.
        stride: σ, samples from one snippet to the next.
        gap_seconds: longer gaps in a column are not bridged.
        descriptors: of the windows; by default all of their kind. See ``describe_sensors`` and ``describe_poses``.
        individuals: names of the individuals that are described together, in the order of the features; those of a
            recording with other names are taken in its order. Empty for sensors and for tracks without identity.
        per_individual: whether each individual of a recording is a sequence of its own, ``RECORDING/INDIVIDUAL``.
        others: how many other individuals, the nearest ones, are described for each.
        min_likelihood: points of pose tracks below are taken as not seen.
        reading: what the files do not say about themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["signal"] = "signal"
    source: Kind
    columns: tuple[str, ...] = Field(min_length=1)
    rate: PositiveFloat
    window: PositiveInt
    stride: PositiveInt
    gap_seconds: PositiveFloat
    descriptors: tuple[Descriptor, ...] = ()
    individuals: tuple[str, ...] = ()
    per_individual: bool = False
    others: NonNegativeInt = 0
    min_likelihood: float = Field(0.3, ge=0, le=1)
    reading: RecordingOptions = RecordingOptions()

    @model_validator(mode="before")
    @classmethod
    def _all_descriptors(cls, values: Any) -> Any:
        """Name the descriptors, so that a later version with more of them describes as this one does."""
        if isinstance(values, dict) and not values.get("descriptors"):
            return {**values, "descriptors": _DESCRIPTORS.get(values.get("source", ""), ())}
        return values

    @model_validator(mode="after")
    def _check_descriptors(self) -> SignalSettings:
        if wrong := set(self.descriptors) - set(_DESCRIPTORS[self.source]):
            raise ValueError(f"{', '.join(sorted(wrong))}: not descriptors of a {self.source} recording")
        return self

    @property
    def snippets_per_second(self) -> float:
        """The snippet rate of the features."""
        return self.rate / self.stride

    def difference(self, other: object) -> str | None:
        """The first difference that changes features, or ``None``."""
        if not isinstance(other, SignalSettings):
            return "of a recording of signals and of videos"
        mine, yours = self._compared(), other._compared()
        return next((f"{key} {mine[key]} and {yours[key]}" for key in mine if mine[key] != yours[key]), None)

    def _compared(self) -> dict[str, object]:
        """What changes features. How a file has to be read does not: it says what the file does not."""
        return self.model_dump(exclude={"kind", "reading"})


_DESCRIPTORS: dict[str, tuple[Descriptor, ...]] = {"sensor": SENSOR_DESCRIPTORS, "pose": POSE_DESCRIPTORS}
