"""What is wrong with features that a detector is given."""

from __future__ import annotations

from collections.abc import Sequence

from rcl.system.errors import Defect


def check_shape(shape: Sequence[int], channels: int) -> None:
    """Check that features are ``(T, channels)``, with at least one snippet.

    Raises:
        Defect: they have another shape.
    """
    if len(shape) == 2 and shape[1] == channels and shape[0]:
        return
    transposed = len(shape) == 2 and shape[0] == channels
    fix = "transpose them (in detect: --layout CT, or TC if the training had CT)"
    other = "use the features that the detector was trained on"
    found = f"shape {tuple(shape)}"
    raise Defect(expected=f"features (snippets, {channels})", found=found, fix=fix if transposed else other)


def damaged(snippet: int) -> Defect:
    """The error for features whose first wrong values are those of a ``snippet``."""
    found = f"NaN or infinite values, the first in snippet {snippet}"
    return Defect(expected="finite numbers", found=found, fix="extract the features of this video again")
