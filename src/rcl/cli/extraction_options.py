"""Options about the features of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rcl.system.errors import InputError, listed

VideoFps = Annotated[
    float | None,
    typer.Option(help="Frames per second of videos without a container (.h264, .h265), where they state none."),
]


MOST_FRAMES = 1024  # of a window


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
    rate: Annotated[
        float | None,
        typer.Option(
            help="Frames per second; by default the backbone's usual rate. Of signals: samples per second, also of "
            "recordings without times; by default their usual rate."
        ),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Frames or samples in a snippet (L); by default the backbone's usual number, or two strides.",
        ),
    ] = None
    stride: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Frames or samples from one snippet to the next (σ).")
    ] = None
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

        if self.window is not None and self.window > MOST_FRAMES:
            expected = f"at most {MOST_FRAMES} frames"
            raise InputError("--window", expected=expected, found=str(self.window), fix="use a shorter window")
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

    def of_signals(self) -> dict[str, Any]:
        """Rate, window and stride, as ``choose_signal`` takes them.

        Raises:
            InputError: an option for videos is given, or the rate is out of its range.
        """
        shared = ("rate", "window", "stride", "workers")
        if given := [name for name, value in vars(self).items() if value is not None and name not in shared]:
            names = listed([f"--{name.replace('_', '-')}" for name in given])
            raise InputError(names, expected="videos", found="recordings of signals", fix="leave it out")
        if self.rate is not None and not 0.001 <= self.rate <= 1e6:
            expected = "samples per second, 0.001 to 1,000,000"
            raise InputError("--rate", expected=expected, found=str(self.rate), fix="correct it")
        return {"rate": self.rate, "window": self.window, "stride": self.stride}

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
