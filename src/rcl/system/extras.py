"""Optional groups of packages."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """What a user does to install an extra. No package index has this project, so it is installed from its repository.

    >>> how_to_install("serve")
    "run pip install '.[serve]' in the folder of the repository"
    """
    return f"run pip install '.[{extra}]' in the folder of the repository"
