"""Features of videos for an exported detector. This needs PyTorch, which features in files do not."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from rcl.data.feature_files import EXTENSIONS
from rcl.data.pack import is_pack
from rcl.detector.exported.description import Description
from rcl.system.errors import InputError
from rcl.system.paths import is_dir
from rcl.video.extractor import Extractor
from rcl.video.kinds import VIDEO
from rcl.video.settings import StreamSettings, parse_settings


def needs_extraction(description: Description, inputs: Iterable[Path]) -> bool:
    """Whether inputs are anything but packs and feature files, or might be: recordings of sensors end like these."""
    if description.extraction:
        settings = parse_settings(description.extraction, where="the exported detector")
        own = settings.streams.values() if isinstance(settings, StreamSettings) else [settings]
        if any(each.kind != VIDEO for each in own):
            return True
    return not all(is_pack(path) or (path.suffix.lower() in EXTENSIONS and not is_dir(path)) for path in inputs)


def extractor_for(
    description: Description,
    *,
    source: str,
    backbone: str | None = None,
    flow: str | None = None,
    video_fps: float | None = None,
) -> Extractor | None:
    """The extractor of features like those of training; ``None`` if the detector does not know how.

    Args:
        description: of the detector.
        source: its file, for messages.
        backbone, flow, video_fps: see ``Localizer.load``.

    Raises:
        InputError: PyTorch is missing, or the settings are damaged.
    """
    try:
        import_module("torch")
    except ImportError:
        expected = "PyTorch, which extracts the features of videos"
        fix = "install it (pip install torch), or give feature files or packs of rcl extract"
        raise InputError("torch", expected=expected, found="none", fix=fix) from None
    from rcl.detector.prepare import MovedFiles, extractor_of
    from rcl.system.device import best_device

    moved = MovedFiles(backbone, flow, video_fps)
    return extractor_of(description.extraction, description.streams, moved, source=source, device=best_device())
