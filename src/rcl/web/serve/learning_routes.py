"""The addresses of features, trainings and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rcl.web.serve.learning import Learning


def learning_routes(learning: Learning) -> list[Route]:
    """The routes; each answers with :meth:`Learning.status`."""
    return [
        Route("/api/learning", _calling(learning.status)),
        Route("/api/learning/training", _calling(learning.train), methods=["POST"]),
        Route("/api/learning/training", _calling(learning.cancel), methods=["DELETE"]),
        Route("/api/learning/runs/{name:str}", _of_run(learning.resume), methods=["POST"]),
        Route("/api/learning/runs/{name:str}", _of_run(learning.remove), methods=["DELETE"]),
    ]


def _calling(method: Callable[[], Any]) -> Callable[[Request], Response]:
    return lambda request: JSONResponse(method())


def _of_run(method: Callable[[str], Any]) -> Callable[[Request], Response]:
    return lambda request: JSONResponse(method(request.path_params["name"]))
