"""What was not read of the results of Label Studio, and what was believed, in words for the user."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rcl.data.formats.label_studio.results import Found, timed_results
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError, counted, listed

log = logging.getLogger("rcl")


def check_controls(results: Sequence[Any], wanted: Sequence[str], source: str) -> None:
    """Check that results have the controls that the user names.

    Raises:
        InputError: one is missing.
    """
    names = {item.control for item in timed_results(results)[0] if item.control}
    if missing := [name for name in wanted if name not in names]:
        found = listed([repr(name) for name in sorted(names)]) or "none with a name"
        raise InputError(source, expected=f"a control {missing[0]!r}", found=found, fix="correct --tier")


def warn_of_results(found: Sequence[Found], source: str, rank: int, options: ReadOptions) -> None:
    """Say what was not read, and what was believed."""
    remarks = sum((each.remarks for each in found), Counter[str]())
    timeless = sum((each.timeless for each in found), Counter[str]())
    bare = sum(each.bare for each in found)
    late = [item for each in found for item in each.late]
    controls = sorted(set[str]().union(*(each.controls for each in found)))
    say = [
        ("left out {} without a segment of time ({})", timeless, "result"),
        ("left out {} about segments ({})", remarks, "remark"),
    ]
    for message, counts, noun in say:
        if counts:
            log.warning("%s: %s", source, message.format(counted(counts.total(), noun), listed(sorted(counts))))
    if bare:
        message = "%s: left out %s without a label; --tier names the control that labels"
        log.warning(message, source, counted(bare, "segment"))
    if rank in (1, 2) and not options.tiers:
        labels = ("tracks of boxes", "choices")[rank - 1]
        log.warning("%s: no segment has a label; the %s are read as labels", source, labels)
    if len(controls) > 1 and not options.tiers:
        message = "%s: labels of %s are read as those of one: %s; --tier chooses"
        log.warning(message, source, counted(len(controls), "control"), listed([repr(name) for name in controls]))
    if late:
        instance, length = max(late, key=lambda item: item[0].end_seconds - item[1])
        message = "%s: %s after the end of the media, up to %.6g s of %.6g s: is the rate right (--fps)?"
        ends = f"{counted(len(late), 'segment')} {'ends' if len(late) == 1 else 'end'}"
        log.warning(message, source, ends, instance.end_seconds, length)
