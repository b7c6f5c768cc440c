"""The options of ``rcl watch``, in groups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.durations import parse_duration
from rcl.system.errors import InputError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rcl.detector.live.deliveries.delivery import Delivery, Target
    from rcl.detector.live.events.journal import Journal
    from rcl.detector.live.looking import Decide
    from rcl.detector.live.sources.source import Source
    from rcl.detector.localizer import Localizer

UNLIMITED = "unlimited"
LONGEST_RECORDING = 6 * 3600.0  # seconds that are seen together where the latency has no bound
_HIGHEST_LATENCY = 3600.0


class Begin(str, Enum):
    """Where a folder of segments begins."""

    START = "start"
    NOW = "now"


@dataclass(frozen=True)
class EventOptions:
    """What counts as an event, and when it is announced."""

    latency: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Announce an event at most so long after its end: 1s, 5s, 1m. With unlimited, at the end of the "
            "stream: the answer is then that of rcl detect on its recording.",
        ),
    ] = "5s"
    only: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Only events of this label; may be given several times.")
    ] = None
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Events from this score on; by default those above the thresholds of the checkpoint."
        ),
    ] = None
    context: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How much of the past the detector sees at a time; by default about the longest training video.",
        ),
    ] = None

    def latency_seconds(self) -> float:
        """The bound; infinite for ``unlimited``.

        Raises:
            InputError: it is no length of time, or too long.
        """
        if self.latency.strip().lower() == UNLIMITED:
            return math.inf
        seconds = parse_duration(self.latency, option="--latency")
        if seconds > _HIGHEST_LATENCY:
            raise InputError(
                "--latency", expected="at most an hour, or unlimited", found=self.latency, fix="shorten it"
            )
        return seconds

    def context_seconds(self) -> float | None:
        """How much is seen at a time; ``None`` for what suits the detector.

        Raises:
            InputError: it is no length of time.
        """
        if self.context is not None:
            return parse_duration(self.context, option="--context")
        return LONGEST_RECORDING if math.isinf(self.latency_seconds()) else None

    def decide(self, localizer: Localizer, checkpoint: Path) -> Decide:
        """What decides which detections count.

        Raises:
            InputError: a label is unknown, or there is nothing to decide by.
        """
        from rcl.detector.live.looking import decider

        return decider(
            localizer.operating_points,
            labels=localizer.labels,
            only=self.only or (),
            min_score=self.min_score,
            checkpoint=checkpoint,
        )


@dataclass(frozen=True)
class SourceOptions:
    """How the sources are read."""

    begin: Annotated[
        Begin, typer.Option("--from", help="Of a folder: its first segment, or what is recorded from now on.")
    ] = Begin.START
    idle: Annotated[
        str, typer.Option(metavar="TIME", help="A file or segment is complete if nothing was written for so long.")
    ] = "30s"
    reconnect: Annotated[
        bool, typer.Option("--reconnect/--no-reconnect", help="Connect again when an address goes away, or end then.")
    ] = True
    input_format: Annotated[
        str | None, typer.Option(help="Format of FFmpeg for devices and addresses, where it cannot be guessed: v4l2.")
    ] = None
    input_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Option of FFmpeg, such as rtsp_transport=tcp; may be given several times."
        ),
    ] = None

    def sources(self, texts: Sequence[str]) -> list[Source]:
        """The sources.

        Raises:
            InputError: one cannot be read, or two have the same name.
        """
        from rcl.detector.live.sources.source import parse_options, parse_sources

        return parse_sources(texts, format=self.input_format, options=parse_options(self.input_option or []))

    def feed_arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``Feed``.

        Raises:
            InputError: a value is no length of time.
        """
        idle = parse_duration(self.idle, option="--idle")
        return {"begin": self.begin.value, "idle_seconds": idle, "reconnect": self.reconnect}


@dataclass(frozen=True)
class DeliveryOptions:
    """Where messages go besides the file of events."""

    webhook: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            envvar="RCL_WATCH_WEBHOOK",
            show_envvar=True,
            help="Post each message as JSON to this address; may be given several times.",
        ),
    ] = None
    command: Annotated[
        list[str] | None,
        typer.Option(
            help="Run this command for each message, which is on its standard input; may be given several times."
        ),
    ] = None
    deliver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Only these kinds of messages: announced, corrected, withdrawn, clip, part, gap; all by default.",
        ),
    ] = None

    def targets(self) -> list[Target]:
        """The receivers.

        Raises:
            InputError: an address or a command cannot be used, or a kind is unknown.
        """
        from typing import get_args

        from rcl.detector.live.deliveries.command import Command
        from rcl.detector.live.deliveries.webhook import Webhook
        from rcl.detector.live.events.messages import Kind

        if unknown := [kind for kind in self.deliver or () if kind not in get_args(Kind)]:
            expected = f"kinds of messages ({listed([*get_args(Kind)], 10)})"
            raise InputError("--deliver", expected=expected, found=listed(unknown), fix="correct the kind")
        targets: list[Target] = [Webhook(url) for url in self.webhook or ()]
        return [*targets, *(Command(command) for command in self.command or ())]

    def deliveries(self, targets: Sequence[Target], journal: Journal, folder: Path) -> list[Delivery]:
        """The deliveries of a journal to receivers, whose progress is kept in a folder."""
        from rcl.detector.live.deliveries.delivery import Delivery

        kinds: Any = self.deliver or None
        return [Delivery(target, journal, folder, kinds=kinds) for target in targets]


@dataclass(frozen=True)
class ClipOptions:
    """Clips of the events."""

    clips: Annotated[
        Path | None, typer.Option(help="Folder for a clip of each event, cut without encoding where possible.")
    ] = None
    clip_padding: Annotated[str, typer.Option(metavar="TIME", help="What clips show before and after the event.")] = (
        "2s"
    )
    clips_keep: Annotated[
        int, typer.Option(min=1, help="So many clips stay; the oldest that rcl watch made are removed.")
    ] = 1000

    def check(self) -> None:
        """Check all values.

        Raises:
            InputError: the folder is a file, or the padding no length of time.
        """
        self.padding_seconds()
        if self.clips is not None and self.clips.exists() and not self.clips.is_dir():
            raise InputError(self.clips, expected="a folder for the clips", found="a file", fix="give another name")

    def padding_seconds(self) -> float:
        """Seconds before and after an event.

        Raises:
            InputError: it is no length of time.
        """
        return parse_duration(self.clip_padding, option="--clip-padding")
