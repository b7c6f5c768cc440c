"""Whether the service in this container answers: exit status 0 or 1. ``RCL_HEALTH`` holds the address to ask.

``/health`` of ``rcl watch`` answers 200 or 503. ``rcl serve`` answers 403 to whoever has no token: a sign of life.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request


def status_of(address: str) -> int:
    """The HTTP status of an address; 503 where nothing answers."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE  # the certificate names the outside
    try:
        with urllib.request.urlopen(address, timeout=8, context=unchecked) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 503


if __name__ == "__main__":
    address = os.environ.get("RCL_HEALTH")
    sys.exit(0 if not address or status_of(address) < 500 else 1)
