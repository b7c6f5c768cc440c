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
from rcl.cli.network_options import NetworkOptions
from rcl.system.errors import InputError, counted, listed
from rcl.system.extras import how_to_install

if TYPE_CHECKING:
    import uvicorn

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
    network: NetworkOptions,
    checkpoint: Annotated[
        Path | None, typer.Option(help="last.ckpt of a training run, or its folder: a detector that suggests segments.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="File of labels, .csv or .json; by default rcl-annotations.csv in the folder."),
    ] = None,
    annotator: Annotated[
        str,
        typer.Option(help="Your name, which is kept with what you label; by default, each page has its own."),
    ] = "",
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Label videos in a browser, train a detector on the labels, and correct what it finds."""
    checkpoint, folder = served_paths(paths, checkpoint)
    budget_seconds = learning.budget_seconds()
    _check_packages()
    network.check()
    with contextlib.closing(network.listen()) as listener, _claimed(folder, annotations):
        from rcl.web.serve.session import Session

        localizer, run = _load(checkpoint, folder, annotations, moved)
        session = Session(localizer, folder, annotations, annotator=annotator)
        _describe(session)
        session.learning.budget_seconds = budget_seconds
        if learning.background:
            session.learning.begin(run)
        _run(session, listener, network, open_page=open_page)


def _claimed(folder: Path, annotations: Path | None) -> contextlib.AbstractContextManager[None]:
    """Keep other servers from the file of labels."""
    from rcl.web.serve.claim import claimed
    from rcl.web.serve.videos import labels_of

    return claimed(labels_of(folder, annotations))


def _check_packages() -> None:
    """Check that the packages of the extra ``serve`` are installed."""
    try:
        import filelock  # noqa: F401
        import psutil  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("filelock", "psutil", "starlette", "uvicorn"):
            raise
        fix = how_to_install("serve")
        expected = "filelock, psutil, starlette and uvicorn"
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


def server_config(session: Session, network: NetworkOptions, token: str | None) -> uvicorn.Config:
    """How the server of a session runs; ``token`` is what requests need, if anything."""
    import uvicorn

    from rcl.web.serve.app import build_app

    return uvicorn.Config(
        build_app(session, host=network.host, token=token, is_encrypted=network.is_encrypted),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=network.tls_certificate,
        ssl_keyfile=network.tls_key,
    )


def _run(session: Session, listener: socket.socket, network: NetworkOptions, *, open_page: bool) -> None:
    """Serve the session until Ctrl+C."""
    import uvicorn

    network.warn_of_network()
    token = network.chosen_token()
    address = network.address(listener.getsockname()[1], token)
    print(f"{address} (Ctrl+C ends)", flush=True)
    if open_page:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(server_config(session, network, token)).run(sockets=[listener])
