"""Exported detectors: a network as an ONNX graph, its settings as JSON, and detection without PyTorch."""
