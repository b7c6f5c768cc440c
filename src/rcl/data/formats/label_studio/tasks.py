"""Tasks of Label Studio with labelled segments of videos: what it exports as JSON or JSON-MIN, or can import."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import KEY, add_video, name_in, names_of, stem_of, video_of
from rcl.data.formats.label_studio.doubts import check_controls, warn_of_results
from rcl.data.formats.label_studio.media import media_file, shown_elsewhere
from rcl.data.formats.label_studio.results import KINDS, Found, find_instances, has_labels, timed_results
from rcl.data.formats.media import is_audio
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import Defect, InputError, Problems, counted, listed, located, shown

log = logging.getLogger("rcl")

_RATES = ("fps", "frame_rate", "framerate", "frameRate")
_FIRST = 20  # items by which a file is recognized
_OF_ROWS = ("annotator", "annotation_id", "lead_time")  # columns of JSON-MIN


class _Task(NamedTuple):
    where: str
    data: Mapping[str, Any]
    upload: object
    given: list[dict[str, Any]]  # annotations that were not skipped, of all annotators
    predictions: list[dict[str, Any]]
    drafts: int = 0  # that somebody has not submitted


class _Chosen(NamedTuple):
    where: str
    data: Mapping[str, Any]
    upload: object
    results: list[Any]
    left_out: tuple[str, ...]  # annotators of other annotations with segments
    emptied: bool  # by a later annotation, which was left out


class _Video(NamedTuple):
    where: str
    file: str
    facts: object
    found: Found
    elsewhere: int = 0  # results about another video of the task


def is_task(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a single task."""
    return isinstance(data.get("data"), dict) and bool({"annotations", "completions", "predictions"} & data.keys())


def are_tasks(items: Sequence[Any]) -> bool:
    """Whether values are tasks or rows of JSON-MIN with segments, judged by the first that is either."""
    return any(isinstance(item, dict) and (is_task(item) or has_segments(item)) for item in items[:_FIRST])


def has_segments(row: dict[str, Any]) -> bool:
    """Whether a row of JSON-MIN holds labelled segments of time."""
    return any(item.type and item.rank < len(KINDS) for item in timed_results(_results_in(row))[0])


def parse(tasks: list[Any], source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of tasks.

    Labels of the timeline are in frames; those of audio and time series, with which videos are labelled too, are in
    seconds. What labels a segment, is the type of the results: labels, or where a file has none, tracks of boxes, or
    choices for each region. Texts, ratings and choices about labelled segments are remarks.

    Of several annotations of a task, the one marked as ground truth counts, else the latest that has segments. If any
    task is annotated, tasks with only predictions are left out with a warning; if none is, the predictions are read.

    Args:
        tasks: the content of the file.
        source: the file, for messages.
        options: ``fps``: frames per second; by default what the tasks say. ``times``: unit of those that are not
            frames. ``annotator``, ``data_key``, and as ``tiers`` the names of the controls to read.

    Raises:
        InputError: a value is wrong, or the frames per second are not known.
    """
    options = options or ReadOptions()
    problems = Problems()
    known = _tasks_of(tasks, source, problems)
    problems.raise_first()
    chosen = _chosen(known, source, options.annotator, problems)
    problems.raise_first()
    results = [item for task in chosen for item in task.results]
    rank = min((item.rank for item in timed_results(results)[0]), default=0)
    check_controls(results, options.tiers, source)
    videos = list[_Video]()
    for task in chosen:
        with problems.located(task.where):
            videos.append(_read(task, options, min(rank, len(KINDS) - 1)))
    problems.raise_first()
    if elsewhere := sum(video.elsewhere for video in videos):
        message = "%s: left out %s about other videos of the tasks; --data-key chooses the video"
        log.warning(message, source, counted(elsewhere, "result"))
    warn_of_results([video.found for video in videos], source, rank, options)
    return Annotations(_named(videos, source), source=source)


# -- tasks -------------------------------------------------------------------------------------------------------


def _tasks_of(items: Sequence[Any], source: str, problems: Problems) -> list[_Task]:
    """The tasks; rows of JSON-MIN, one for each annotation, are put together by the number of their task."""
    tasks, rows = list[_Task](), dict[str, _Task]()
    for number, item in enumerate(items, 1):
        where = f"{source}, task {number}"
        with problems.located(where):
            if isinstance(item, dict) and isinstance(item.get("data"), dict):
                tasks.append(_task_of(item, where))
            elif isinstance(item, dict) and (columns := _columns_of(item)) is not None:
                key = str(item.get("id", where))
                if key not in rows:
                    rows[key] = _Task(where, item, None, [], [])
                    tasks.append(rows[key])
                rows[key].given.append({**item, "completed_by": item.get("annotator"), "result": columns})
            else:
                fix = "give a list of tasks, each a JSON object, or rows with the keys video, start, end, label"
                raise Defect(expected='a task {"data", "annotations"}', found=shown(item), fix=fix)
    return tasks


def _task_of(item: dict[str, Any], where: str) -> _Task:
    given = _given(item, "annotations", "completions")
    predictions, drafts = _given(item, "predictions"), item.get("drafts")
    count = len(drafts) if isinstance(drafts, list) else 0
    return _Task(where, item["data"], item.get("file_upload"), given, predictions, count)


def _given(task: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    given: Any = next((task[key] for key in keys if task.get(key)), [])
    if not isinstance(given, list):
        raise Defect(expected=f"a list of {keys[0]}", found=shown(given), fix="export it again")
    return [item for item in given if isinstance(item, dict) and not (item.get("was_cancelled") or item.get("skipped"))]


def _columns_of(row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The results of a row of JSON-MIN, which has a column for each control; ``None`` if it is no such row."""
    results = _results_in(row)
    is_row = any(key in row for key in _OF_ROWS) or bool(timed_results(results)[0])
    return results if is_row else None


def _results_in(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"from_name": control, "value": value}
        for control, values in row.items()
        for value in (values if isinstance(values, list) else [])
        if isinstance(value, dict)
    ]


# -- annotations -------------------------------------------------------------------------------------------------


def _chosen(tasks: Sequence[_Task], source: str, annotator: str | None, problems: Problems) -> list[_Chosen]:
    """The annotations that count, or if there are none, the predictions."""
    people = list(dict.fromkeys(_person(item) for task in tasks for item in task.given))
    if annotator is not None and not any(_is_of(item, annotator) for task in tasks for item in task.given):
        found = listed([repr(person) for person in people if person]) or "none"
        raise InputError(source, expected=f"annotations of {annotator!r}", found=found, fix="correct --annotator")
    chosen, predicted = list[_Chosen](), list[_Chosen]()
    if drafts := sum(task.drafts for task in tasks):
        log.warning("%s: left out %s, which nobody submitted", source, counted(drafts, "draft"))
    for task in tasks:
        with problems.located(task.where):
            given = [item for item in task.given if annotator is None or _is_of(item, annotator)]
            if given:
                chosen.append(_latest(task, given))
            elif task.predictions:
                predicted.append(_latest(task, task.predictions))
    if not chosen and predicted and annotator is None:
        read = f"predictions are read{_other_predictions(predicted)}"
        log.warning("%s: none of these videos is annotated yet; their %s", source, read)
        return predicted
    if left_out := len(tasks) - len(chosen):
        whose = "" if annotator is None else f" of {annotator!r}"
        predictions = f", {len(predicted)} of them with predictions" if predicted else ""
        log.warning("%s: left out %s without annotations%s%s", source, counted(left_out, "video"), whose, predictions)
    _warn_of_others(chosen, source)
    return chosen


def _latest(task: _Task, given: Sequence[dict[str, Any]]) -> _Chosen:
    """The annotation, or prediction, that counts."""
    for item in given:
        if not isinstance(item.get("result"), list):
            fix = "export it again, [] for none"
            raise Defect(expected='"result": [labels]', found=shown(item.get("result")), fix=fix)
    full = {id(item): has_labels(item["result"]) for item in given}
    best = max(given, key=lambda item: (bool(item.get("ground_truth")), full[id(item)], _time(item)))
    others = tuple(_person(item) for item in given if item is not best and full[id(item)])
    emptied = full[id(best)] and any(not full[id(item)] and _time(item) > _time(best) for item in given)
    return _Chosen(task.where, task.data, task.upload, best["result"], others, emptied)


def _other_predictions(chosen: Sequence[_Chosen]) -> str:
    """What to add on predictions of one video that were not read."""
    others = [name for task in chosen for name in task.left_out]
    if not others:
        return ""
    names = sorted({repr(name) for name in others if name})
    by = f" (of {listed(names)})" if names else ""
    return f", of each video the latest; {counted(len(others), 'other prediction')} left out{by}"


def _time(item: dict[str, Any]) -> str:
    return str(item.get("updated_at") or item.get("created_at") or "")


def _person(item: dict[str, Any]) -> str:
    person = item.get("completed_by", item.get("model_version"))
    if isinstance(person, dict):
        person = person.get("email") or person.get("username") or person.get("id")
    return "" if person is None else str(person)


def _is_of(item: dict[str, Any], annotator: str) -> bool:
    person = item.get("completed_by")
    names = [person.get(key) for key in ("id", "email", "username")] if isinstance(person, dict) else [person]
    return annotator.casefold() in [str(name).casefold() for name in names if name is not None]


def _warn_of_others(chosen: Sequence[_Chosen], source: str) -> None:
    people = [person for task in chosen for person in task.left_out]
    if people:
        count, names = sum(bool(task.left_out) for task in chosen), sorted({person for person in people if person})
        by = f" (by {listed(names)})" if names else ""
        message = (
            "%s: %s labelled more than once; the ground truth or the latest was read, "
            "and %s left out%s: --annotator chooses"
        )
        were = f"{counted(count, 'video')} {'was' if count == 1 else 'were'}"
        others = f"{counted(len(people), 'other annotation')} {'was' if len(people) == 1 else 'were'}"
        log.warning(message, source, were, others, by)
    if emptied := sum(task.emptied for task in chosen):
        message = "%s: in %s, a later annotation is empty; the one with segments was read"
        log.warning(message, source, counted(emptied, "video"))


# -- videos ------------------------------------------------------------------------------------------------------


def _read(task: _Chosen, options: ReadOptions, rank: int) -> _Video:
    data = dict(task.data)
    rate = options.fps if options.fps is not None else next((data[k] for k in _RATES if data.get(k) is not None), None)
    unit = options.seconds_per_unit or 1.0
    facts, results, left_out = data.get(KEY), task.results, 0
    if not (file := name_in(facts) or ""):
        shown_in = [item["to_name"] for item in results if isinstance(item, dict) and _is_name(item.get("to_name"))]
        file = media_file(data, task.upload, shown_in, options.data_key)
        stem_of(file)  # it has one
        others = shown_elsewhere(data, file, _objects_of(results, options.tiers))
        results = [item for item in results if not (isinstance(item, dict) and _is_about(item, others))]
        left_out = len(task.results) - len(results)
    found = find_instances(results, rate, rank=rank, controls=options.tiers, unit=unit)
    return _Video(task.where, file, facts, found, left_out)


def _objects_of(results: Sequence[Any], controls: Sequence[str]) -> set[str]:
    """The tags of the interface that labelled segments refer to."""
    timed = [item for item in timed_results(results)[0] if item.rank < len(KINDS)]
    return {item.shown_in for item in timed if item.shown_in and (not controls or item.control in controls)}


def _is_about(item: dict[str, Any], tags: Collection[str]) -> bool:
    return _is_name(item.get("to_name")) and item["to_name"] in tags


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _named(videos: Sequence[_Video], source: str) -> dict[str, VideoAnnotation]:
    own = [video for video in videos if not name_in(video.facts)]
    names = dict(zip(map(id, own), names_of([video.file for video in own]), strict=True))
    named: dict[str, VideoAnnotation] = {}
    problems = Problems()
    for video in videos:
        with problems.located(video.where):
            annotation = video_of(names.get(id(video), video.file), video.found.instances, video.facts)
            with located(source):
                add_video(named, annotation)
    problems.raise_first()
    if sounds := [names[id(video)] for video in own if is_audio(video.file)]:
        message = "%s: %s known by a file of sound only: is the video named so, too? (%s)"
        were = f"{counted(len(sounds), 'video')} {'is' if len(sounds) == 1 else 'are'}"
        log.warning(message, source, were, listed(sounds, 3))
    return named
