"""Export the detector of a checkpoint, and check that the export answers as the original does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rcl.detector.build import build_search, load_model
from rcl.detector.checkpoint import Checkpoint
from rcl.detector.exported.decoding import ArrayDecoder, Outputs, log_sigmoid
from rcl.detector.exported.description import DESCRIPTION, Description
from rcl.detector.exported.detector import Run, open_graph
from rcl.detector.exported.graph import TRACED_SNIPPETS, export_graph
from rcl.detector.prepare import build_preparation
from rcl.detector.search import Search
from rcl.models.anchors_and_points import LocationDetector
from rcl.models.decoding import Decoder
from rcl.models.detector import Detector
from rcl.models.ensemble import Ensemble
from rcl.models.graph_alignment import GraphAlignment
from rcl.models.rcl import RCL
from rcl.models.sampling import Lattice
from rcl.system.errors import InputError
from rcl.system.text_files import write_file, write_json

TOLERANCE = 1e-4
LEAST_STEADY = 0.5  # share of the answers that have to be compared
STEADY = 1e-5  # an answer that rounding of the features changes by more cannot be compared
SNIPPETS_PER_CHANGE = 8
LENGTHS = (1, 2, 3, 10, 100, 1000)  # snippets of the random videos on which an export is checked


class Comparison(NamedTuple):
    """How an export differs from its original.

    ``difference``: the largest one in answers that are steady, which are those that rounding of the features does not
    change in the original itself; see :func:`differences`. ``steady``: the share of these answers.
    """

    difference: float
    steady: float


class Export(NamedTuple):
    """An export that was checked: the bytes of the graph, its description, and how it compares."""

    graph: bytes
    description: Description
    comparison: Comparison


def export(checkpoint: Checkpoint, *, version: str, lengths: Sequence[int] = LENGTHS) -> Export:
    """Export the detector of a checkpoint, and compare both on random features.

    Args:
        checkpoint: the detector.
        version: of rcl-tad.
        lengths: of the random videos, in snippets.

    Raises:
        InputError: its head or encoder cannot be exported, or the export does not answer as the detector does.
    """
    config, facts = checkpoint.config, checkpoint.facts
    search = build_search(load_model(checkpoint), config, facts, device="cpu")
    check_exportable(search.model, checkpoint.source)
    graph = export_graph(
        search.model,
        search.decoder,
        channels=facts.in_channels,
        anchors=search.anchors(TRACED_SNIPPETS).segments,
        steps=search.model.steps,
    ).SerializeToString()
    description = Description(
        labels=facts.labels if config.model.labels == "joint" else (),
        channels=facts.in_channels,
        streams=facts.streams,
        snippets_per_second=facts.snippets_per_second,
        longest_seconds=facts.longest_seconds,
        preparation=build_preparation(config.data, facts.channels),
        anchors=described_anchors(search.anchors),
        decoder=array_decoder(search.decoder),
        window=config.data.window,
        window_stride=config.data.window_stride,
        rates=config.inference.rates,
        steps=search.model.steps,
        operating_points=checkpoint.operating_points,
        extraction=facts.extraction,
        digest=sha256(graph).hexdigest(),
        version=version,
    )
    comparison = compare(search, open_graph(graph), channels=facts.in_channels, lengths=lengths)
    if not (comparison.difference <= TOLERANCE and comparison.steady >= LEAST_STEADY):
        fix = "report this as a bug, with the versions of torch and onnxruntime"
        found = f"answers that differ by {comparison.difference:.2g} ({comparison.steady:.0%} of them compared)"
        raise InputError(checkpoint.source, expected=f"an export that is equal to {TOLERANCE:g}", found=found, fix=fix)
    return Export(graph, description, comparison)


def save(exported: Export, path: Path) -> None:
    """Write the graph, and its description next to it.

    Raises:
        InputError: a file cannot be written.
    """
    write_file(path, lambda file: file.write(exported.graph))
    write_json(path.with_suffix(DESCRIPTION), exported.description.to_json(), indent=1)


def check_exportable(model: Detector, source: str) -> None:
    """Check that a network can be exported.

    Raises:
        InputError: it cannot.
    """
    network = model.detectors[0] if isinstance(model, Ensemble) else model
    fix = "export a detector with the head continuous, anchors or points, or use the checkpoint itself"
    if not isinstance(network, RCL | LocationDetector):
        found = f"a {type(network).__name__}"
        raise InputError(source, expected="a head that can be exported", found=found, fix=fix)
    if isinstance(network, RCL) and isinstance(network.embedding.alignment, GraphAlignment):
        fix = "export a detector with the encoder temporal or bmn, or use the checkpoint itself"
        raise InputError(source, expected="an encoder that can be exported", found="G-TAD's", fix=fix)


def described_anchors(anchors: Any) -> dict[str, Any]:
    """The segments that a search scores, in plain values: their kind and its options."""
    if isinstance(anchors, Lattice):
        return {"kind": "lattice", **asdict(anchors)}
    assert isinstance(anchors, partial)  # all others; see rcl.detector.heads
    return {"kind": anchors.func.__name__, **anchors.keywords}


def array_decoder(decoder: Decoder) -> ArrayDecoder:
    """The same decoder for arrays."""
    return ArrayDecoder(**{field.name: getattr(decoder, field.name) for field in fields(ArrayDecoder)})


@torch.inference_mode()
def compare(search: Search, run: Run, *, channels: int, lengths: Sequence[int], seed: int = 0) -> Comparison:
    """Compare an export with its original on random videos, which change as slowly as real ones do.

    Args:
        search: the original.
        run: the export.
        channels: C.
        lengths: of the videos, in snippets.
        seed: of the features.
    """
    generator = torch.Generator().manual_seed(seed)
    largest, steady, count = 0.0, 0, 0
    for snippets in lengths:
        features = _random_video(channels, snippets, generator)
        anchors = search.anchors(snippets).segments
        original = asked(search, features, anchors)
        noisy = [_with_rounding(features, generator) for _ in range(2)]
        own = np.max([differences(original, asked(search, other, anchors), anchors) for other in noisy], axis=0)  # (K,)
        counted = own <= STEADY
        found = differences(original, run(features.numpy(), anchors.numpy()), anchors)  # (K,)
        largest = max(largest, float(found[counted].max(initial=0.0)))
        steady, count = steady + int(counted.sum()), count + len(counted)
    return Comparison(largest, steady / count)


def _random_video(channels: int, snippets: int, generator: torch.Generator) -> Tensor:
    """Random features ``(C, T)`` of unit deviation whose values change within several snippets."""
    coarse = torch.randn(1, channels, snippets // SNIPPETS_PER_CHANGE + 2, generator=generator)
    return functional.interpolate(coarse, size=snippets, mode="linear")[0]


def _with_rounding(features: Tensor, generator: torch.Generator) -> Tensor:
    return features * (1 + 1e-6 * torch.randn(features.shape, generator=generator))


def asked(search: Search, features: Tensor, anchors: Tensor) -> Outputs:
    """What the original says about ``anchors (K, 2)`` of ``features (C, T)``, as the outputs of the graph."""
    answer = search.refined(search.encode(features), anchors)
    labels = answer.steps[0].labels[0]
    return Outputs(
        torch.cat([step.classification for step in answer.steps]).numpy(),
        torch.cat([step.regression for step in answer.steps]).numpy(),
        answer.segments[0].numpy(),
        labels.numpy() if labels.shape[1] else None,
        None if answer.boundaries is None else answer.boundaries[0].numpy(),
    )


def differences(one: Outputs, other: Outputs, anchors: Tensor) -> np.ndarray:
    """The largest difference of two answers about each of ``anchors (K, 2)``: ``(K,)``.

    Confidences, label scores and boundaries are compared as probabilities. Segments are compared in shares of the
    anchor's length, beyond what their numbers resolve.
    """
    resolution = 2 * np.spacing(np.abs(one.segments))
    moved = (np.abs(one.segments - other.segments) - resolution).clip(0) / (anchors[:, 1:] - anchors[:, :1]).numpy()
    parts = [moved.max(axis=1), _apart(one.classification, other.classification).max(axis=0)]
    parts.append(_apart(one.regression, other.regression).max(axis=0))
    if one.labels is not None and other.labels is not None:
        parts.append(_apart(one.labels, other.labels).max(axis=1))
    found = np.max(parts, axis=0)
    if one.boundaries is not None and other.boundaries is not None:
        found = np.maximum(found, _apart(one.boundaries, other.boundaries).max())
    return np.asarray(found)


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far two arrays of logits are apart as probabilities."""
    return np.abs(np.exp(log_sigmoid(one)) - np.exp(log_sigmoid(other)))
