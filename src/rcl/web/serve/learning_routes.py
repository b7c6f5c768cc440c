"""The addresses of features, trainings and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rcl.web.serve.learning import Learning
from rcl.web.serve.sent_json import json_of
from rcl.web.serve.suggestions import Suggestions


def learning_routes(learning: Learning, suggestions: Suggestions) -> list[Route]:
    """The routes; all but the last answer with :meth:`Learning.status`."""

    async def suggest(request: Request) -> Response:
        sent = await json_of(request)
        return JSONResponse(await run_in_threadpool(suggestions.next, sent.get("skipped")))

    return [
        Route("/api/learning", _calling(learning.status)),
        Route("/api/learning/training", _calling(learning.train), methods=["POST"]),
        Route("/api/learning/training", _calling(learning.cancel), methods=["DELETE"]),
        Route("/api/learning/forecast", _calling(learning.forecast), methods=["POST"]),
        Route("/api/learning/runs/{name:str}", _of_run(learning.resume), methods=["POST"]),
        Route("/api/learning/runs/{name:str}", _of_run(learning.remove), methods=["DELETE"]),
        Route("/api/learning/stretch", suggest, methods=["POST"]),
    ]


def _calling(method: Callable[[], Any]) -> Callable[[Request], Response]:
    return lambda request: JSONResponse(method())


def _of_run(method: Callable[[str], Any]) -> Callable[[Request], Response]:
    return lambda request: JSONResponse(method(request.path_params["name"]))
