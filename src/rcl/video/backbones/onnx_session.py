"""ONNX Runtime, as all backbones in ONNX files use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rcl.system.errors import InputError
from rcl.system.extras import how_to_install

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: Path | bytes, *, where: object, extra: str = "onnx") -> InferenceSession:
    """A session on the CPU with torch's number of threads.

    Args:
        model: a file, or its content.
        where: what the model belongs to, for messages.
        extra: the optional group of packages that has ONNX Runtime, for messages.

    Raises:
        InputError: ONNX Runtime is not installed, or cannot read the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise missing_package("onnxruntime", where=where, extra=extra) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait actively take the cores from other processes, and then all of them are slow.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors are raised, too
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class
        found, fix = last_line(error), "export the network again"
        raise InputError(where, expected="an ONNX file", found=found, fix=fix) from None


def missing_package(package: str, *, where: object, extra: str) -> InputError:
    """The error for a backbone whose package is not installed."""
    return InputError(where, expected=f"the package {package}", found="no such package", fix=how_to_install(extra))


def last_line(error: Exception) -> str:
    """The end of an error's text, short: TorchScript puts a traceback before its message."""
    lines = str(error).strip().splitlines()
    return lines[-1][:160] if lines else type(error).__name__
