"""Evaluation starts fast: it needs no network and draws nothing."""

import subprocess
import sys

from places import ROOT

PROGRAM = """
import sys, types
package = types.ModuleType("rcl")  # without the public names, some of which need PyTorch
package.__path__ = [sys.argv[1]]
sys.modules["rcl"] = package
import rcl.evaluation
print(sorted({"torch", "matplotlib", "plotly"} & sys.modules.keys()))
"""


def test_evaluation_imports_neither_torch_nor_a_drawing_library():
    command = [sys.executable, "-c", PROGRAM, str(ROOT / "src" / "rcl")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
