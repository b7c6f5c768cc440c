"""One of several processes that train together: ``python together.py JOBS.json``, its rank in the environment.

The file lists trainings, each with its configuration and output folder. Every process leaves in that folder the loss
and the number of ground truths of each step, the initial weights and the gradients of the first two steps.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from rcl.detector.load_config import parse_config
from rcl.training.run import train
from waiting import PATIENCE_SECONDS


class Steps(Callback):
    """Loss and number of ground truths of every step of this process; initial weights, first two gradients."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: list[float] = []
        self.truths: list[int] = []
        self.shapes: list[list[int]] = []
        self.start: dict[str, Tensor] = {}
        self.gradients: list[dict[str, Tensor]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.start = {name: weight.detach().clone() for name, weight in pl_module.model.named_parameters()}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]))
        self.truths.append(int((batch.labels >= 0).sum()))
        self.shapes.append(list(batch.features.shape))
        if len(self.gradients) < 2:  # averaged over the processes, and clipped
            weights = pl_module.model.named_parameters()
            self.gradients.append({name: weight.grad.clone() for name, weight in weights if weight.grad is not None})

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        validated = float(trainer.callback_metrics.get("validation_mAP", -1.0))
        content = {"losses": self.losses, "truths": self.truths, "shapes": self.shapes, "validation_mAP": validated}
        self.path.with_name(f"steps-{trainer.global_rank}.json").write_text(json.dumps(content))
        first = {"start": self.start, "gradients": self.gradients}
        torch.save(first, self.path.with_name(f"first-{trainer.global_rank}.pt"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train_together(jobs: list[dict[str, Any]], folder: Path, *, replicas: int) -> None:
    """Run the trainings one after the other in ``replicas`` processes."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(replicas)}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder / "jobs.json")],
            env={**os.environ, **world, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(replicas)
    ]
    notes = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * replicas, notes


def steps_of(folder: Path, replicas: int) -> list[dict[str, Any]]:
    """The steps of every process, in the order of their ranks."""
    return [json.loads((folder / f"steps-{rank}.json").read_text()) for rank in range(replicas)]


def first_steps_of(folder: Path, rank: int) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """The initial weights in a process, and the gradients of its first two steps."""
    content = torch.load(folder / f"first-{rank}.pt", weights_only=True)
    return content["start"], content["gradients"]


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text()):
        folder = Path(job["output"])
        train(
            parse_config(job["config"], where="test"), folder, devices=job["devices"], callbacks=[Steps(folder / "x")]
        )
