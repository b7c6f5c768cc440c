"""RCL: temporal action localization with continuous anchoring and recurrent refinement."""

from rcl.annotations import Annotations, load_annotations
from rcl.detections import Detection, Detections
from rcl.errors import InputError
from rcl.localizer import Localizer

__all__ = ["Annotations", "Detection", "Detections", "InputError", "Localizer", "load_annotations"]
