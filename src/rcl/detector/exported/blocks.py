"""Rewrite a graph that scores all anchors at once into one that encodes once and scores one block after another.

What depends on the anchors moves into the body of a loop, so that memory does not grow with their number. The rest, the
encoding, stays outside and runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

BLOCK = 1024  # anchors in a round, at most: their vectors fit a core's cache


def in_blocks(model: ModelProto, axes: Mapping[str, int], *, block: int = BLOCK) -> ModelProto:
    """The same function of its inputs, computed in a loop over blocks of anchors.

    Args:
        model: with an input ``anchors (K, 2)``, K at least 1.
        axes: of every output that depends on the anchors, the axis of length K.
        block: anchors in a round, at most.
    """
    graph = model.graph
    asking = _depending_on("anchors", graph.node)
    inside = [node for node in graph.node if asking.intersection(node.output)]
    outside = [node for node in graph.node if not asking.intersection(node.output)]
    values = {value.name: value for value in graph.output}
    body = _body(inside, [values[name] for name in axes])
    rounds = helper.make_node("Loop", ["blocks.rounds", "blocks.true"], [f"{name}.blocks" for name in axes], body=body)
    joined = [node for name, axis in axes.items() for node in _join(name, axis, _rank(values[name]))]
    whole = helper.make_graph(
        [*outside, *_cut(), rounds, *joined],
        "detector",
        graph.input,
        graph.output,
        [*graph.initializer, *_constants(block)],
    )
    standard = [known for known in model.opset_import if not known.domain]
    result = helper.make_model(whole, opset_imports=standard, ir_version=model.ir_version, producer_name="rcl")
    onnx.checker.check_model(result)
    return result


def _depending_on(name: str, nodes: Sequence[NodeProto]) -> set[str]:
    """The values that depend on an input, and those that are only converted for them."""
    known = {name}
    for node in nodes:  # in the order in which they can be computed
        if known.intersection(node.input):
            known.update(node.output)
    for node in nodes:
        if node.op_type != "Cast":
            continue
        # A runtime that drops a conversion warns if the result is used in the body of a loop.
        users = [other for other in nodes if node.output[0] in other.input]
        if users and all(known.intersection(other.output) for other in users):
            known.update(node.output)
    return known


def _rank(value: ValueInfoProto) -> int:
    return len(value.type.tensor_type.shape.dim)


def _constants(block: int) -> list[TensorProto]:
    rows = {"most": [block], "zero": [0], "one": [1], "two": [2], "rest": [-1]}
    return [
        *(helper.make_tensor(f"blocks.{name}", TensorProto.INT64, [1], values) for name, values in rows.items()),
        helper.make_tensor("blocks.first", TensorProto.INT64, [], [0]),
        helper.make_tensor("blocks.step", TensorProto.INT64, [], [1]),
        helper.make_tensor("blocks.true", TensorProto.BOOL, [], [True]),
    ]


def _cut() -> list[NodeProto]:
    """The anchors in as few blocks as possible, all of one size: ``(rounds, size, 2)``. The last anchor fills up."""
    node = helper.make_node
    return [
        node("Shape", ["anchors"], ["blocks.count"], end=1),
        *_divided_up("blocks.count", "blocks.most", "blocks.number"),
        *_divided_up("blocks.count", "blocks.number", "blocks.size"),
        node("Squeeze", ["blocks.number"], ["blocks.rounds"]),
        node("Mul", ["blocks.size", "blocks.number"], ["blocks.filled"]),
        node("Squeeze", ["blocks.filled"], ["blocks.end"]),
        node("Range", ["blocks.first", "blocks.end", "blocks.step"], ["blocks.positions"]),
        node("Sub", ["blocks.count", "blocks.one"], ["blocks.last"]),
        node("Min", ["blocks.positions", "blocks.last"], ["blocks.chosen"]),
        node("Gather", ["anchors", "blocks.chosen"], ["blocks.flat"]),
        node("Concat", ["blocks.number", "blocks.size", "blocks.two"], ["blocks.shape"], axis=0),
        node("Reshape", ["blocks.flat", "blocks.shape"], ["blocks.anchors"]),
    ]


def _divided_up(number: str, by: str, result: str) -> list[NodeProto]:
    """``⌈number / by⌉`` of whole numbers."""
    return [
        helper.make_node("Add", [number, by], [f"{result}.sum"]),
        helper.make_node("Sub", [f"{result}.sum", "blocks.one"], [f"{result}.below"]),
        helper.make_node("Div", [f"{result}.below", by], [result]),
    ]


def _body(nodes: Sequence[NodeProto], outputs: Sequence[ValueInfoProto]) -> GraphProto:
    """One round: the answers about a block. Other names are those of the graph around it."""
    own = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    for node in own:
        node.input[:] = ["block.anchors" if name == "anchors" else name for name in node.input]
    inputs = [
        helper.make_tensor_value_info("block.number", TensorProto.INT64, []),
        helper.make_tensor_value_info("block.goes_on", TensorProto.BOOL, []),
    ]
    results = [helper.make_tensor_value_info("block.again", TensorProto.BOOL, [])]
    for value in outputs:
        kind = value.type.tensor_type.elem_type
        results.append(helper.make_tensor_value_info(value.name, kind, [None] * _rank(value)))
    first = [
        helper.make_node("Gather", ["blocks.anchors", "block.number"], ["block.anchors"], axis=0),
        helper.make_node("Identity", ["block.goes_on"], ["block.again"]),
    ]
    return helper.make_graph([*first, *own], "block", inputs, results)


def _join(name: str, axis: int, rank: int) -> list[NodeProto]:
    """The answers of all rounds ``(rounds, …, size, …)`` in one row, without those about the anchors that fill up."""
    order = [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]  # the rounds right before the anchors of a round
    node = helper.make_node
    return [
        node("Transpose", [f"{name}.blocks"], [f"{name}.moved"], perm=order),
        node("Shape", [f"{name}.moved"], [f"{name}.before"], end=axis),
        node("Shape", [f"{name}.moved"], [f"{name}.after"], start=axis + 2),
        node("Concat", [f"{name}.before", "blocks.rest", f"{name}.after"], [f"{name}.shape"], axis=0),
        node("Reshape", [f"{name}.moved", f"{name}.shape"], [f"{name}.row"]),
        node("Slice", [f"{name}.row", "blocks.zero", "blocks.count", f"blocks.{'one' if axis else 'zero'}"], [name]),
    ]
