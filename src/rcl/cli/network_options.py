"""Where ``rcl serve`` listens, and who may use it from there."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import warn
from rcl.system.errors import InputError
from rcl.system.paths import check_is_file

TOKEN_VARIABLE = "RCL_SERVE_TOKEN"


@dataclass(frozen=True)
class NetworkOptions:
    """Where a server listens, and who may use it from there."""

    host: Annotated[str, typer.Option(help="Name or address to bind to; only this machine can reach 127.0.0.1.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            show_envvar=True,
            help="What the address must hold; by default, one is made where other machines can reach the page.",
        ),
    ] = None
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate (PEM), for encryption.")] = (
        None
    )
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key (PEM), if not in the same file.")
    ] = None

    @property
    def is_encrypted(self) -> bool:
        """Whether the server speaks TLS."""
        return self.tls_certificate is not None

    def check(self) -> None:
        """Check the token and the files, before anything is loaded.

        Raises:
            InputError: the token is easily guessed, or a file cannot be used.
        """
        from rcl.web.serve.access import check_token

        if self.token is not None:
            check_token(self.token, f"--token or {TOKEN_VARIABLE}")
        if self.tls_certificate is not None:
            _check_certificate(self.tls_certificate, self.tls_key)
        elif self.tls_key is not None:
            raise InputError("--tls-key", expected="--tls-certificate", found="none", fix="give its certificate, too")

    def chosen_token(self) -> str | None:
        """The token that requests need; ``None`` if the page is only for this machine."""
        from rcl.web.serve.access import new_token
        from rcl.web.serve.guard import is_loopback

        return self.token or (None if is_loopback(self.host) else new_token())

    def listen(self) -> socket.socket:
        """A bound socket, so that a port in use is an error before anything is loaded.

        Raises:
            InputError: the address is not free, or not one of this machine.
        """
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            found, where = error.strerror or str(error), f"{self.host}:{self.port}"
            fix = "choose another with --port (0 for any free one) or --host"
            raise InputError(where, expected="a free address of this machine", found=found, fix=fix) from None

    def address(self, port: int, token: str | None) -> str:
        """The address to open."""
        host = _reachable(self.host)
        name = f"[{host}]" if ":" in host else host
        return f"http{'s' if self.is_encrypted else ''}://{name}:{port}/{f'?token={token}' if token else ''}"

    def warn_of_network(self) -> None:
        """Say who can read what the page sends, if others can."""
        from rcl.web.serve.guard import is_loopback

        if not is_loopback(self.host) and not self.is_encrypted:
            warn(
                "there is no encryption: who can watch the network can see the videos and the token. "
                "Give --tls-certificate and --tls-key, or forward the port with ssh."
            )


def _check_certificate(certificate: Path, key: Path | None) -> None:
    for file in filter(None, (certificate, key)):
        check_is_file(file)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")  # asking for one would stop a service
    except (OSError, ValueError) as error:  # of which SSLError is one
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        found = reason.replace("_", " ").lower()
        expected, fix = "a certificate and its private key (PEM), without a password", "correct the two files"
        where = f"{certificate}{f' and {key}' if key else ''}"
        raise InputError(where, expected=expected, found=found, fix=fix) from None


def _reachable(host: str) -> str:
    """A host that others can open: where it means all addresses of this machine, the one that leads outside."""
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
            return str(probe.getsockname()[0])
        except OSError:
            return host
