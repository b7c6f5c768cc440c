"""Time that training waits for data, and the share of padding in its batches.

    python benchmarks/loading.py CONFIG PACK [key=value ...] [--steps N] [--workers W ...] [--json FILE]

Trains as `rcl train` does, without validation, for N steps with each number of loading processes and the network on one
core. The waiting time is from the end of a step, or the start of an epoch, to the start of the next step: the time to
load batches beyond those that are loaded ahead. The script prints its share of the total. The first step, and with it
the start of the loading processes, is left out. The padded share is that of the snippets in the batches of ten epochs,
with and without buckets.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from measuring import argument_parser, write_json

from rcl.data.batches import EpochBatches
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.training.data import load_training_data
from rcl.training.loaders import training_dataset
from rcl.training.recipes import find_configuration
from rcl.training.run import train

EPOCHS = 10  # of the padded share


class Waiting(Callback):
    """Records the seconds between and in steps, and stops the training after ``steps`` steps and one to warm up."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.since = 0.0
        self.waited: list[float] = []
        self.worked: list[float] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.waited.append(now - self.since)
        self.since = now

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.worked.append(now - self.since)
        self.since = now
        if len(self.worked) > self.steps:
            trainer.should_stop = True

    def seconds(self) -> tuple[float, float]:
        """Mean waiting and working time of a step."""
        return float(np.mean(self.waited[1:])), float(np.mean(self.worked[1:]))


def measure(config: Config, steps: int) -> dict[str, float]:
    waiting = Waiting(steps)
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder) / "run", callbacks=[waiting])
    waited, worked = waiting.seconds()
    return {"waiting_ms": 1e3 * waited, "step_ms": 1e3 * worked, "waiting_share": waited / (waited + worked)}


def loading(config: Config, samples: int = 100) -> float:
    """CPU seconds to load a sample."""
    dataset = training_dataset(config, load_training_data(config))
    dataset[0]
    begin = time.process_time()
    for ticket in range(samples):
        dataset[ticket]
    return (time.process_time() - begin) / samples


def padding(config: Config, batch_size: int) -> dict[str, float]:
    lengths = load_training_data(config).training.lengths()
    shares = {}
    for name, buckets in (("with buckets", True), ("without", False)):
        batches = EpochBatches(lengths, batch_size, buckets=buckets, seed=config.training.seed)
        kept = made = 0
        for epoch in range(EPOCHS):
            batches.set_epoch(epoch)
            for batch in batches:
                own = lengths[np.array(batch) % len(lengths)]
                kept += int(own.sum())
                made += len(own) * int(own.max())
        shares[name] = 1 - kept / made
    return shares


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("config", type=Path, help="a configuration, or the name of a recipe")
    parser.add_argument("pack", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    torch.set_num_threads(1)  # leave the other cores to loading
    given = [f"data.root={options.pack}", "data.validation_subset=null", "data.training_subset=training"]
    options.config = find_configuration(options.config)
    config = load_config(options.config, [*given, *options.overrides])
    numbers: dict[str, Any] = {"sample_ms": 1e3 * loading(config)}
    print(f"{numbers['sample_ms']:.1f} ms to load a sample, batches of {config.training.batch_size}")
    for workers in options.workers:
        row = measure(
            load_config(options.config, [*given, *options.overrides, f"training.workers={workers}"]), options.steps
        )
        numbers[f"{workers} workers"] = row
        print(
            f"training.workers={workers}: waits {row['waiting_ms']:.1f} ms before a step of {row['step_ms']:.1f} ms, "
            f"{100 * row['waiting_share']:.1f} % of the time",
            flush=True,
        )
    for batch_size in sorted({2, 4, 8, config.training.batch_size} - {1}):
        shares = numbers[f"padding of {batch_size}"] = padding(config, batch_size)
        parts = ", ".join(f"{100 * share:.1f} % {name}" for name, share in shares.items())
        print(f"padding of batches of {batch_size}: {parts}")
    write_json(options.json, numbers)


if __name__ == "__main__":
    main()
