"""The outcome of a training in words, from the files of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rcl.evaluation.bootstrap import FEW_INSTANCES
from rcl.system.errors import counted, listed
from rcl.system.text_files import read_json

NOTHING_HELD_OUT = (
    "How good it is, is not known: no video could be held out to test it on. Label each class in at least two videos."
)


def describe_run(folder: Path) -> list[str]:
    """Sentences on what the detector of a run finds in the held-out videos, and how much of that is wrong.

    Raises:
        InputError: a file of the run is damaged.
    """
    if not (folder / "evaluation.json").exists():
        return [NOTHING_HELD_OUT, *_doubts(folder)]
    evaluation = read_json(folder / "evaluation.json")
    videos, instances = (evaluation["counts"][name] for name in ("videos", "ground_truths"))
    where = f"In the {counted(videos, 'held-out video')}" if videos > 1 else "In the held-out video"
    said = _describe_events(evaluation.get("operating_points"), where)
    if not said:
        said = [f"{where} it finds none of the {counted(instances, 'action')}."]
    if instances < FEW_INSTANCES:
        said.append(
            f"With only {counted(instances, 'action')} to test on, these numbers change a lot by chance; "
            "they get better with every video that you label."
        )
    return [*said, *_describe_change(folder), *_doubts(folder)]


def describe_forecast(folder: Path) -> list[str]:
    """Sentences on what more labels would bring, once the learning curve of a run is finished.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / "learning-curve" / "learning_curve.json"
    if not path.exists():
        return []
    curve = read_json(path)  # it is written after each of its trainings
    is_finished = curve["trainings"]["done"] == curve["trainings"]["count"]
    return [str(sentence) for sentence in curve["summary"]] if is_finished else []


def _describe_events(points: Any, where: str) -> list[str]:
    """What the list of decided detections holds, class by class."""
    events = points and (points["other_videos"] or points["same_videos"])
    if not events:
        return []
    found = [f"{row['right']} of {row['ground_truths']} {label}" for label, row in events["per_class"].items()]
    said = [f"{where} it finds {_joined(found)}."]
    right = sum(row["right"] for row in events["per_class"].values())
    reported = sum(row["detections"] for row in events["per_class"].values()) + events["of_other_labels"]
    return [*said, _describe_wrong(reported, reported - right)]


def _describe_wrong(reported: int, wrong: int) -> str:
    """How much of what is reported is wrong."""
    if reported == 0:
        return "It reports no action there."
    if reported == 1:
        return f"The one action that it reports there is {'wrong' if wrong else 'right'}."
    are = "none is" if wrong == 0 else "all are" if wrong == reported else "1 is" if wrong == 1 else f"{wrong} are"
    return f"Of the {counted(reported, 'action')} that it reports there, {are} wrong."


def _describe_change(folder: Path) -> list[str]:
    """The comparison with the detector before, if there was one."""
    if not (folder / "comparison.json").exists():
        return []
    comparison = read_json(folder / "comparison.json")
    change, interval = (comparison["difference"][key] for key in ("average_mAP", "interval_95"))
    before, now = (100 * comparison[which]["average_mAP"] for which in ("earlier", "later"))
    by_chance = interval is None or interval[0] <= 0 <= interval[1]
    word = "Better" if change > 0 else "Worse" if change < 0 else "As good"
    remark = ", which may be chance" if by_chance and change else ""
    than = "as" if not change else "than"
    return [f"{word} {than} the detector before on the same videos{remark}: average mAP {before:.0f} % → {now:.0f} %."]


def _doubts(folder: Path) -> list[str]:
    path = folder / "finished.json"
    return [str(doubt) for doubt in read_json(path).get("doubts", ())] if path.exists() else []


def _joined(parts: list[str]) -> str:
    if len(parts) < 2:
        return listed(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
