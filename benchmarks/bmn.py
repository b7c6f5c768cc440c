"""The whole of BMN, projected against the order of the public code: time, memory and largest difference.

    python benchmarks/bmn.py [--json FILE] [--rounds N]

Two ways to the same map of ``T = 100`` snippets with 400 channels, batch 1, two threads, forward only:

ours     ``rcl.models.published.bmn``: project, then sample the cells that stand for a segment; a 1 × 1 convolution of
         these cells only; then the map.
public   the same weights in the order of the public code: multiply with a dense sampling mask (122 MiB, made
         beforehand, outside the timing), Conv3d of kernel (32, 1, 1) and all further layers on all 100 × 100 cells.

Time: each round runs the two in turn. The table has medians, and the median of the ratios within a round. On a machine
with other load, set ``OMP_WAIT_POLICY=PASSIVE``, or the threads measure that load while they wait for each other.
Memory: each way runs once in a fresh process. The table has the largest growth of the resident set (Linux), without
weights and mask.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from measuring import Run, argument_parser, compare, in_turn, peak_memory, write_json
from torch import Tensor
from torch.nn import functional

from rcl.models.alignment import interpolation, sampling_positions
from rcl.models.grid import GridDetector
from rcl.models.published import bmn

SNIPPETS, CHANNELS, POINTS, SUBPOINTS, CONTEXT = 100, 400, 32, 3, 0.5
THREADS = 2
WAYS = ("ours", "public")


def sampling_mask(model: GridDetector, snippets: int) -> Tensor:
    """The dense mask of interpolation weights of all cells, zero for an empty cell: ``(T, P·T·T)``."""
    start, duration = model.cells.all(snippets, torch.device("cpu"))  # (N,)
    asked = model.cells.looked_up(start, duration)[None]
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
    """The parts of our way in order, each on the output of the one before."""
    model = bmn(CHANNELS).eval()
    features, exists = torch.randn(1, CHANNELS, SNIPPETS), torch.ones(1, SNIPPETS, dtype=torch.bool)
    encoded = model.encoder(features, exists).features
    projected = model.alignment.project(encoded)
    asked = model.cells.looked_up(*model.cells.all(SNIPPETS, exists.device))[None]
    looked_up = model.alignment.sample(projected, asked)
    filled, inside = torch.randn(1, SNIPPETS, SNIPPETS, 128), torch.ones(1, SNIPPETS, SNIPPETS, dtype=torch.bool)
    return {
        "encoder and boundary head": lambda: model.encoder(features, exists),
        "projection": lambda: model.alignment.project(encoded),
        "sampling": lambda: model.alignment.sample(projected, asked),
        "first 1 × 1 convolution": lambda: model.head.embed(looked_up),
        "convolutions of the map": lambda: model.head(filled, inside),
    }


def measured(way: str) -> Run:
    """One way with its inputs made and libraries loaded, to measure its memory."""
    torch.set_num_threads(THREADS)
    without_gradients = torch.inference_mode()
    without_gradients(build(way, snippets=4))()
    return without_gradients(build(way))


@torch.inference_mode()
def main() -> None:
    parser = argument_parser(__doc__)
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
    results |= compare("", in_turn(runs, options.rounds), {way: peak_memory(measured, way) for way in WAYS})
    print("\nours, part by part")
    seconds = in_turn(parts(), options.rounds)
    results["parts"] = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    for name, value in results["parts"].items():
        print(f"{name:26}{value:9.1f}")
    print(f"\nlargest difference of the logits, in their standard deviations: {gap:.1e}")
    write_json(options.json, results)


if __name__ == "__main__":
    main()
