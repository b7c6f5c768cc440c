"""Detect actions with NumPy and ONNX Runtime alone: python detect_with_onnx.py model.onnx features.npy [RATE]"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def lattice(snippets, shortest, longest, ratio, stride):
    last = min(max(longest, shortest), snippets)
    powers = range(1 + max(0, math.ceil(math.log(last / shortest) / math.log(ratio) - 1e-9)))
    for length in sorted({min(shortest * ratio**power, float(snippets)) for power in powers}):
        room = snippets - length
        for start in np.linspace(0, room, 1 + math.ceil(room / (length * stride) - 1e-9)):
            yield start, start + length


def detect(graph, features, rate=None):
    """Rows (start and end in seconds, label, score) of features (T, C) at some snippets per second, best first."""
    known = json.loads(Path(graph).with_suffix(".json").read_text())
    scale, decoder, labels = known["preparation"]["channels"], known["decoder"], known["labels"] or [""]
    prepared = (features - np.float32(scale["mean"])) / np.float32(scale["deviation"])  # (T, C)
    anchors = np.float32([*lattice(len(features), **{k: v for k, v in known["anchors"].items() if k != "kind"})])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    run = session.run(None, {"features": np.float32(prepared).T, "anchors": anchors})
    found = {output.name: values for output, values in zip(session.get_outputs(), run)}
    logs = decoder["classification_power"] * log_sigmoid(found["classification"])  # (M, K)
    logs = (logs + decoder["regression_power"] * log_sigmoid(found["regression"])).mean(0)
    scores = np.exp(logs[:, None] + log_sigmoid(found["labels"]))  # (K, L)
    best = np.argsort(-scores, axis=None, kind="stable")[: decoder["candidates"]]
    anchor, label = np.divmod(best, len(labels))
    scores, (start, end) = scores.ravel()[best], found["segments"][anchor].T.clip(0, len(features))
    rows, rate = [], rate or known["snippets_per_second"]
    while len(rows) < decoder["top"] and scores.max(initial=0) > decoder["min_score"]:  # Gaussian soft-NMS
        i = scores.argmax()
        rows.append((float(start[i] / rate), float(end[i] / rate), labels[label[i]], float(scores[i])))
        common = (np.minimum(end, end[i]) - np.maximum(start, start[i])).clip(0)
        overlap = common / (end - start + end[i] - start[i] - common)
        scores = np.where(label == label[i], scores * np.exp(-(overlap**2) / decoder["sigma"]), scores)
        scores[i] = 0
    return sorted(rows, key=lambda row: -row[3])


if __name__ == "__main__":
    for row in detect(sys.argv[1], np.load(sys.argv[2]), *map(float, sys.argv[3:])):
        print("{:.3f}\t{:.3f}\t{}\t{:.6f}".format(*row))
