"""G-TAD from features to map, projected alignment against the public order: time, memory and largest difference.

    python benchmarks/gtad.py [--json FILE] [--rounds N]

Two ways through the same network with the same weights, T = 100 snippets of C = 400, batch 1, two threads:

projected   ``rcl.models.grid.GridDetector`` with ``GraphAlignment``: project, then sample.
plain       the public order: 1-D RoI alignment of all 100 × 100 cells, concatenation of its 36 (or 32) bins of 256
            channels, a 1×1 convolution to 512 channels.

The RoI alignment of ``plain`` gathers and averages rows of the features, with indices and weights made beforehand,
outside the timing, and writes them in the layout that the convolution reads. ``projected`` computes its sampling
positions in every call. Encoder and convolutions over the map are the same modules in both.

Two configurations: ``activitynet`` (32 + 4 bins, convolutions of 1×1) and ``thumos`` (16 + 16 bins, 3×3).

Time: each round runs the two in turn. The table has medians, the median of the ratios within a round, and the best
round, which is more reliable on a busy machine. Memory: each way runs once in a fresh process. The table has the
largest growth of the resident set, without the precomputed tensors.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from measuring import Run, argument_parser, compare, in_turn, peak_memory, write_json
from torch import Tensor
from torch.nn import functional

from rcl.models.graph_alignment import GraphAlignment
from rcl.models.grid import GridDetector, GridHead
from rcl.models.gtad import GTADEncoder

SNIPPETS, CHANNELS, OUTPUTS, THREADS = 100, 400, 512, 2
WAYS = ("projected", "plain")
CONFIGURATIONS: dict[str, dict[str, int]] = {
    "activitynet": {"inner_bins": 32, "context_bins": 4, "kernel": 1},
    "thumos": {"inner_bins": 16, "context_bins": 16, "kernel": 3},
}


def network(inner_bins: int, context_bins: int, kernel: int) -> GridDetector:
    torch.manual_seed(0)
    encoder = GTADEncoder(CHANNELS)
    alignment = GraphAlignment(encoder.channels, OUTPUTS, inner_bins=inner_bins, context_bins=context_bins)
    return GridDetector(encoder, alignment, GridHead(OUTPUTS, kernel=kernel)).eval()


def public_windows(snippets: int) -> list[tuple[float, float]]:
    """The window of each cell ``(d, s)`` of the public map, also of cells beyond the video."""
    windows = []
    for duration in range(snippets):
        reach = 0.5 * (duration + 1)
        for start in range(snippets):
            inside = start + duration < snippets
            windows.append((start - reach, start + duration + reach) if inside else (0.0, 0.0))
    return windows


def roi_rows(snippets: int, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the features, their weights, and the first row of each of ``T · T · bins`` bins for ``embedding_bag``."""
    rows, weights, ends = [], [], [0]
    for low, high in public_windows(snippets):
        length = max(high - low, 1.0)
        samples = math.ceil(length / bins)
        position = low + length / (bins * samples) * (torch.arange(bins * samples, dtype=torch.float64) + 0.5)
        inside = (position >= -1) & (position <= snippets)
        index = position.clamp(0, snippets - 1)[inside]
        lower = index.floor()
        rows.append(torch.stack((lower, (lower + 1).clamp(max=snippets - 1)), dim=1).long())
        weights.append(torch.stack((1 - (index - lower), index - lower), dim=1) / samples)
        ends.extend((ends[-1] + 2 * inside.view(bins, samples).sum(dim=1).cumsum(0)).tolist())
    return torch.cat(rows).flatten(), torch.cat(weights).float().flatten(), torch.tensor(ends)


def build(way: str, configuration: str, snippets: int = SNIPPETS) -> Run:
    """One way as a function without arguments that returns map and boundaries."""
    model = network(**CONFIGURATIONS[configuration])
    features, mask = torch.randn(1, CHANNELS, snippets), torch.ones(1, snippets, dtype=torch.bool)
    if way == "projected":

        def projected() -> tuple[Tensor, Tensor]:
            encoding = model.encode(features, mask)
            return encoding.maps, encoding.boundaries

        return projected

    prepared = [roi_rows(snippets, bins) for bins in model.alignment.bins]
    weight = model.alignment.weight.detach().permute(0, 2, 1).flatten(1).contiguous()  # (O, P·C), bins outermost
    everywhere = torch.ones(1, snippets, snippets, dtype=torch.bool)

    def plain() -> tuple[Tensor, Tensor]:
        encoding = model.encoder(features, mask)
        aligned = [
            functional.embedding_bag(
                rows, part[0].T.contiguous(), ends, per_sample_weights=weights, mode="sum", include_last_offset=True
            ).view(snippets**2, -1)  # (T·T, bins·C)
            for part, (rows, weights, ends) in zip(encoding.features.chunk(2, dim=1), prepared, strict=True)
        ]
        cells = functional.linear(torch.cat(aligned, dim=1), weight, model.alignment.bias)  # (T·T, O)
        embedded = model.head.embed(cells).view(1, snippets, snippets, -1)
        return model.head(embedded, everywhere), encoding.boundaries

    return plain


def measured(way: str, configuration: str) -> Run:
    """One way with its inputs made and libraries loaded, to measure its memory."""
    torch.set_num_threads(THREADS)
    torch.no_grad()(build(way, configuration, snippets=8))()
    return torch.no_grad()(build(way, configuration))


@torch.no_grad()
def largest_difference(runs: dict[str, Run]) -> float:
    """Largest difference between the logits of the two maps, in standard deviations of a map."""
    ours, theirs = (runs[way]()[0] for way in WAYS)  # (1, 2, T, T)
    return ((ours - theirs).abs() / theirs.std(dim=(2, 3), keepdim=True)).max().item()


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the timing (default 9)")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)

    sizes = f"T={SNIPPETS} C={CHANNELS} O={OUTPUTS} batch=1"
    print(f"{sizes}, {SNIPPETS**2} cells, {THREADS} threads, torch {torch.__version__}")
    results: dict[str, Any] = {"sizes": sizes, "threads": THREADS}
    for configuration, values in CONFIGURATIONS.items():
        parameters = sum(parameter.numel() for parameter in network(**values).parameters())
        runs = {way: build(way, configuration) for way in WAYS}
        difference = largest_difference(runs)
        seconds = in_turn({way: torch.no_grad()(run) for way, run in runs.items()}, options.rounds)
        peaks = {way: peak_memory(measured, way, configuration) for way in WAYS}
        rows = compare(configuration, seconds, peaks)
        results[configuration] = {"parameters": parameters, "largest_difference": difference, **rows}
        print(f"largest difference: {difference:.1e} standard deviations of a map ({parameters:,} parameters)")
    write_json(options.json, results)


if __name__ == "__main__":
    main()
