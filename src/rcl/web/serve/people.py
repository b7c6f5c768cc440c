"""The people who label together: their names, and whose videos are whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl.system.errors import located
from rcl.web.serve.assignment_file import AssignmentFile
from rcl.web.serve.decisions import Decided
from rcl.web.serve.sent_segments import check_list, checked_name
from rcl.web.serve.videos import Video, video_of


class People:
    """The annotators of a session.

    Args:
        file: who is to label which video.
        videos: by key.
        annotator: the name that all pages use; empty if each has its own.

    Raises:
        InputError: it is no name.
    """

    def __init__(self, file: AssignmentFile, videos: Mapping[str, Video], annotator: str = "") -> None:
        self._file, self._videos = file, videos
        with located("--annotator"):
            self.annotator = checked_name(annotator)

    def overview(self, decided: Mapping[str, Decided]) -> dict[str, Any]:
        """The name that pages use, all names that occur, and to whom videos are assigned, by key.

        Raises:
            InputError: the file of assignments is damaged.
        """
        assigned = self._file.read()
        names = {segment.annotator for one in decided.values() for segment in one.segments}
        return {
            "annotator": self.annotator,
            "annotators": sorted({*names, *assigned.values()} - {""}),
            **self._by_key(assigned),
        }

    def assign(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Assign ``videos``, a list of keys, to an ``annotator``, or to nobody if it is empty.

        Returns:
            To whom videos are assigned, by key.

        Raises:
            InputError: a video is not listed, it is no name, or the file is damaged or cannot be written.
        """
        keys = sent.get("videos")
        check_list(keys, len(self._videos), "assignment", "videos")
        videos = [video_of(self._videos, str(key)).name for key in keys or ()]
        with located("assignment"):
            annotator = checked_name(sent.get("annotator"))
        return self._by_key(self._file.assign(videos, annotator))

    def _by_key(self, assigned: Mapping[str, str]) -> dict[str, Any]:
        return {"assigned": {key: assigned[one.name] for key, one in self._videos.items() if one.name in assigned}}
