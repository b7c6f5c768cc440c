"""Detect actions with NumPy and ONNX Runtime alone: python detect_with_onnx.py model.onnx features.npy"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def lattice(snippets, shortest, longest, ratio, stride, kind):
    last = min(max(longest, shortest), snippets)
    powers = range(1 + max(0, math.ceil(math.log(last / shortest) / math.log(ratio) - 1e-9)))
    for length in sorted({min(shortest * ratio**power, float(snippets)) for power in powers}):
        room = snippets - length
        for start in np.linspace(0, room, 1 + math.ceil(room / (length * stride) - 1e-9)):
            yield start, start + length


def detect(graph, features):
    """Rows (start and end in seconds, label, score) of features (T, C) at the rate of the training, best first."""
    known = json.loads(Path(graph).with_suffix(".json").read_text(encoding="utf-8"))
    steps, decoder, names, rate = (known[key] for key in ("preparation", "decoder", "labels", "snippets_per_second"))
    others = known["window"], steps["resize"], steps["downsample"] > 1, decoder["boundary_power"], decoder["threshold"]
    if any(others) or known["rates"] != [1.0] or decoder["method"] != "gaussian":
        sys.exit("this example lacks an option of the detector; see docs/export.md")
    x = (features - np.float32(steps["channels"]["mean"])) / np.float32(steps["channels"]["deviation"])  # (T, C)
    inputs = {"features": np.float32(x).T, "anchors": np.float32([*lattice(len(x), **known["anchors"])])}
    outputs = ["classification", "regression", "segments", "labels"]
    first, second, segments, labels = onnxruntime.InferenceSession(graph).run(outputs, inputs)
    first, second, labels = (-np.logaddexp(0, -logits) for logits in (first, second, labels))  # log(sigmoid(x))
    logs = decoder["classification_power"] * first + decoder["regression_power"] * second  # (M, K)
    scores = np.exp(logs.mean(axis=0)[:, None] + labels)  # (K, L)
    best = np.argsort(-scores, axis=None, kind="stable")[: decoder["candidates"]]
    anchor, label = np.divmod(best, len(names))
    scores, (start, end) = scores.ravel()[best], segments[anchor].T
    for _ in range(decoder["top"]):  # Gaussian soft-NMS
        if scores[i := scores.argmax()] <= decoder["min_score"]:
            return
        yield start[i] / rate, end[i] / rate, names[label[i]], scores[i]
        common = (np.minimum(end, end[i]) - np.maximum(start, start[i])).clip(0)
        tiou = common / (end - start + end[i] - start[i] - common)
        scores = np.where(label == label[i], scores * np.exp(-(tiou**2) / decoder["sigma"]), scores)
        scores[i] = 0


for row in detect(sys.argv[1], np.load(sys.argv[2])):
    print("{:.4f}\t{:.4f}\t{}\t{:.7f}".format(*row))
