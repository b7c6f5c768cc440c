"""The release that is installed."""

from __future__ import annotations

from importlib.metadata import version


def release_of(text: str) -> str:
    """The release that a version is, or that it is on the way to.

    >>> release_of("0.2.0"), release_of("0.2.1.dev3+g1a2b3c4.d20261130")
    ('0.2.0', '0.2.1')
    """
    return text.partition("+")[0].partition(".dev")[0]


def installed_release() -> str:
    """The release of RCL, without what tells commits apart.

    Kept results depend on it and not on the version, which changes with each commit where RCL is developed: installing
    that again would throw away hours of detection.
    """
    return release_of(version("rcl-tad"))
