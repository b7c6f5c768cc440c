"""Lightning callbacks of a training run: averaged weights, the table of epochs, a common start of all processes."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor

from rcl.system.distributed import gathered
from rcl.system.errors import InputError
from rcl.system.progress_lines import ProgressLines
from rcl.system.text_files import write_text


def averaging_decay(ema: float | str, steps: int) -> float:
    """Decay of the weight average in a run of ``steps`` steps.

    ``auto`` averages over about the last tenth of the run. A fixed 0.999 averages over a thousand steps: in a run of
    eight hundred, mostly steps before the model had learned anything.

    >>> averaging_decay("auto", 1000), averaging_decay(0.999, 1000)
    (0.99, 0.999)
    """
    return max(0.0, 1 - 10 / steps) if ema == "auto" else float(ema)


class SameStart(Callback):
    """Checks that either all processes resume from the last checkpoint, or none."""

    def __init__(self, resumes: bool, output: Path) -> None:
        self.resumes, self.output = resumes, output

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Compare with the other processes.

        Raises:
            InputError: only some of them see the checkpoint.
        """
        found = gathered(self.resumes)
        if any(found) and not all(found):
            fix = "choose a folder that all nodes share"
            expected = "last.ckpt on every node"
            raise InputError(self.output, expected=expected, found="it on some of them only", fix=fix)


class TrainingLines(Callback):
    """A line on stderr every half minute, in place of a bar.

    Args:
        interval_seconds: between two lines.
    """

    def __init__(self, interval_seconds: float | None = None) -> None:
        write = partial(print, file=sys.stderr, flush=True)
        self.lines = ProgressLines("Training", write, interval_seconds=interval_seconds)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin where the training resumes."""
        self.lines.begin(*self._state(trainer))

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Print a line if it is time."""
        self._tick(trainer)

    def on_validation_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Print a line if it is time."""
        self._tick(trainer)

    def _tick(self, trainer: lightning.Trainer) -> None:
        if trainer.is_global_zero:
            self.lines.show(*self._state(trainer))
            self.lines.tick()

    def _state(self, trainer: lightning.Trainer) -> tuple[str, float]:
        """The epoch in words, and the share of the steps that are done."""
        epochs = trainer.max_epochs or 1
        return f"epoch {min(trainer.current_epoch + 1, epochs)} of {epochs}", _share(trainer)


class TrainingShare(Callback):
    """Reports how much of the training is done, after every step.

    Args:
        report: takes the share of the steps, in [0, 1].
    """

    def __init__(self, report: Callable[[float], None]) -> None:
        self.report = report

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin where the training resumes."""
        self.report(_share(trainer))

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Report the steps so far."""
        self.report(_share(trainer))


def _share(trainer: lightning.Trainer) -> float:
    return min(trainer.global_step / max(float(trainer.estimated_stepping_batches), 1), 1.0)


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, for validation and checkpoints.

    After ``n`` steps the decay is at most ``(1 + n) / (10 + n)``, so that the initial weights are soon forgotten.

    Args:
        ema: share of the average that each step keeps, or ``auto``; see :func:`averaging_decay`.
    """

    def __init__(self, ema: float | str) -> None:
        super().__init__(multi_avg_fn=self._average)
        self.ema = ema
        self.decay = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Set the decay by the number of steps, which is smaller on several devices."""
        self.decay = averaging_decay(self.ema, int(trainer.estimated_stepping_batches))

    def _average(self, means: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        keep = min(self.decay, (1 + int(count)) / (10 + int(count)))
        for mean, current in zip(means, currents, strict=True):
            mean.lerp_(current, 1 - keep)


class EpochTable(Callback):
    """``metrics.csv`` with a row per epoch, rewritten after each, so that it is never cut short."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the losses, the learning rate and the validation mAP of the epoch."""
        validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            # Without a validation in this epoch, Lightning still has the previous value.
            if name.startswith("loss") or validated
        }
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "learning_rate": rate, **metrics}
        self.rows.append(row)
        for logger in trainer.loggers:  # which get losses and mAP from Lightning
            logger.log_metrics({"learning_rate": rate}, step=trainer.global_step)
        if trainer.is_global_zero:
            write_text(self.path, self._text())

    def _text(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return table.getvalue()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from a checkpoint."""
        self.rows = state_dict["rows"]
