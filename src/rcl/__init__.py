"""RCL: temporal action localization with continuous anchoring and recurrent refinement."""

from rcl.data.annotations import Annotations
from rcl.data.detections import Detection, Detections
from rcl.data.formats.load import load_annotations
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError

__all__ = ["Annotations", "Detection", "Detections", "InputError", "Localizer", "load_annotations"]
