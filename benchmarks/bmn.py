"""The whole of BMN, projected against the order of the public code, at its size: time, memory, largest difference.

    python benchmarks/bmn.py [--json FILE] [--rounds N]

Two ways to the same map of ``T = 100`` snippets with 400 channels, batch 1, two threads, forward only:

ours     ``rcl.models.grid.bmn``: project, then sample the cells that stand for a segment; a 1 × 1 convolution of these
         cells alone; then the map.
public   the same weights as the public code applies them: multiply with a dense sampling mask (122 MiB, made
         beforehand, outside the timing), Conv3d of kernel (32, 1, 1) and all further layers on all 100 × 100 cells.

Time: each round runs the two in turn; we print medians, and the median of the ratios within a round. Where other
programs keep the cores busy, set ``OMP_WAIT_POLICY=PASSIVE``: threads that spin while they wait for each other measure
those programs. Memory: each way
runs once in a fresh process; we print the growth of the resident set at its highest (Linux), without weights and mask.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rcl.alignment import interpolation, sampling_positions
from rcl.models.grid import GridDetector, bmn

SNIPPETS, CHANNELS, POINTS, SUBPOINTS, CONTEXT = 100, 400, 32, 3, 0.5
THREADS = 2
WAYS = ("ours", "public")


def sampling_mask(model: GridDetector, snippets: int) -> Tensor:
    """The dense mask of interpolation weights of all cells, zero where a cell is empty: ``(T, P·T·T)``."""
    start, duration = model.cells.all(snippets, torch.device("cpu"))  # (N,)
    asked = model.cells.asked(start, duration)[None]
    positions = sampling_positions(asked, POINTS, SUBPOINTS, CONTEXT, "bmn")
    cells, fractions = (x.view(-1, SUBPOINTS) for x in interpolation(positions, snippets, "bmn"))  # (N·P, S)
    weights = torch.zeros(len(cells), snippets + 2)
    weights.scatter_add_(1, cells.long(), (1 - fractions) / SUBPOINTS)
    weights.scatter_add_(1, cells.long() + 1, fractions / SUBPOINTS)
    mask = torch.zeros(snippets, POINTS, snippets, snippets)
    mask[:, :, duration, start] = weights[:, 1:-1].view(-1, POINTS, snippets).permute(2, 1, 0)
    return mask.flatten(1)


def build(way: str, snippets: int = SNIPPETS) -> Callable[[], Tensor]:
    """One way as a function without arguments that returns the logits ``(1, 2, T, T)``."""
    torch.manual_seed(0)
    model = bmn(CHANNELS).eval()
    features, exists = torch.randn(1, CHANNELS, snippets), torch.ones(1, snippets, dtype=torch.bool)
    if way == "ours":
        return lambda: model.encode(features, exists).maps

    mask, head = sampling_mask(model, snippets), model.head
    kernel = model.alignment.weight.detach().contiguous()[..., None, None]  # (O, C, P, 1, 1)
    first = head.cell.weight.detach()[..., None, None]

    def run() -> Tensor:
        encoded = model.encoder(features, exists).features  # (1, C, T)
        sampled = torch.matmul(encoded, mask).view(1, -1, POINTS, snippets, snippets)
        x = torch.relu_(functional.conv3d(sampled, kernel, model.alignment.bias).squeeze(2))
        x = torch.relu_(functional.conv2d(x, first, head.cell.bias))
        for layer in head.convolutions:
            x = torch.relu_(layer(x))
        return head.scores(x)

    return run


def parts() -> dict[str, Callable[[], Any]]:
    """What ours does, one after another, each on what the one before it made."""
    model = bmn(CHANNELS).eval()
    features, exists = torch.randn(1, CHANNELS, SNIPPETS), torch.ones(1, SNIPPETS, dtype=torch.bool)
    encoded = model.encoder(features, exists).features
    projected = model.alignment.project(encoded)
    asked = model.cells.asked(*model.cells.all(SNIPPETS, exists.device))[None]
    looked_up = model.alignment.sample(projected, asked)
    filled, inside = torch.randn(1, SNIPPETS, SNIPPETS, 128), torch.ones(1, SNIPPETS, SNIPPETS, dtype=torch.bool)
    return {
        "encoder and boundary head": lambda: model.encoder(features, exists),
        "projection": lambda: model.alignment.project(encoded),
        "sampling": lambda: model.alignment.sample(projected, asked),
        "first 1 × 1 convolution": lambda: model.head.embed(looked_up),
        "convolutions of the map": lambda: model.head(filled, inside),
    }


def rounds_of(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, one number per round, taken in turn."""
    milliseconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            milliseconds[name].append((time.perf_counter() - begin) * 1e3)
    return {name: values[1:] for name, values in milliseconds.items()}  # less warm-up


def resident(field: str) -> int:
    """A memory field of this process in bytes (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


@torch.inference_mode()
def measure_memory(way: str, pipe: multiprocessing.connection.Connection) -> None:
    """In a fresh process: run once and send by how many bytes the resident set grew at its highest."""
    torch.set_num_threads(THREADS)
    build(way, snippets=4)()  # loads the libraries
    run = build(way)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = resident("VmRSS")
    run()
    pipe.send(resident("VmHWM") - before)


def peak_memory(way: str) -> int:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_memory, args=(way, sender))
    process.start()
    sender.close()
    peak = receiver.recv()
    process.join()
    return peak


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the timing (default 9)")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)

    sizes = f"T={SNIPPETS} C={CHANNELS} P={POINTS} subpoints={SUBPOINTS}"
    print(f"{sizes}, batch 1, {THREADS} threads, torch {torch.__version__}")
    runs = {way: build(way) for way in WAYS}
    ours, public = (run() for run in runs.values())
    gap = ((ours - public).abs().max() / public.std()).item()
    assert gap < 1e-3, "the two ways differ"
    results: dict[str, Any] = {"sizes": sizes, "threads": THREADS, "largest_difference_in_standard_deviations": gap}
    milliseconds = rounds_of(runs, options.rounds)
    peaks = {way: peak_memory(way) for way in WAYS}
    print(f"\n{'':26}{'ms':>9}{'slower':>9}{'MiB':>9}{'more':>9}")
    for way in WAYS:
        row = {
            "milliseconds": statistics.median(milliseconds[way]),
            "times_slower": statistics.median(
                b / a for a, b in zip(milliseconds["ours"], milliseconds[way], strict=True)
            ),
            "peak_mib": peaks[way] / 2**20,
            "times_more_memory": peaks[way] / peaks["ours"],
        }
        results[way] = row
        print(f"{way:26}{row['milliseconds']:9.1f}{row['times_slower']:8.1f}×{row['peak_mib']:9.1f}", end="")
        print(f"{row['times_more_memory']:8.1f}×")
    print("\nours, part by part")
    results["parts"] = {name: statistics.median(values) for name, values in rounds_of(parts(), options.rounds).items()}
    for name, value in results["parts"].items():
        print(f"{name:26}{value:9.1f}")
    print(f"\nlargest difference of the logits, in their standard deviations: {gap:.1e}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
