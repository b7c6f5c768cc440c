"""``rcl serve``."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import notes
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError, listed


def serve(
    checkpoint: Annotated[Path, typer.Argument(help="RUN/last.ckpt of a training run.")],
    videos: Annotated[Path, typer.Argument(metavar="VIDEOS_DIR", help="Folder of videos, or a pack of features.")],
    annotations: Annotated[
        Path | None,
        typer.Option(help="Where corrected segments go, .csv or .json; rcl-annotations.csv in the folder by default."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind to; only this machine can reach 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
    backbone: Annotated[
        str | None, typer.Option(help="Where the files of the checkpoint's backbone are now, e.g. i3d:FILE.")
    ] = None,
    flow: Annotated[Path | None, typer.Option(help="Where the checkpoint of its flow stream is now.")] = None,
) -> None:
    """Look at detections in a page in the browser, correct them, and save them as labels for the next training."""
    try:
        import uvicorn

        from rcl.web.serve.app import build_app
        from rcl.web.serve.guard import is_loopback
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        fix = 'pip install "rcl-tad[serve]"'
        raise InputError("rcl serve", expected="starlette and uvicorn", found="no such packages", fix=fix) from None
    from rcl.web.serve.session import Session

    listener = _listen(host, port)
    with contextlib.closing(listener):
        localizer = Localizer.load(checkpoint, backbone=backbone, flow=str(flow) if flow else None)
        session = Session(localizer, videos, annotations)
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}/"
        names = [video.name for video in session.videos.values()]
        notes.print(f"{len(names)} videos: {listed(names, 3)}", markup=False)
        notes.print(f"Corrected segments go to {session.annotations.path}", markup=False)
        if not is_loopback(host):
            notes.print(
                f"Warning: everybody who can reach {host} can watch these videos and change the annotations; "
                "there is no password, and nothing is encrypted."
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
        with contextlib.suppress(KeyboardInterrupt):  # the usual end
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that it is known before anything is loaded whether the port is free."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        found = error.strerror or str(error)
        fix = "choose another with --port (0 for any that is free) or --host"
        raise InputError(f"{host}:{port}", expected="a free address of this machine", found=found, fix=fix) from None
