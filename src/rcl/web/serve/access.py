"""Access for those who know a token: it comes with the address, and stays in the browser as a cookie."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rcl.system.errors import InputError

SHORTEST_TOKEN = 16
REFUSED = "This page needs the whole address that rcl serve printed, with its token."
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{head}<title>RCL</title>
</head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


def check_token(token: str, where: str) -> None:
    """Check that a token fits into an address and is not easily guessed.

    Raises:
        InputError: it is too short, or has other characters.
    """
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", token) or len(token) < SHORTEST_TOKEN:
        expected = f"at least {SHORTEST_TOKEN} letters, digits or any of - . _ ~"
        found = f"{len(token)} characters" if len(token) < SHORTEST_TOKEN else "others"
        raise InputError(where, expected=expected, found=found, fix="leave it out to have one made")


class Access:
    """Middleware that answers only requests with the token: in a cookie, or once in the address of the page.

    The address is then opened again without the token, so that it stays in no bookmark and no screenshot. The token is
    compared in a time that does not depend on it.

    Args:
        app: the application to protect.
        token: see :func:`check_token`.
        is_encrypted: whether the server speaks TLS; the cookie is then never sent without it.
    """

    def __init__(self, app: ASGIApp, token: str, *, is_encrypted: bool = False) -> None:
        self.app, self._digest, self._is_encrypted = app, _digest(token), is_encrypted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request with the cookie on, take a token from the address, and refuse all else."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        cookie = f"rcl-token-{(scope.get('server') or ('', 0))[1]}"  # browsers do not tell ports apart
        sent = request.query_params.get("token") if request.url.path == "/" and request.method == "GET" else None
        app: ASGIApp = self.app
        if sent is not None and self._is_right(sent):
            app = _without_token()
            app.set_cookie(cookie, sent, httponly=True, samesite="strict", secure=self._is_encrypted)
        elif not self._is_right(request.cookies.get(cookie, "")):
            app = _refusal(request)
        await app(scope, receive, send)

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(_digest(token), self._digest)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _without_token() -> Response:
    """A page that opens the address without the token.

    After a link in another page, a browser keeps the cookie back from what a redirect leads to, but not from what our
    own page leads to.
    """
    head = '<meta http-equiv="refresh" content="0; url=/">'
    return HTMLResponse(_PAGE.format(head=head, title="RCL", text='<a href="/">Open the page</a>'))


def _refusal(request: Request) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": REFUSED}, status_code=403)
    return HTMLResponse(_PAGE.format(head="", title="No access", text=REFUSED), status_code=403)
