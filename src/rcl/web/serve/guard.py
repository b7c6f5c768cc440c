"""Protection from other web pages: which requests are answered, and what a browser may do with the answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-rcl"  # forms and images of other pages cannot send it, and their scripts are not allowed to
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
OF_TRUSTED = {"cross-origin-opener-policy": "same-origin"}  # elsewhere, browsers ignore it and complain


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


class Guard:
    """Middleware that refuses requests that do not come from the page itself.

    *Host*: an attacker's domain may point at this machine (DNS rebinding), but then the browser sends that domain as
    the host. Only IP addresses and the server's own name pass; a server on loopback accepts only names of loopback.
    *Origin*: other pages may neither write nor embed. Writing needs JSON and a header of its own. A browser sends these
    to another site only after a preflight request, which is always refused.

    Args:
        app: the application to protect.
        host: the address that the server is bound to.
        is_encrypted: whether the server speaks TLS.
    """

    def __init__(self, app: ASGIApp, host: str, *, is_encrypted: bool = False) -> None:
        self.app, self.host = app, host.lower()
        is_trusted = is_encrypted or is_loopback(host)
        self._headers = HEADERS | (OF_TRUSTED if is_trusted else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and add security headers to the response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = self.app if refusal is None else JSONResponse({"error": refusal}, status_code=403)
        await app(scope, receive, complete)

    def _refusal(self, method: str, path: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_ours(host):
            return "This server does not have this name; open the address that rcl serve printed."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "Other pages may not send requests to this server."
        site = headers.get("sec-fetch-site", "same-origin")
        opens_page = method == "GET" and path == "/" and headers.get("sec-fetch-dest", "document") == "document"
        if site not in ("same-origin", "none") and not opens_page:
            return "Other pages may not send requests to this server."
        if method in ("GET", "HEAD"):
            return None
        if headers.get(TOKEN_HEADER) != "1" or headers.get("content-type", "").split(";")[0] != "application/json":
            return f"Changes need JSON and the header {TOKEN_HEADER}."
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if "@" in host or "/" in host:
            return False
        names: Collection[str] = ("localhost", self.host)
        if is_loopback(self.host):
            return name in names or is_loopback(name)
        return name in names or _address(name) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
