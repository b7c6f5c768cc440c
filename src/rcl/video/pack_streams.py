"""The settings of a pack that has a single stream, or several with names."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rcl.data.streams import StreamName, StreamTiming, read_streams, write_streams
from rcl.system.errors import InputError, listed, shown
from rcl.system.paths import exists
from rcl.video.settings import SETTINGS, Settings, StreamSettings, read_settings, write_settings


def kept_settings(root: Path, stream: str | None) -> Settings | None:
    """The settings that a pack has of one of its streams, or of its single one; ``None`` for a new pack or stream.

    Raises:
        InputError: the folder has features of unknown settings, or a single stream where one with a name is wanted, or
            the other way round; or the name cannot be that of a folder.
    """
    if stream is not None:
        _check_name(stream)
    kept = read_settings(root)
    if kept is None:
        _refuse_foreign(root)
        return None
    if isinstance(kept, StreamSettings):
        if stream is None:
            found, fix = f"a pack of the streams {listed([*kept.streams])}", "name one with --stream, or choose another"
            raise InputError(root, expected="a pack of a single stream", found=found, fix=f"{fix} folder")
        return kept.streams.get(stream)
    if stream is not None:
        fix = "extract into a new folder: first what this pack holds, with --stream NAME, then the others"
        raise InputError(root, expected="a pack of streams", found="a pack of a single one", fix=fix)
    return kept


def write_stream_settings(settings: Settings, root: Path, stream: str | None) -> None:
    """Write the settings of a stream into a pack, beside those of the others, and its rate into ``streams.json``.

    Raises:
        InputError: the folder cannot be written.
    """
    if stream is None:
        write_settings(settings, root)
        return
    kept = read_settings(root)
    others = kept.streams if isinstance(kept, StreamSettings) else {}
    write_settings(StreamSettings({**others, stream: settings}), root)
    timing = read_streams(root) or {}
    own = timing.get(stream, StreamTiming())  # somebody may have corrected its start
    rate = {"snippets_per_second": settings.snippets_per_second}
    write_streams(root, {**timing, stream: own.model_copy(update=rate)})


def _check_name(stream: str) -> None:
    try:
        TypeAdapter(StreamName).validate_python(stream)
    except ValidationError:
        expected = "the name of a stream, which is a folder: no slash, no dot at its beginning"
        raise InputError("--stream", expected=expected, found=shown(stream), fix="choose another") from None


def _refuse_foreign(root: Path) -> None:
    if exists(root / "features") or exists(root / "annotations.json"):
        found, fix = f"a pack without {SETTINGS}", "choose another folder"
        raise InputError(root, expected="a new folder, or a pack of rcl extract", found=found, fix=fix)
