"""The network of a detector as one ONNX graph."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from rcl.detector.exported.blocks import in_blocks
from rcl.models.decoding import Decoder
from rcl.models.detector import Detector
from rcl.models.predictions import AnchorScores, Predictions

OPSET = 18
TRACED_SNIPPETS = 12  # any number does: T and K are dynamic
AXES = {"classification": 1, "regression": 1, "segments": 0, "labels": 0}  # of the anchors, in each output


class Answers(nn.Module):
    """What the graph computes: ``features (C, T), anchors (K, 2)`` → the answers about the anchors.

    Only anchors that may reach the result are refined, as in :meth:`rcl.detector.search.Search.refined`.

    Args:
        model: the network, in evaluation mode.
        decoder: decides which anchors are refined.
        steps: M.
    """

    def __init__(self, model: Detector, decoder: Decoder, *, steps: int) -> None:
        super().__init__()
        self.model, self.decoder, self.steps = model, decoder, steps

    def forward(self, features: Tensor, anchors: Tensor) -> dict[str, Tensor]:
        """The outputs by name: ``classification (M, K)`` and ``regression (M, K)``, ``segments (K, 2)``, ``labels
        (K, L)`` where the model has labels, and ``boundaries (2, T)`` where its encoder has a boundary head."""
        mask = torch.ones_like(features[:1], dtype=torch.bool)  # (1, T)
        encoding = self.model.encode(features[None], mask)
        predictions = self._refined(encoding, anchors[None])
        outputs = {
            "classification": torch.cat([step.classification for step in predictions.steps]),
            "regression": torch.cat([step.regression for step in predictions.steps]),
            "segments": predictions.segments[0],
        }
        if predictions.steps[0].labels.shape[2]:
            outputs["labels"] = predictions.steps[0].labels[0]
        if encoding.boundaries is not None:
            outputs["boundaries"] = encoding.boundaries[0]
        return outputs

    def _refined(self, encoding: object, anchors: Tensor) -> Predictions:
        if self.steps == 1 or not self.decoder.refine_above:
            return self.model.query(encoding, anchors, steps=self.steps)
        first = self.model.query(encoding, anchors, steps=1)
        worth = self.decoder.worth_refining(first)  # (K,)
        # Operators may fail on nothing, so the first one is refined in any case; its answer counts if it is worth it.
        chosen = torch.cat((torch.ones_like(worth[:1]), worth[1:]))
        which = chosen.nonzero()[:, 0]  # (R,)
        refined = self.model.query(encoding, anchors[:, which], steps=self.steps)
        return _merged(first, refined, worth, which)


def _merged(first: Predictions, refined: Predictions, worth: Tensor, which: Tensor) -> Predictions:
    """Refined answers where ``worth (K,)`` is true; the others repeat their first step, as in ``with_refined``."""

    def merge(own: Tensor, later: Tensor) -> Tensor:
        place = worth[None] if own.dim() == 2 else worth[None, :, None]
        return torch.where(place, own.index_copy(1, which, later), own)

    (start,) = first.steps
    later = (AnchorScores(*map(merge, start, step)) for step in refined.steps[1:])
    return Predictions((start, *later), merge(first.segments, refined.segments), first.boundaries)


def export_graph(model: Detector, decoder: Decoder, *, channels: int, anchors: Tensor, steps: int) -> onnx.ModelProto:
    """The network as an ONNX model; see :class:`Answers`. It encodes once and scores the anchors in blocks.

    Args:
        model: the network on the CPU; it is not changed.
        decoder: decides which anchors are refined.
        channels: C of the features.
        anchors: a few segments ``(K, 2)`` of a video of ``TRACED_SNIPPETS``, to trace the network with.
        steps: M, at most that of the model.
    """
    answers = Answers(model, decoder, steps=steps).eval()
    features = torch.zeros(channels, TRACED_SNIPPETS)
    torch.onnx.register_custom_op_symbolic("aten::expm1", _expm1, OPSET)
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about sizes that are the same for all videos
        names = [*answers(features, anchors)]
        traced = Path(folder) / "traced.onnx"
        # The exporter of torch.export takes fifty times as long for this graph, and needs onnxscript.
        torch.onnx.export(
            answers,
            (features, anchors),
            traced,
            dynamo=False,
            opset_version=OPSET,
            input_names=["features", "anchors"],
            output_names=names,
            dynamic_axes={"features": {1: "T"}, "anchors": {0: "K"}},
        )
        simple = _simplified(traced)
    return in_blocks(simple, {name: AXES[name] for name in names if name in AXES})


def _expm1(graph: Any, value: Any) -> Any:
    """``exp(x) − 1``, which ONNX lacks, as ``2 t / (1 − t)`` with ``t = tanh(x / 2)``: exact near 0, too."""
    two = graph.op("Constant", value_t=torch.tensor(2.0))
    tangent = graph.op("Tanh", graph.op("Div", value, two))
    below = graph.op("Sub", graph.op("Constant", value_t=torch.tensor(1.0)), tangent)
    return graph.op("Div", graph.op("Mul", two, tangent), below)


def _simplified(traced: Path) -> onnx.ModelProto:
    """The same graph in fewer nodes, still of standard operators alone."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(traced.with_stem("simple"))
    onnxruntime.InferenceSession(traced, options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)
