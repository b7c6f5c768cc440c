"""JSON files of other kinds, which people take for annotations: refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl.system.errors import InputError, listed

READABLE = (
    'annotations {"database": …} of ActivityNet, {video: {"duration_second", "annotations"}} of BMN or MMAction2, '
    "or what Label Studio (JSON, JSON-MIN) or VIA 3 saved"
)
"""What a JSON file may hold."""

_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("_via_settings", "_via_img_metadata"), "a project of VIA 2, for images", "label segments of the videos in VIA 3"),
    (("images", "annotations", "categories"), "COCO annotations, of images", "give labelled segments of videos"),
    (("imagePath", "shapes"), "a file of LabelMe, for images", "give labelled segments of videos"),
)


def check(data: Mapping[str, Any], source: str) -> None:
    """Check that an object is not of a kind that nothing here reads.

    Raises:
        InputError: it is, or it has no ``"database"``; the message says what can be read.
    """
    for keys, kind, fix in _KINDS:
        if all(key in data for key in keys):
            raise InputError(source, expected=READABLE, found=kind, fix=fix)
    if "database" not in data:
        found = f"the keys {listed([*data]) or '(none)'}"
        raise InputError(source, expected=READABLE, found=found, fix="give the ground truth here")
