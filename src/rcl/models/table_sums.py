"""Weighted sums of table rows, with gradients: the arithmetic of projected alignment."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def row_sums(rows: Tensor, fractions: Tensor, bias: Tensor, *tables: Tensor) -> Tensor:
    """:class:`RowSums`; while a graph is exported to ONNX, the same in its standard operators."""
    if not torch.onnx.is_in_onnx_export():
        sums: Tensor = RowSums.apply(rows, fractions, bias, *tables)
        return sums
    shares = zip((1 - fractions).split(1, dim=1), fractions.split(1, dim=1), rows.unbind(dim=1), strict=True)
    parts = list(bias.split([table.shape[1] for table in tables]))
    for lower, upper, row in shares:  # one sample of all anchors at a time, so that no tensor has A × N × O values
        parts = [
            part + lower * table.index_select(0, row) + upper * table.index_select(0, row + 1)
            for part, table in zip(parts, tables, strict=True)
        ]
    return torch.cat(parts, dim=1)


class RowSums(torch.autograd.Function):
    """Sums of table rows, each interpolated between a row and the next, plus a bias.

    ``rows (A, N)``, ``fractions (A, N)``, ``bias (O)`` and column blocks ``(R, O_i)`` of one table ``→ (A, O)``.

    ``embedding_bag`` has a gradient of its own, but that for the table is several times slower on a CPU than this one:
    backward, a weighted sum of rows is a weighted sum of the gradient's rows, once samples are sorted by table row.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, fractions: Tensor, bias: Tensor, *tables: Tensor) -> Tensor:
        sums = tables[0].new_empty(len(rows), len(bias))  # (A, O)
        widths = [table.shape[1] for table in tables]
        pairs, weights = torch.stack((rows, rows + 1), dim=2), torch.stack((1 - fractions, fractions), dim=2)
        for table, part, target in zip(tables, bias.split(widths), sums.split(widths, dim=1), strict=True):
            torch.add(sum_rows(table, pairs, weights), part, out=target)
        ctx.widths, ctx.table_rows = widths, len(tables[0])
        ctx.save_for_backward(rows, fractions, *(tables if ctx.needs_input_grad[1] else ()))
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, fractions, *tables = ctx.saved_tensors
        blocks = [block.contiguous() for block in gradient.split(ctx.widths, dim=1)]
        for_fractions = _gradient_of_fractions(rows, fractions, tables, blocks) if tables else None
        wanted = any(ctx.needs_input_grad[3:])
        for_tables = _gradient_of_tables(rows, fractions, ctx.table_rows, blocks) if wanted else [None] * len(blocks)
        return None, for_fractions, gradient.sum(0), *for_tables


def sum_rows(table: Tensor, pairs: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of table rows: ``(R, O), (A, N, 2), (A, N, 2) → (A, O)``."""
    return functional.embedding_bag(pairs.flatten(1), table, per_sample_weights=weights.flatten(1), mode="sum")


def _gradient_of_tables(rows: Tensor, fractions: Tensor, table_rows: int, blocks: list[Tensor]) -> list[Tensor]:
    """From the gradient of the sums, in column blocks ``(A, O_i)``, that of the table: blocks ``(R, O_i)``."""
    if table_rows <= torch.iinfo(torch.int16).max:
        rows = rows.short()  # sorts in half the time
    ordered, order = torch.sort(rows.flatten(), stable=True)  # (A·N)
    starts = torch.searchsorted(ordered, torch.arange(table_rows, dtype=rows.dtype, device=rows.device))  # (R)
    anchors = order // max(rows.shape[1], 1)  # (A·N)
    upper = fractions.flatten()[order]  # (A·N)
    lower = 1 - upper
    gradients = []
    for block in blocks:
        gradient = functional.embedding_bag(anchors, block, starts, per_sample_weights=lower, mode="sum")
        next_row = functional.embedding_bag(anchors, block, starts, per_sample_weights=upper, mode="sum")
        gradient[1:] += next_row[:-1]
        gradients.append(gradient)
    return gradients


def _gradient_of_fractions(rows: Tensor, fractions: Tensor, tables: list[Tensor], blocks: list[Tensor]) -> Tensor:
    """From the gradient of the sums, in column blocks ``(A, O_i)``, that of the fractions: ``(A, N)``."""
    pairs = torch.stack((rows, rows + 1), dim=2)  # (A, N, 2)
    with torch.enable_grad():
        weights = torch.stack((1 - fractions, fractions), dim=2).detach().requires_grad_()  # (A, N, 2)
        sums = [sum_rows(table, pairs, weights) for table in tables]
    lower, upper = torch.autograd.grad(sums, weights, blocks)[0].unbind(2)
    return upper - lower


class BagSums(torch.autograd.Function):
    """Weighted sums of table rows, of as many rows as each bag has.

    ``rows (N)``, ``weights (N)``, ``counts (A)`` and column blocks ``(R, O_i)`` of one table ``→ (A, O)``.
    Backward, the gradient of ``embedding_bag`` for the table would be several times slower on a CPU than this one,
    which is a weighted sum of rows again.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, counts: Tensor, *tables: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights, counts, *(tables if ctx.needs_input_grad[1] else ()))
        ctx.widths, ctx.table_rows = [table.shape[1] for table in tables], len(tables[0])
        return torch.cat([bag_sums(table, rows, weights, counts) for table in tables], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights, counts, *tables = ctx.saved_tensors
        blocks = [block.contiguous() for block in gradient.split(ctx.widths, dim=1)]
        for_weights: Tensor | None = None
        if tables:
            with torch.enable_grad():
                leaf = weights.detach().requires_grad_()
                sums = [bag_sums(table, rows, leaf, counts) for table in tables]
            (for_weights,) = torch.autograd.grad(sums, leaf, blocks)
        for_tables: list[Tensor | None] = [None] * len(blocks)
        if any(ctx.needs_input_grad[3:]):
            order = torch.sort(rows, stable=True).indices  # (N)
            bags, weights = torch.repeat_interleave(counts)[order], weights[order]
            readers = torch.bincount(rows, minlength=ctx.table_rows)  # (R)
            for_tables = [bag_sums(block, bags, weights, readers) for block in blocks]
        return None, for_weights, None, *for_tables


def bag_sums(table: Tensor, rows: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """Sums over bags of ``counts (A)`` entries each, ``rows (N)`` of a table and ``weights (N)``: ``(A, O)``."""
    edges = functional.pad(counts.cumsum(0), (1, 0)).to(rows.dtype)  # (A + 1)
    return functional.embedding_bag(
        rows, table, edges, per_sample_weights=weights, mode="sum", include_last_offset=True
    )
