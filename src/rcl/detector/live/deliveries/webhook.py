"""Messages to an address."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from rcl.detector.live.deliveries.delivery import DeliveryError
from rcl.detector.live.events.journal_lines import Entry
from rcl.system.errors import InputError

_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Webhook:
    """Posts each message as JSON to an address, through the proxy that the environment names.

    The header ``Idempotency-Key`` names the message for ever. An answer of 2xx is success. One of 3xx or 4xx, except
    408 and 429, is a refusal. Everything else is tried again.

    Args:
        url: ``http://`` or ``https://``; a user and password in it become a header. Messages tell only its host: a path
            may be a secret, too.
        headers: further ones, such as ``Authorization``.
        timeout_seconds: without an answer.

    Raises:
        InputError: the address or a header cannot be used.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_seconds: float = 10.0) -> None:
        parts = _checked(url)
        host = parts.netloc.rpartition("@")[2]
        self._url, self._timeout_seconds = parts._replace(netloc=host, fragment="").geturl(), timeout_seconds
        digest = hashlib.sha256(self._url.encode()).hexdigest()
        self.name, self.key = f"webhook {host} ({digest[:4]})", f"webhook-{digest[:12]}"
        self._headers = {"Content-Type": "application/json", "User-Agent": "rcl", **_authorization(parts)}
        for name, value in (headers or {}).items():
            _check_header(name, value)
            self._headers[name] = value
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, line: bytes, entry: Entry, key: str) -> None:
        """Post one message.

        Raises:
            DeliveryError: it was not taken.
        """
        headers = {**self._headers, "Idempotency-Key": key}
        request = urllib.request.Request(self._url, line, headers, method="POST")
        try:
            self._opener.open(request, timeout=self._timeout_seconds).close()
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except urllib.error.URLError as error:
            reason = error.reason
            why = getattr(reason, "strerror", None) or type(reason).__name__  # its text may hold the address
            raise DeliveryError(f"no connection ({why})") from None
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"no answer ({type(error).__name__})") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are refused: following one would turn a POST into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(error: urllib.error.HTTPError) -> DeliveryError:
    phrase = HTTPStatus(error.code).phrase if error.code in [*HTTPStatus] else "unknown"
    wait = error.headers.get("Retry-After", "") if error.headers else ""
    return DeliveryError(
        f"it answers {error.code} ({phrase})",
        is_refused=300 <= error.code < 500 and error.code not in _AGAIN,
        wait_seconds=float(wait) if re.fullmatch(r"\d{1,6}", wait) else 0.0,
    )


def _checked(url: str) -> SplitResult:
    expected = "an address that begins with http:// or https://, without blanks"
    fix = "write it as in https://HOST/PATH"
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        is_right = False
    if not is_right or not re.fullmatch(r"[!-~]+", url):
        raise InputError("--webhook", expected=expected, found="another text", fix=fix)
    return parts


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _check_header(name: str, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not re.fullmatch(r"[\t -~\xa0-\xff]*", value):
        fix = "correct the header"
        raise InputError("webhook", expected="headers NAME: VALUE on one line", found="other characters", fix=fix)
