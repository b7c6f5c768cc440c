"""RCL: temporal action localization with continuous anchoring and recurrent refinement."""

from typing import TYPE_CHECKING

__all__ = [
    "Annotations",
    "Detection",
    "Detections",
    "InputError",
    "Localizer",
    "__version__",
    "fit",
    "load_annotations",
    "load_detections",
    "save_annotations",
    "save_detections",
]

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detection, Detections
    from rcl.data.formats.load import load_annotations, save_annotations
    from rcl.data.formats.results import load_detections, save_detections
    from rcl.detector.localizer import Localizer
    from rcl.system.errors import InputError
    from rcl.training.fit import fit

    __version__: str
else:
    _MODULES = {
        "Annotations": "rcl.data.annotations",
        "Detection": "rcl.data.detections",
        "Detections": "rcl.data.detections",
        "InputError": "rcl.system.errors",
        "Localizer": "rcl.detector.localizer",
        "fit": "rcl.training.fit",
        "load_annotations": "rcl.data.formats.load",
        "load_detections": "rcl.data.formats.results",
        "save_annotations": "rcl.data.formats.load",
        "save_detections": "rcl.data.formats.results",
    }

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used, so that ``import rcl`` is fast (PEP 562)."""
        import importlib
        import importlib.metadata

        if name == "__version__":
            value: object = importlib.metadata.version("rcl-tad")
        elif name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
