"""Messages to a command."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from rcl.detector.live.deliveries.delivery import DeliveryError
from rcl.detector.live.events.journal_lines import Entry
from rcl.system.errors import InputError

_ENVIRONMENT = ("KIND", "SOURCE", "ID", "LABEL", "START", "END", "SCORE")


class Command:
    """Runs a command for each message, without a shell.

    The line of the message is on the standard input, its main values are in the environment: ``RCL_KIND``,
    ``RCL_SOURCE``, ``RCL_ID``, ``RCL_LABEL``, ``RCL_START``, ``RCL_END`` and ``RCL_SCORE``, the last five empty if it
    is not about an event. What the command prints goes to the standard error.

    Args:
        command: with arguments, quoted as for a shell.
        timeout_seconds: after which it is ended, with all that it has started.

    Raises:
        InputError: there is no such command.
    """

    def __init__(self, command: str, *, timeout_seconds: float = 60.0) -> None:
        fix = "check its path and quotes"
        try:
            self._arguments = shlex.split(command, posix=os.name != "nt")
        except ValueError as error:
            raise InputError("--command", expected="a command line", found=str(error), fix=fix) from None
        if not self._arguments or shutil.which(self._arguments[0]) is None:
            found = repr(self._arguments[0]) if self._arguments else "nothing"
            raise InputError("--command", expected="a program that can be run", found=found, fix=fix)
        self._timeout_seconds = timeout_seconds
        digest = hashlib.sha256(command.encode("utf-8", "backslashreplace")).hexdigest()
        self.name = f"command {Path(self._arguments[0]).name} ({digest[:4]})"  # arguments may be secrets
        self.key = f"command-{digest[:12]}"

    def send(self, line: bytes, entry: Entry, key: str) -> None:
        """Run the command with one message.

        Raises:
            DeliveryError: it cannot be run, fails, or takes too long.
        """
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=2,
                env={**os.environ, **_values(entry)},
                start_new_session=True,
            )
        except OSError as error:
            raise DeliveryError(f"it cannot be run ({error.strerror})", is_refused=True) from None
        try:
            process.communicate(line + b"\n", timeout=self._timeout_seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise DeliveryError(f"it ran for {self._timeout_seconds:g} s and was ended", is_refused=True) from None
        if process.returncode:
            raise DeliveryError(f"it ended with the status {process.returncode}", is_refused=True)


def _values(entry: Entry) -> dict[str, str]:
    message, event = entry.message, entry.message.event
    values = [message.kind, message.source, "", "", "", "", ""]
    if event:
        numbers = (f"{number:.6f}" for number in (event.start_seconds, event.end_seconds, event.score))
        values[2:] = [event.id, event.label, *numbers]
    return {f"RCL_{name}": value.replace("\0", "") for name, value in zip(_ENVIRONMENT, values, strict=True)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has ended by now
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
