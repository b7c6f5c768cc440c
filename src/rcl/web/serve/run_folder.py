"""The trainings of a page: a folder for each, numbered, beside the labels. None is ever replaced."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple

from rcl.system.errors import InputError
from rcl.system.text_files import read_json, write_json

FOLDER = "rcl-runs"
STARTED, FINISHED = "started.json", "finished.json"


class Run(NamedTuple):
    """A training.

    Args:
        folder: of its checkpoint, results, and a copy of the labels that it began with.
    """

    folder: Path

    @property
    def name(self) -> str:
        """A number, as text."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """Of the detector, once there is one."""
        return self.folder / "last.ckpt"

    @property
    def is_finished(self) -> bool:
        """Whether the training and the evaluation came to their end."""
        return (self.folder / FINISHED).exists() and self.checkpoint.exists()

    @property
    def is_tested(self) -> bool:
        """Whether the detector was evaluated on held-out videos."""
        return (self.folder / "evaluation.json").exists()

    @property
    def has_begun(self) -> bool:
        """Whether there is more than a copy of the labels."""
        return (self.folder / "config.yaml").exists()

    @property
    def labels(self) -> Path | None:
        """The copy of the labels; ``None`` if there is none."""
        return next(iter(sorted(self.folder.glob("labels.*"))), None)


class RunFolder:
    """The trainings on one file of labels.

    Args:
        annotations: the file of labels; the trainings are in ``rcl-runs`` beside it.
    """

    def __init__(self, annotations: Path) -> None:
        self.annotations = annotations.absolute()
        self.root = self.annotations.parent / FOLDER

    def runs(self) -> list[Run]:
        """All trainings on these labels, the first one first."""
        if not self.root.is_dir():
            return []
        numbered = [folder for folder in self.root.iterdir() if folder.name.isdecimal()]
        return [Run(folder) for folder in sorted(numbered, key=lambda one: int(one.name)) if self._is_own(folder)]

    def latest(self) -> Run | None:
        """The last training that is finished."""
        return next((run for run in reversed(self.runs()) if run.is_finished), None)

    def interrupted(self) -> list[Run]:
        """The trainings that are not finished, which can be continued: also from the start."""
        return [run for run in self.runs() if not run.is_finished]

    def begin(self) -> Run:
        """A new folder with a copy of the labels.

        Raises:
            InputError: it cannot be written.
        """
        taken = [int(path.name) for path in self.root.glob("*") if path.name.isdecimal()]
        folder = self.root / str(max(taken, default=0) + 1)
        try:
            folder.mkdir(parents=True)
            shutil.copyfile(self.annotations, folder / f"labels{self.annotations.suffix}")
        except OSError as error:
            found = error.strerror or str(error)
            raise InputError(folder, expected="a place to write to", found=found, fix="make room") from None
        write_json(folder / STARTED, {"made_by": "rcl serve", "labels": self.annotations.name}, indent=1)
        return Run(folder)

    def find(self, name: str) -> Run:
        """The training of a name that can be continued.

        Raises:
            InputError: there is no such training.
        """
        for run in self.interrupted():
            if run.name == name:
                return run
        fix = "load the page again"
        raise InputError(self.root, expected="the number of an interrupted training", found=f"{name[:40]!r}", fix=fix)

    def remove(self, name: str) -> None:
        """Delete a training that was interrupted.

        Raises:
            InputError: there is no such training, or it cannot be deleted.
        """
        delete(self.find(name))

    def _is_own(self, folder: Path) -> bool:
        with contextlib.suppress(InputError):
            return bool(read_json(folder / STARTED).get("labels") == self.annotations.name)
        return False


def delete(run: Run) -> None:
    """Delete the folder of a training.

    Raises:
        InputError: it cannot be deleted.
    """
    try:
        shutil.rmtree(run.folder)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(run.folder, expected="a folder to delete", found=found, fix="delete it yourself") from None
