"""Options that several commands share."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from rcl.cli.console import warn
from rcl.system.errors import InputError
from rcl.system.paths import to_path

if TYPE_CHECKING:
    import numpy as np

    from rcl.system.ray_cluster import Cluster

    Location: TypeAlias = Path
else:

    class Location(str):
        """The name that help texts show for a path or an address."""


def location(text: str) -> Path:
    """Parse a ``Location``, which may be an address in an object store: typer's ``Path`` would make s3:/ of s3://."""
    try:
        return to_path(text)
    except InputError as error:  # a ValueError, which typer would wrap
        warn(error)
        raise typer.Exit(2) from None


# -- outputs -----------------------------------------------------------------------------------------------------

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files, whatever they are.")]


# -- evaluation --------------------------------------------------------------------------------------------------

Thresholds = Annotated[
    str, typer.Option("--tiou", help="tIoU thresholds: START:STOP:STEP, or numbers separated by commas.")
]
DEFAULT_THRESHOLDS = "0.3:0.7:0.1"


def parse_thresholds(text: str) -> np.ndarray:
    """The thresholds of ``0.3:0.7:0.1``, ``0.5,0.75`` or ``0.5``: ``(I,)``.

    Raises:
        InputError: the text has another form, or a number is not in (0, 1].
    """
    import numpy as np

    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
        if ":" in text:
            start, stop, step = numbers
            steps = round((stop - start) / step)
            reaches_stop = 0 <= steps < 1000 and math.isclose(start + steps * step, stop)
            numbers = np.linspace(start, stop, steps + 1).tolist() if reaches_stop else []
    except (ValueError, ArithmeticError):
        numbers = []
    if not numbers or not all(0 < number <= 1 for number in numbers):
        expected = "START:STOP:STEP, or numbers separated by commas, in (0, 1]"
        raise InputError("--tiou", expected=expected, found=text, fix="write e.g. 0.3:0.7:0.1 or 0.5,0.75,0.95")
    return np.array(numbers)


# -- where many videos are processed -----------------------------------------------------------------------------


class EngineName(str, Enum):
    """The engines."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class EngineOptions:
    """Where many videos are processed."""

    engine: Annotated[
        EngineName,
        typer.Option(help="local: processes of this machine. ray: Ray's workers, on this machine or a cluster."),
    ] = EngineName.local
    address: Annotated[
        str | None,
        typer.Option(
            help="ray: address of a running Ray, e.g. auto or HOST:6379; by default, start Ray on this machine."
        ),
    ] = None

    def cluster(self, *, workers: int | None, network: bool) -> Cluster | None:
        """The cluster that the options choose, or ``None`` for this machine without Ray.

        Raises:
            InputError: ``--address`` without ``--engine ray``.
        """
        if self.engine is EngineName.ray:
            from rcl.system.ray_cluster import Cluster

            return Cluster(self.address, workers=workers, network=network)
        if self.address is not None:
            found = f"--engine {self.engine.value}"
            raise InputError("--address", expected="--engine ray", found=found, fix="add it")
        return None


def stdout_kept_for_results(cluster: Cluster | None) -> AbstractContextManager[Any]:
    """Redirect what Ray prints, such as the deaths of workers, to stderr."""
    return redirect_stdout(sys.stderr) if cluster else nullcontext()


# -- training ----------------------------------------------------------------------------------------------------

Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        metavar="NAME",
        help="Also log the training to tensorboard or wandb; may be repeated. csv is metrics.csv, always written.",
    ),
]


# -- threads -----------------------------------------------------------------------------------------------------


def _set_threads(count: int | None) -> None:
    if count is not None:
        from rcl.system.device import set_threads

        set_threads(count)


Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=_set_threads,
        help="CPU threads of networks; by default OMP_NUM_THREADS, else 1 for small networks and all cores for others.",
    ),
]


# -- extraction --------------------------------------------------------------------------------------------------


VideoFps = Annotated[
    float | None,
    typer.Option(help="Frames per second of videos without a container (.h264, .h265), where they state none."),
]


def checked_rate(option: str, value: float | None) -> float | None:
    """A number of frames per second, or none.

    Raises:
        InputError: it is out of its range.
    """
    if value is not None and not 0.01 <= value <= 1000:
        raise InputError(option, expected="frames per second, 0.01 to 1000", found=str(value), fix="correct it")
    return value


@dataclass(frozen=True)
class ExtractionOptions:
    """How features are extracted."""

    backbone: Annotated[
        str | None,
        typer.Option(
            help="motion (the default; rcl fit takes others if the videos are cut), cuts, lite0, lite0-change, "
            "hf:NAME_OR_FOLDER, image:NAME_OR_FOLDER, image:FILE.onnx, i3d:CHECKPOINT, onnx:FILE, torchscript:FILE or "
            "package.module:Class (see rcl backbones); several, joined by +, make as many streams: motion+lite0."
        ),
    ] = None
    rate: Annotated[float | None, typer.Option(help="Frames per second; the backbone's usual rate by default.")] = None
    window: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Frames in a snippet (L); the backbone's usual number by default."),
    ] = None
    stride: Annotated[int | None, typer.Option(min=1, max=10_000, help="Frames from one snippet to the next (σ).")] = (
        None
    )
    size: Annotated[
        int | None, typer.Option(min=8, max=2048, help="Side of the backbone's input frames, in pixels.")
    ] = None
    mean: Annotated[
        str | None, typer.Option(help="onnx, image, torchscript: R,G,B to subtract from pixel values between 0 and 1.")
    ] = None
    std: Annotated[str | None, typer.Option(help="onnx, image, torchscript: R,G,B to divide the result by.")] = None
    pooling: Annotated[str | None, typer.Option(help="hf, image: mean (of all tokens) or cls.")] = None
    flow: Annotated[Path | None, typer.Option(help="i3d: checkpoint of the flow stream, for two-stream features.")] = (
        None
    )
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,WIDTH,HEIGHT",
            help="Part of the frame to look at, in pixels, or in shares of the frame if all are at most 1.",
        ),
    ] = None
    tiles: Annotated[
        int | None,
        typer.Option(help="Look at N × N tiles of the frame, one by one, for actions that are a small part of it."),
    ] = None
    video_fps: VideoFps = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes; by default one per core for motion, cuts and lite0, and one for other networks."
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that ``choose_extractors`` and ``rcl.fit`` share.

        Raises:
            InputError: a value is out of its range.
        """
        from rcl.video.backbones.options import parse_options

        return {
            "options": parse_options(
                size=self.size,
                mean=self.mean,
                std=self.std,
                pooling=self.pooling,
                flow=self.flow,
                crop=self.crop,
                tiles=self.tiles,
            ),
            "rate": checked_rate("--rate", self.rate),
            "window": self.window,
            "stride": self.stride,
            "video_fps": checked_rate("--video-fps", self.video_fps),
        }

    @property
    def network(self) -> bool:
        """Whether a backbone is a network that uses all cores or the GPU itself."""
        from rcl.video.backbones.build import WITHOUT_SOURCE
        from rcl.video.backbones.names import split_backbones

        return any(name not in WITHOUT_SOURCE for name in split_backbones(self.backbone or "motion"))

    def processes(self) -> int:
        """``workers``, or its default: one per core for backbones that run on one core, and one for other networks."""
        from rcl.system.device import usable_cores

        return self.workers or (1 if self.network else usable_cores())


# -- checkpoints -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DetectorFiles:
    """Where the backbone's files are, if no longer where the checkpoint says, and how raw videos are read."""

    backbone: Annotated[
        str | None,
        typer.Option(help="New place of the files of the checkpoint's backbone, e.g. i3d:FILE; several: joined by +."),
    ] = None
    flow: Annotated[Path | None, typer.Option(help="New place of the checkpoint of the backbone's flow stream.")] = None

    video_fps: VideoFps = None

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of ``Localizer.load``.

        Raises:
            InputError: a value is out of its range.
        """
        return {
            "backbone": self.backbone,
            "flow": str(self.flow) if self.flow else None,
            "video_fps": checked_rate("--video-fps", self.video_fps),
        }
