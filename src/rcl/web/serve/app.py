"""The web application: routes that hand over to a session."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rcl.detector.scoring import SegmentScores
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import OutdatedError
from rcl.web.serve.guard import Guard
from rcl.web.serve.session import NotReadyError, Session

MAX_BODY = 4 * 2**20
MODULES = ("serve.js", "dom.js", "keys.js", "review.js", "scores.js", "server.js")
STATIC = {  # the only files that are served beside the videos
    "serve.css": ("rcl.web.serve", "text/css"),
    "icon.svg": ("rcl.web.serve", "image/svg+xml"),
    **dict.fromkeys(MODULES, ("rcl.web.serve", "text/javascript")),
    "timeline.css": ("rcl.web", "text/css"),
    "timeline.js": ("rcl.web", "text/javascript"),
}


def build_app(session: Session, *, host: str = "127.0.0.1") -> Starlette:
    """The application of a session, for a server that is bound to ``host``."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        session.close()

    def of_video(answer: Callable[[str], Any]) -> Callable[[Request], Response]:
        return lambda request: JSONResponse(answer(request.path_params["key"]))

    async def score(request: Request) -> Response:
        asked = await _json_of(request)
        scores = await run_in_threadpool(session.score, request.path_params["key"], asked.get("segments"))
        return JSONResponse(_plain(scores))

    async def save(request: Request) -> Response:
        sent = await _json_of(request)
        revision = sent.get("revision")
        if revision is not None and not isinstance(revision, str):
            raise HTTPException(400, "revision: expected text or null")
        saved = await run_in_threadpool(session.save, request.path_params["key"], sent.get("segments"), revision)
        return JSONResponse({"revision": saved, "file": str(session.annotations.path)})

    def media(request: Request) -> Response:
        key = request.path_params["key"]
        path = session.catalogue.file(key) if key in session.catalogue.videos else None
        if path is None:
            raise HTTPException(404, "There is no such video to play.")
        kind = mimetypes.guess_type(path.name)[0] or ""
        return FileResponse(path, media_type=kind if kind.startswith("video/") else "application/octet-stream")

    video = "/api/videos/{key:str}"
    return Starlette(
        routes=[
            Route("/", lambda request: _static("rcl.web.serve", "index.html", "text/html")),
            Route("/static/{name:str}", _static_of),
            Route("/api/session", lambda request: JSONResponse(session.overview())),
            Route(video, of_video(session.video)),
            Route(f"{video}/job", of_video(session.job)),
            Route(f"{video}/job", of_video(session.detect), methods=["POST"]),
            Route(f"{video}/job", of_video(session.cancel), methods=["DELETE"]),
            Route(f"{video}/scores", score, methods=["POST"]),
            Route(f"{video}/annotations", save, methods=["PUT"]),
            Route("/media/{key:str}", media),
        ],
        middleware=[Middleware(Guard, host=host)],
        exception_handlers={InputError: _input_error, HTTPException: _http_error},
        lifespan=lifespan,
    )


async def _json_of(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise HTTPException(413, "This is more than one video can have.")
    try:
        content = json.loads(bytes(body))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise HTTPException(400, "expected a JSON object")
    return content


def _plain(scores: SegmentScores) -> dict[str, Any]:
    return {
        "confidence": scores.confidence.tolist(),
        "labels": scores.labels.tolist(),
        "names": list(scores.names),
        "refined": scores.refined_seconds.round(3).tolist(),
    }


def _static_of(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "There is no such file.")
    return _static(STATIC[name][0], name, STATIC[name][1])


def _static(package: str, name: str, media_type: str) -> Response:
    return Response((files(package) / "static" / name).read_bytes(), media_type=media_type)


def _input_error(request: Request, error: Exception) -> Response:
    status = 409 if isinstance(error, (OutdatedError, NotReadyError)) else 400
    return JSONResponse({"error": str(error)}, status_code=status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
