"""From labels to a detector in the page: features in the background, trainings, and the proposals of the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rcl.data.annotations import VideoAnnotation
from rcl.data.pack import is_pack
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import AnnotationFile
from rcl.web.serve.detecting import Detecting, NotReadyError
from rcl.web.serve.features import Features, can_extract
from rcl.web.serve.job_queue import RUNNING, WAITING, Cancelled, Job, JobQueue, Report
from rcl.web.serve.outcome import describe_forecast, describe_run
from rcl.web.serve.run_folder import Run, RunFolder, delete
from rcl.web.serve.videos import Video
from rcl.web.serve.worker import CURVES, FIT, Command, UnexpectedEnd, follow, module_command

CURVE = "learning-curve"  # the key of its job, and its folder in that of the run
LEAST_VIDEOS = 2
TWO_FIRST = "Label two videos first and press Done in each: one to learn from, and one to test on"


class Learning:
    """What happens around the labels of a session.

    Args:
        root: the folder of videos, or the pack.
        annotations: the labels.
        videos: by key.
        detecting: gets every new detector.
        command: that runs a worker, given its module and its arguments.
    """

    def __init__(
        self,
        root: Path,
        annotations: AnnotationFile,
        videos: Mapping[str, Video],
        detecting: Detecting,
        *,
        command: Command = module_command,
    ) -> None:
        self.root, self.annotations, self.detecting = root, annotations, detecting
        self.runs = RunFolder(annotations.path)
        self._videos, self._command = videos, command
        self._keys = {video.name: key for key, video in videos.items()}
        self.features: Features | None = None
        self.run: Run | None = None  # whose detector is in use
        self.budget_seconds: float | None = None  # for a training; None: as long as one takes
        self._job: Job | None = None
        self._jobs = JobQueue(self._work)
        self._is_open = False

    def begin(self, run: Run | None = None) -> None:
        """Start to make features, and to detect in all videos if there is a detector.

        Args:
            run: the training that the detector is from, if it is one of this page.

        Raises:
            InputError: the folder of features is damaged or cannot be written.
        """
        self._is_open, self.run = True, run
        localizer = self.detecting.localizer
        files = {video.name: video.files[0] for video in self._videos.values() if len(video.files) == 1}
        if can_extract(self.root, localizer) and len(files) == len(self._videos):
            self.features = Features(files, self.runs.root, self._propose_in, self._command)
            self.detecting.stored = self.features.read
            self.features.begin(localizer)
        elif is_pack(self.root):
            self._propose()

    def close(self) -> None:
        """End all processes."""
        self._jobs.close()
        if self.features:
            self.features.close()

    # -- what the page shows ------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """All that the page shows of this."""
        busy = self._is_busy()
        return {
            "open": self._is_open,
            "features": self.features.status() if self.features else None,
            "obstacle": None if busy else self._obstacle(),
            "training": self._describe_job(),
            "interrupted": [] if busy else [run.name for run in self.runs.interrupted()],
            "detector": self._describe_detector(),
            "proposals": self._count_proposals(),
            "forecast": describe_forecast(self.run.folder) if self.run else [],
        }

    def _describe_job(self) -> dict[str, Any] | None:
        if self._job is None:
            return None
        kind = "curve" if self._job.key == CURVE else "training"
        return {**self._job.to_json(), "kind": kind}

    def _is_busy(self) -> bool:
        return self._job is not None and self._job.state in (WAITING, RUNNING)

    def _obstacle(self) -> str | None:
        """Why no training is possible, for the user."""
        if not self._is_open:
            return "Start rcl serve without --no-background to train in the page."
        if self.features is None and not is_pack(self.root):
            return "Recordings of this kind are trained on with rcl fit."
        if self.features and self.features.problem:
            return f"No features can be made: {self.features.problem}"
        try:
            labelled = self._labelled()
        except InputError as error:
            return str(error)
        if len(labelled) < LEAST_VIDEOS:
            return f"{TWO_FIRST}. So far: {len(labelled)}."
        if not any(video.labels for video in labelled.values()):
            return "There is no action in the labels yet."
        return None

    def _labelled(self) -> dict[str, VideoAnnotation]:
        """The videos of this page that are in the labels."""
        return {name: video for name, video in self.annotations.read().items() if name in self._keys}

    def _describe_detector(self) -> dict[str, Any] | None:
        if self.detecting.localizer is None:
            return None
        try:
            said = describe_run(self.run.folder) if self.run else []
        except InputError as error:
            said = [str(error)]
        name = self.run.name if self.run else None
        points = self.detecting.localizer.operating_points
        return {
            "run": name,
            "version": self.detecting.version,
            "sentences": said,
            "calibrated": points is not None,
            "tested": self.run is not None and self.run.is_tested,
        }

    def _count_proposals(self) -> dict[str, Any]:
        """In which videos was looked for actions, and in how many that can be done."""
        keys = [key for key in self._videos if self.detecting.result(key) is not None]
        failed = self.features.failed if self.features else ()
        return {"keys": keys, "done": len(keys), "total": len(self._videos) - len(failed)}

    # -- training -----------------------------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        """Begin a training on the labels; return :meth:`status`.

        Raises:
            NotReadyError: one is running, or the labels are too few.
            InputError: the folder cannot be written.
        """
        self._check_free()
        if obstacle := self._obstacle():
            raise NotReadyError(obstacle)
        self._job = self._jobs.submit(self.runs.begin().name)
        return self.status()

    def forecast(self) -> dict[str, Any]:
        """Begin the learning curve of the detector, which tells what more labels would bring; return :meth:`status`.

        Raises:
            NotReadyError: a training is running, or there is no detector that was trained here and tested.
        """
        self._check_free()
        if self.run is None or not self.run.is_tested:
            expected, fix = "a detector that was trained here and tested on held-out videos", "train one first"
            raise NotReadyError("learning curve", expected=expected, found="none", fix=fix)
        self._job = self._jobs.submit(CURVE)
        return self.status()

    def resume(self, name: str) -> dict[str, Any]:
        """Continue a training that was interrupted; return :meth:`status`.

        Raises:
            NotReadyError: another one is running.
            InputError: there is no such training.
        """
        self._check_free()
        self._job = self._jobs.submit(self.runs.find(name).name)
        return self.status()

    def remove(self, name: str) -> dict[str, Any]:
        """Delete a training that was interrupted; return :meth:`status`.

        Raises:
            NotReadyError: another one is running.
            InputError: there is no such training, or it cannot be deleted.
        """
        self._check_free()
        self.runs.remove(name)
        return self.status()

    def cancel(self) -> dict[str, Any]:
        """End the training that runs; return :meth:`status`."""
        if self._job:
            self._jobs.cancel(self._job.key)
        return self.status()

    def _check_free(self) -> None:
        if self._is_busy():
            raise NotReadyError("training", expected="no other training", found="one", fix="wait, or cancel it")

    def _work(self, key: str, report: Report) -> None:
        """A job: the learning curve, or the training of this name."""
        if key != CURVE:
            self._train(key, report)
        elif self.run:
            folder = self.run.folder
            arguments = {"run": str(folder), "output": str(folder / CURVE)}
            follow(self._command(CURVES, arguments), folder, report)

    def _train(self, name: str, report: Report) -> None:
        """The job of a training: features, the fit in a process of its own, and the new detector."""
        run = Run(self.runs.root / name)
        try:
            report("features", None)
            if self.features:
                self.features.wait([*self._labelled()], lambda stage, share: report("features", share))
            latest = self.runs.latest()
            arguments = {
                "pack": str((self.features.pack if self.features else self.root).absolute()),
                "labels": str(run.labels),
                "output": str(run.folder),
                "after": str(latest.folder) if latest else None,
                "budget_seconds": self.budget_seconds,
                "resume": run.has_begun,
            }
            report("training", None)
            follow(self._command(FIT, arguments), run.folder, report)
        except (Cancelled, InputError) as error:
            if not (run.has_begun or isinstance(error, UnexpectedEnd)):
                delete(run)  # it holds a copy of the labels alone
            raise
        self.use(run)

    # -- the detector -------------------------------------------------------------------------------------------------

    def use(self, run: Run) -> None:
        """Detect with the detector of a training from now on.

        Raises:
            InputError: its checkpoint is damaged.
        """
        localizer = Localizer.load(run.checkpoint)
        self.run = run
        self.detecting.replace(localizer)
        self._propose()

    def _propose(self) -> None:
        """Detect in all videos whose features are there."""
        for video in self._videos.values():
            if self.features is None or video.name in self.features.done:
                self._propose_in(video.name)

    def _propose_in(self, name: str) -> None:
        localizer = self.detecting.localizer
        if localizer and (self.features is None or self.features.suits(localizer)):
            self.detecting.submit(self._keys[name], in_background=True)
