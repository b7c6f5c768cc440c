"""``rcl serve``."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import served_paths
from rcl.cli.console import note, warn
from rcl.cli.durations import parse_duration
from rcl.cli.extraction_options import DetectorFiles
from rcl.system.errors import InputError, counted, listed
from rcl.system.extras import how_to_install

if TYPE_CHECKING:
    from rcl.detector.localizer import Localizer
    from rcl.web.serve.run_folder import Run
    from rcl.web.serve.session import Session


@dataclass(frozen=True)
class LearningOptions:
    """How the page learns."""

    background: Annotated[
        bool,
        typer.Option(
            "--background/--no-background",
            help="Extract features in the background, and detect in all videos, so that training in the page is quick.",
        ),
    ] = True
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time for each training in the page, as in rcl fit: 90s, 10m."),
    ] = None

    def budget_seconds(self) -> float | None:
        """The time for a training, if it is limited.

        Raises:
            InputError: it is no length of time.
        """
        return None if self.budget is None else parse_duration(self.budget, option="--budget")


def serve(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[CHECKPOINT] VIDEOS_DIR",
            help="Folder of videos, or a pack of features. A checkpoint in front of it is the same as --checkpoint.",
        ),
    ],
    moved: DetectorFiles,
    learning: LearningOptions,
    checkpoint: Annotated[
        Path | None, typer.Option(help="last.ckpt of a training run, or its folder: a detector that suggests segments.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="File of labels, .csv or .json; by default rcl-annotations.csv in the folder."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind to; only this machine can reach 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Label videos in a browser, train a detector on the labels, and correct what it finds."""
    checkpoint, folder = served_paths(paths, checkpoint)
    budget_seconds = learning.budget_seconds()
    _check_packages()
    with contextlib.closing(_listen(host, port)) as listener:
        from rcl.web.serve.session import Session

        localizer, run = _load(checkpoint, folder, annotations, moved)
        session = Session(localizer, folder, annotations)
        _describe(session)
        session.learning.budget_seconds = budget_seconds
        if learning.background:
            session.learning.begin(run)
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
        _run(session, listener, host, address, open_page=open_page)


def _check_packages() -> None:
    """Check that the packages of the extra ``serve`` are installed."""
    try:
        import psutil  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("psutil", "starlette", "uvicorn"):
            raise
        fix = how_to_install("serve")
        expected = "psutil, starlette and uvicorn"
        raise InputError("rcl serve", expected=expected, found="no such packages", fix=fix) from None


def _describe(session: Session) -> None:
    """Print what is served."""
    names = [video.name for video in session.videos.values()]
    note(f"{counted(len(names), 'video')}: {listed(names, 3)}")
    note(f"Labels go to {session.annotations.path}")
    if unfinished := session.unfinished():
        note(f"Partly reviewed and not in the labels: {listed(unfinished, 3)}")


def _load(
    checkpoint: Path | None, folder: Path, annotations: Path | None, moved: DetectorFiles
) -> tuple[Localizer | None, Run | None]:
    """The detector that is given, else that of the last training in the page, with its folder."""
    from rcl.detector.localizer import Localizer
    from rcl.web.serve.run_folder import RunFolder
    from rcl.web.serve.videos import labels_of

    if checkpoint:
        return Localizer.load(checkpoint, **moved.arguments()), None
    run = RunFolder(labels_of(folder, annotations)).latest()
    if run is None:
        return None, None
    try:
        localizer = Localizer.load(run.checkpoint)
    except InputError as error:
        warn(f"{error} The page begins without a detector.")
        return None, None
    note(f"The detector is that of training {run.name} in {run.folder.parent}")
    return localizer, run


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port in use is an error before anything is loaded."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        found = error.strerror or str(error)
        fix = "choose another with --port (0 for any free one) or --host"
        raise InputError(f"{host}:{port}", expected="a free address of this machine", found=found, fix=fix) from None


def _run(session: Session, listener: socket.socket, host: str, address: str, *, open_page: bool) -> None:
    """Serve the session until Ctrl+C."""
    import uvicorn

    from rcl.web.serve.app import build_app
    from rcl.web.serve.guard import is_loopback

    if not is_loopback(host):
        warn(
            f"everybody who can reach {host} can watch these videos and change the annotations; "
            "there is no password and no encryption."
        )
    print(f"{address} (Ctrl+C ends)", flush=True)
    if open_page:
        webbrowser.open(address)
    config = uvicorn.Config(
        build_app(session, host=host),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
