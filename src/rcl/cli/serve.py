"""``rcl serve``."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import served_paths
from rcl.cli.console import note
from rcl.cli.extraction_options import DetectorFiles
from rcl.cli.network_options import NetworkOptions
from rcl.system.errors import InputError, counted, listed
from rcl.system.extras import how_to_install

if TYPE_CHECKING:
    import uvicorn

    from rcl.web.serve.session import Session


def serve(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[CHECKPOINT] VIDEOS_DIR",
            help="Folder of videos, or a pack of features. A checkpoint in front of it is the same as --checkpoint.",
        ),
    ],
    moved: DetectorFiles,
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
    """Label videos in a browser, or correct detections, as labels for the next training."""
    checkpoint, folder = served_paths(paths, checkpoint)
    _check_packages()
    network.check()
    with contextlib.closing(network.listen()) as listener:
        from rcl.detector.localizer import Localizer
        from rcl.web.serve.session import Session

        localizer = Localizer.load(checkpoint, **moved.arguments()) if checkpoint else None
        session = Session(localizer, folder, annotations, annotator=annotator)
        names = [video.name for video in session.videos.values()]
        note(f"{counted(len(names), 'video')}: {listed(names, 3)}")
        note(f"Labels go to {session.annotations.path}")
        if unfinished := session.unfinished():
            note(f"Partly reviewed and not in the labels: {listed(unfinished, 3)}")
        _run(session, listener, network, open_page=open_page)


def _check_packages() -> None:
    """Check that the packages of the extra ``serve`` are installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        fix = how_to_install("serve")
        raise InputError("rcl serve", expected="starlette and uvicorn", found="no such packages", fix=fix) from None


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
