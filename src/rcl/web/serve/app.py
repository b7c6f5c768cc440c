"""The web application: its routes call the methods of a session."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rcl.system.errors import InputError
from rcl.web.serve.access import Access
from rcl.web.serve.annotation_file import OutdatedError
from rcl.web.serve.detecting import NotReadyError
from rcl.web.serve.exports import exported_labels
from rcl.web.serve.guard import Guard
from rcl.web.serve.learning_routes import learning_routes
from rcl.web.serve.sent_json import json_of
from rcl.web.serve.session import Session

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
STATIC = {  # the only files that are served besides the videos and the page itself
    file.name: file
    for package in ("rcl.web", "rcl.web.serve")
    for file in (files(package) / "static").iterdir()
    if Path(file.name).suffix in MEDIA_TYPES
}


def build_app(
    session: Session, *, host: str = "127.0.0.1", token: str | None = None, is_encrypted: bool = False
) -> Starlette:
    """The application of a session.

    Args:
        session: what is served.
        host: the address that the server is bound to.
        token: what requests need; ``None`` if whoever can reach the server may use it.
        is_encrypted: whether the server speaks TLS.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        session.close()

    access = [Middleware(Access, token=token, is_encrypted=is_encrypted)] if token else []
    video = "/api/videos/{key:str}"
    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/static/{name:str}", _static),
            Route("/media/{key:str}", _media),
            Route("/api/classes", _put_class, methods=["PUT"]),
            Route("/api/classes", _remove_class, methods=["DELETE"]),
            Route("/api/classes/rename", _rename_class, methods=["POST"]),
            Route("/api/export/{format:str}", _export),
            Route("/api/assigned", _assign, methods=["PUT"]),
            Route("/api/session", lambda request: JSONResponse(session.overview())),
            Route(video, _answer(session.video)),
            Route(f"{video}/job", _answer(session.job)),
            Route(f"{video}/job", _answer(session.detect), methods=["POST"]),
            Route(f"{video}/job", _answer(session.cancel), methods=["DELETE"]),
            Route(f"{video}/scores", _score, methods=["POST"]),
            Route(f"{video}/thumbnails", _thumbnails),
            Route(f"{video}/waveform", _waveform),
            Route(f"{video}/draft", _draft, methods=["PUT"]),
            Route(f"{video}/annotations", _save, methods=["PUT"]),
            Route(f"{video}/annotations", _take_out, methods=["DELETE"]),
            *learning_routes(session.learning, session.suggestions),
        ],
        middleware=[Middleware(Guard, host=host, is_encrypted=is_encrypted), *access],
        exception_handlers={InputError: _input_error, HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.state.session, app.state.decoding = session, asyncio.Lock()
    return app


def _page(request: Request) -> Response:
    page = files("rcl.web.serve") / "static" / "index.html"
    return Response(page.read_bytes(), media_type="text/html")


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "There is no such file.")
    return Response(STATIC[name].read_bytes(), media_type=MEDIA_TYPES[Path(name).suffix])


def _file_of(request: Request) -> Path:
    session: Session = request.app.state.session
    path = session.file(request.path_params["key"])
    if path is None:
        raise HTTPException(404, "There is no such video to play.")
    return path


def _media(request: Request) -> Response:
    path = _file_of(request)
    kind = mimetypes.guess_type(path.name)[0] or ""
    return FileResponse(path, media_type=kind if kind.startswith("video/") else "application/octet-stream")


def _answer(method: Callable[[str], Any]) -> Callable[[Request], Response]:
    return lambda request: JSONResponse(method(request.path_params["key"]))


async def _score(request: Request) -> Response:
    session: Session = request.app.state.session
    sent = await json_of(request)
    scores = await run_in_threadpool(session.score, request.path_params["key"], sent.get("segments"))
    return JSONResponse(
        {
            "confidence": scores.confidence.tolist(),
            "labels": scores.labels.tolist(),
            "names": list(scores.names),
            "refined": scores.refined_seconds.round(3).tolist(),
        }
    )


async def _save(request: Request) -> Response:
    return await _keep(request, request.app.state.session.save)


async def _draft(request: Request) -> Response:
    return await _keep(request, request.app.state.session.draft)


async def _keep(request: Request, keep: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Response:
    session: Session = request.app.state.session
    sent = await json_of(request)
    _check_revision(sent)
    saved = await run_in_threadpool(keep, request.path_params["key"], sent)
    return JSONResponse({**saved, "file": str(session.annotations.path)})


async def _put_class(request: Request) -> Response:
    session: Session = request.app.state.session
    return JSONResponse(await run_in_threadpool(session.class_changes.put, await json_of(request)))


async def _remove_class(request: Request) -> Response:
    session: Session = request.app.state.session
    sent = await json_of(request)
    return JSONResponse(await run_in_threadpool(session.class_changes.remove, str(sent.get("name", ""))))


async def _rename_class(request: Request) -> Response:
    session: Session = request.app.state.session
    return JSONResponse(await run_in_threadpool(session.class_changes.rename, await json_of(request)))


async def _assign(request: Request) -> Response:
    session: Session = request.app.state.session
    return JSONResponse(await run_in_threadpool(session.people.assign, await json_of(request)))


async def _thumbnails(request: Request) -> Response:
    return await _part(request, request.app.state.session.media.thumbnails, "image/jpeg")


async def _waveform(request: Request) -> Response:
    return await _part(request, request.app.state.session.media.waveform, "application/octet-stream")


async def _part(request: Request, make: Callable[[Path, float, float, int], bytes], kind: str) -> Response:
    """What is made of a part of a video, one at a time; nothing is made for a page that has moved on."""
    try:
        start, end, count = (request.query_params[name] for name in ("start", "end", "count"))
        wanted = float(start), float(end), int(count)
    except (KeyError, ValueError):
        raise HTTPException(400, "Expected start and end in seconds, and a count.") from None
    path = _file_of(request)
    async with request.app.state.decoding:
        if await request.is_disconnected():
            return Response(status_code=499)
        content = await run_in_threadpool(make, path, *wanted)
    return Response(content, media_type=kind, headers={"cache-control": "private, max-age=3600"})


async def _take_out(request: Request) -> Response:
    session: Session = request.app.state.session
    sent = await json_of(request)
    _check_revision(sent)
    saved = await run_in_threadpool(session.take_out, request.path_params["key"], sent.get("revision"))
    return JSONResponse({**saved, "file": str(session.annotations.path)})


async def _export(request: Request) -> Response:
    session: Session = request.app.state.session
    wanted = request.path_params["format"]
    download = await run_in_threadpool(exported_labels, session.annotations, session.videos, wanted)
    headers = {
        "content-disposition": f'attachment; filename="{download.name}"',
        "x-rcl-lost": quote("; ".join(download.lost)),
    }
    return Response(download.content, media_type="application/octet-stream", headers=headers)


def _check_revision(sent: dict[str, Any]) -> None:
    if not isinstance(sent.get("revision"), str | None):
        raise HTTPException(400, "revision: expected text or null.")


def _input_error(request: Request, error: Exception) -> Response:
    status = 409 if isinstance(error, (OutdatedError, NotReadyError)) else 400
    return JSONResponse({"error": str(error)}, status_code=status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
