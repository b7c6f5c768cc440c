"""What stands for the workers of ``rcl serve`` in tests: the same messages, without any network.

``python fake_workers.py MODULE ARGUMENTS``, with the folder of a plan in ``RCL_FAKE_PLAN``: ``last.ckpt`` is the
detector of every training; a training waits as long as ``hold`` is there, and fails with the text of ``fail``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def end_with_parent() -> None:
    for _ in sys.stdin:
        pass
    os._exit(1)


def features(arguments: dict[str, Any]) -> None:
    for name in arguments["videos"]:
        say(stage="features", share=0.5, video=name)
        if name == "deadly":
            os._exit(3)
        say(video=name, done=name != "broken", error="broken.mp4: no video." if name == "broken" else None)


def fit(arguments: dict[str, Any], plan: Path) -> None:
    output = Path(arguments["output"])
    say(stage="training", share=0.0)
    if (plan / "fail").exists():
        say(error=(plan / "fail").read_text(encoding="utf-8"))
        sys.exit(2)
    (output / "config.yaml").write_text("data: {}", encoding="utf-8")
    (output / "arguments.json").write_text(json.dumps(arguments), encoding="utf-8")
    if (plan / "hold").exists():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (plan / "pids").write_text(f"{os.getpid()} {child.pid}", encoding="utf-8")
    while (plan / "hold").exists():
        say(stage="training", share=0.5)
        time.sleep(0.02)
    shutil.copy(plan / "last.ckpt", output)
    (output / "finished.json").write_text(json.dumps({"doubts": ["A doubt."]}), encoding="utf-8")


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    module, arguments = sys.argv[1].rpartition(".")[2], json.loads(sys.argv[2])
    if module == "features":
        features(arguments)
    elif module == "fit":
        fit(arguments, Path(os.environ["RCL_FAKE_PLAN"]))
    else:
        result = Path(arguments["output"]) / "learning_curve.json"
        result.parent.mkdir()
        content = {"trainings": {"done": 8, "count": 8}, "summary": ["10 more labelled minutes: about +2 points ± 1."]}
        result.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
