"""Options of the head that stand in section ``model``, as in earlier versions, move into the head.

Configuration files and checkpoints of those versions stay readable, and ``model.steps=1`` on the command line is short
for ``model.head.steps=1``.
"""

from __future__ import annotations

from statistics import geometric_mean
from typing import Any

_LOOK_UP = {name: name for name in ("channels", "points", "subpoints", "context", "convention")}
_MAP = {"map_channels": "map_channels", "map_kernel": "kernel", "map_rows": "rows", "map_finer": "finer"}
_CONTINUOUS = {name: name for name in ("conditioned", "dropout", "steps", "arrived", "jitter")}
_OPTIONS = {  # head → option of section model → option of the head
    "continuous": {**_LOOK_UP, **_CONTINUOUS},
    "grid": {**_LOOK_UP, **_MAP, "longest": "longest"},
    "anchors": {"channels": "channels", "dropout": "dropout", "lengths": "lengths"},
    "points": {"channels": "channels", "dropout": "dropout", "lengths": "typical"},
    "queries": {"channels": "channels", "dropout": "dropout"},
}
_DEFAULTS = {
    **{"conditioned": True, "dropout": 0.1, "arrived": 0.6, "jitter": 0.2},
    **{"points": 16, "subpoints": 1, "context": 0.25, "convention": "centered"},
    **{"map_channels": 128, "map_kernel": 3, "map_rows": "durations", "map_finer": 1, "longest": None, "steps": 1},
    "lengths": [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
}


def upgrade_layout(values: dict[str, Any], *, lenient: bool = False) -> dict[str, Any]:
    """The same configuration with the options of the head inside the head.

    An option of another head used to be ignored. Now it is kept, so that it is refused as an unknown key, unless it has
    its default value, as in the ``config.yaml`` of a run.

    Args:
        values: plain values of a configuration, not checked yet.
        lenient: drop options of other heads whatever their value, as in checkpoints.
    """
    model = values.get("model")
    if not isinstance(model, dict):
        return values
    old = {key: value for key, value in model.items() if any(key in options for options in _OPTIONS.values())}
    head = model.get("head", "continuous")
    head = {"name": "continuous", **head} if isinstance(head, dict) else {"name": head}
    options = _OPTIONS.get(head["name"]) if isinstance(head["name"], str) else None
    if not old or options is None:
        return values
    values = {**values, "model": {key: value for key, value in model.items() if key not in old} | {"head": head}}
    if head["name"] != "grid":
        _bound_anchors(values, old)
    for key, value in old.items():
        if key in options:
            head[options[key]] = geometric_mean(value) if options[key] == "typical" else value
        elif not (lenient or value == _DEFAULTS.get(key, value)):
            head[key] = value
    return values


def switch_head(head: dict[str, Any], name: str) -> dict[str, Any]:
    """Another head with those options of ``head`` that it has, too: ``model.head=grid`` on the command line."""
    kept = _OPTIONS.get(name, {}).values()
    return {"name": name} | {key: value for key, value in head.items() if key in kept}


def _bound_anchors(values: dict[str, Any], old: dict[str, Any]) -> None:
    """``model.longest`` also bounded the segments of ``inference.anchors: grid`` and ``pairs``."""
    inference = values.get("inference")
    if isinstance(inference, dict) and inference.get("anchors") in ("grid", "pairs"):
        values["inference"] = {**inference, "longest": old.pop("longest", None)}
