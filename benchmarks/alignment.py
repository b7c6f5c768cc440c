"""Projected alignment against the textbook order, at BMN's sizes: time, memory and largest difference.

    python benchmarks/alignment.py [--json FILE] [--rounds N]

Four ways to the same ``(512, 5050)`` map of all grid segments of ``T = 100`` snippets, with two threads:

projected   ``rcl.models.alignment.SegmentAlignment``: project, then sample.
plain       ``rcl.models.alignment.sample_then_convolve``: the same function of any segments in the textbook order.
mask        for this grid only: multiply with a precomputed mask (62 MiB), then Conv3d of kernel (32, 1, 1).
public      the same as in the public code of BMN, on all 100 × 100 cells of the map, half of which are empty.

The first two take any real-valued segments and compute their sampling positions in every call. The last two compute
them beforehand, outside the timing.

Time: each round runs the four in turn. The table has medians, and the median of the ratios within a round. The backward
pass is with respect to the features and the weights. Memory: each way runs once in a fresh process. The table has the
largest growth of the resident set (VmHWM, reset after the inputs and the mask are made, so the mask does not count).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from measuring import Run, argument_parser, compare, in_turn, peak_memory, write_json
from torch import Tensor
from torch.nn import functional

from rcl.models.alignment import SegmentAlignment, interpolation, sample_then_convolve, sampling_positions

SNIPPETS, CHANNELS, OUTPUTS, POINTS, SUBPOINTS, CONTEXT = 100, 128, 512, 32, 3, 0.5
THREADS = 2
WAYS = ("projected", "plain", "mask", "public")
PASSES = ("forward", "forward and backward")


def grid_segments(snippets: int) -> Tensor:
    """All segments ``[s, e + 1)`` with ``s ≤ e`` of the grid: ``(1, T(T + 1)/2, 2)``."""
    start, last = torch.triu_indices(snippets, snippets)
    return torch.stack((start, last + 1), dim=-1).float()[None]


def sampling_mask(segments: Tensor, snippets: int) -> Tensor:
    """BMN's dense mask of interpolation weights, ``(T, P·K)``."""
    positions = sampling_positions(segments, POINTS, SUBPOINTS, CONTEXT, "bmn")
    cells, fractions = (x.view(-1, SUBPOINTS) for x in interpolation(positions, snippets, "bmn"))  # (K·P, S)
    mask = torch.zeros(len(cells), snippets + 2, dtype=fractions.dtype)
    mask.scatter_add_(1, cells.long(), (1 - fractions) / SUBPOINTS)
    mask.scatter_add_(1, cells.long() + 1, fractions / SUBPOINTS)
    return mask[:, 1:-1].view(-1, POINTS, snippets).permute(2, 1, 0).reshape(snippets, -1).float().contiguous()


def on_the_map(mask: Tensor, snippets: int) -> Tensor:
    """The mask of the valid cells on the T × T map of the public code: ``(T, P·K) → (T, P·T·T)``."""
    start, last = torch.triu_indices(snippets, snippets)
    spread = torch.zeros(snippets, POINTS, snippets, snippets)
    spread[:, :, start, last] = mask.view(snippets, POINTS, -1)
    return spread.view(snippets, -1)


def build(way: str, snippets: int = SNIPPETS) -> tuple[Callable[[], Tensor], tuple[Tensor, ...]]:
    """One way as a function without arguments that returns ``(O, K)``, and the tensors that need gradients."""
    torch.manual_seed(0)
    layer = SegmentAlignment(CHANNELS, OUTPUTS, points=POINTS, subpoints=SUBPOINTS, context=CONTEXT, convention="bmn")
    features = torch.randn(1, CHANNELS, snippets, requires_grad=True)
    segments = grid_segments(snippets)
    if way == "projected":
        return lambda: layer(features, segments)[0].T, (features, layer.weight, layer.bias)
    if way == "plain":
        options: dict[str, Any] = {"subpoints": SUBPOINTS, "context": CONTEXT, "convention": "bmn"}
        leaves = (features, layer.weight, layer.bias)
        return lambda: sample_then_convolve(features, segments, layer.weight, layer.bias, **options)[0].T, leaves

    mask = sampling_mask(segments, snippets)
    shape: tuple[int, ...] = (1, segments.shape[1])
    if way == "public":
        mask, shape = on_the_map(mask, snippets), (snippets, snippets)
    kernel = layer.weight.detach().contiguous()[..., None, None].requires_grad_()  # (O, C, P, 1, 1)
    bias = layer.bias.detach().requires_grad_()

    def run() -> Tensor:
        sampled = torch.matmul(features, mask).view(1, CHANNELS, POINTS, *shape)
        return functional.conv3d(sampled, kernel, bias).view(OUTPUTS, -1)

    return run, (features, kernel, bias)


def forward(run: Callable[[], Tensor], _: tuple[Tensor, ...], seed: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [run()]


def forward_and_backward(run: Callable[[], Tensor], leaves: tuple[Tensor, ...], seed: Tensor) -> list[Tensor]:
    result = run()
    return [result, *torch.autograd.grad(result, leaves, seed)]


RUNNERS = dict(zip(PASSES, (forward, forward_and_backward), strict=True))


def measured(way: str, name: str) -> Run:
    """A pass of one way with its inputs made and libraries loaded, to measure its memory."""
    torch.set_num_threads(THREADS)
    small, small_leaves = build(way, snippets=4)
    RUNNERS[name](small, small_leaves, torch.ones_like(small()))
    run, leaves = build(way)
    seed = torch.ones(OUTPUTS, SNIPPETS**2 if way == "public" else SNIPPETS * (SNIPPETS + 1) // 2)
    return partial(RUNNERS[name], run, leaves, seed)


def largest_differences() -> dict[str, float]:
    """Largest differences of projected from plain, of the output and of each gradient relative to its largest entry."""
    seed = torch.randn(OUTPUTS, SNIPPETS * (SNIPPETS + 1) // 2, generator=torch.Generator().manual_seed(1))
    ours, theirs = (forward_and_backward(*build(way), seed) for way in ("projected", "plain"))
    gap = {"output": (ours[0] - theirs[0]).abs().max().item()}
    for name, a, b in zip(("features", "weight", "bias"), ours[1:], theirs[1:], strict=True):
        gap[f"gradient of {name}, relative"] = ((a - b.view_as(a)).abs().max() / b.abs().max()).item()
    return gap


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the timing (default 9)")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)

    sizes = f"T={SNIPPETS} C={CHANNELS} P={POINTS} subpoints={SUBPOINTS} O={OUTPUTS}"
    print(f"{sizes}, {SNIPPETS * (SNIPPETS + 1) // 2} segments, {THREADS} threads, torch {torch.__version__}")
    differences = largest_differences()
    results: dict[str, Any] = {"sizes": sizes, "threads": THREADS, "largest_difference": differences}
    built = {way: build(way) for way in WAYS}
    seeds = {way: torch.ones_like(run()) for way, (run, _) in built.items()}
    for name in PASSES:
        runs = {way: partial(RUNNERS[name], run, leaves, seeds[way]) for way, (run, leaves) in built.items()}
        seconds = in_turn(runs, options.rounds)
        results[name] = compare(name, seconds, {way: peak_memory(measured, way, name) for way in WAYS})
    print()
    for name, gap in differences.items():
        print(f"largest difference, {name}: {gap:.1e}")
    write_json(options.json, results)


if __name__ == "__main__":
    main()
