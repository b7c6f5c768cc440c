"""The JSON object that a page sends."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BODY = 4 * 2**20


async def json_of(request: Request) -> dict[str, Any]:
    """The object in the body of a request.

    Raises:
        HTTPException: it is too large, or something else.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise HTTPException(413, "The request is too large.")
    try:
        content = json.loads(bytes(body))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise HTTPException(400, "Expected a JSON object.")
    return content
