"""The commands and examples of the README work: its ``sh`` and ``python`` blocks run in order in an empty folder.

A ``csv`` block is the content of ``labels.csv``. ``PACK`` is replaced by a small pack. A training has three steps, the
demo a few short videos. In ``python``, the name of a checkpoint or feature file that no earlier command has made is
replaced by the name of one that exists. A block with ``no-test`` in its info string (``sh no-test``) is skipped.
"""

from __future__ import annotations

import glob
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from places import ROOT
from quick import quick_fit
from rcl.cli import main
from rcl.video.backbones.motion import MotionBackbone
from untrained import save_untrained

QUICK = [
    "training.epochs=1",
    "training.epoch_steps=3",
    "training.validate_every=1",
    "sampling.regular=50",
    "inference.candidates=300",
]


class Block(NamedTuple):
    language: str
    text: str


def blocks(markdown: str) -> list[Block]:
    """The fenced ``sh``, ``python`` and ``csv`` blocks to test, in order."""
    found = []
    for info, text in re.findall(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", markdown, flags=re.MULTILINE | re.DOTALL):
        language, *options = info.split() or [""]
        if language in ("sh", "python", "csv") and "no-test" not in options:
            found.append(Block(language, text))
    return found


def commands(text: str) -> list[list[str]]:
    """The ``rcl`` commands of a shell block, as argument lists without ``rcl``."""
    lines = [line.strip().removeprefix("$ ") for line in text.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("rcl ")]


def with_pack(text: str, pack: Path) -> str:
    return re.sub(r"\bPACK\b", lambda _: str(pack), text)


def with_files(text: str, folder: Path, pack: Path, checkpoint: Path) -> str:
    """The text with names of existing checkpoints and feature files."""

    def replacement(match: re.Match[str]) -> str:
        name = match[2]
        if (folder / name).exists():
            return match[0]
        return repr(str(checkpoint if name.endswith(".ckpt") else pack / "features" / "video-000.npy"))

    return re.sub(r"""(["'])([^"'\n]*\.(?:ckpt|npy|npz|h5|pt))\1""", replacement, with_pack(text, pack))


class Reader:
    """A reader who runs the blocks of the README in an empty folder."""

    def __init__(self, folder: Path, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.pack, self.monkeypatch = folder / "empty", pack, monkeypatch
        self.folder.mkdir()
        self.checkpoint = save_untrained(folder / "untrained.ckpt")
        monkeypatch.chdir(self.folder)
        quick_fit(monkeypatch, whole_videos=True)  # the labels of the README are those of the demo's videos
        monkeypatch.setattr(MotionBackbone, "rate", 5.0)  # frames per second, a third of what it is

    def follow(self, markdown: str) -> list[str]:
        """Run all blocks; returns the commands that ran."""
        ran = []
        for block in blocks(markdown):
            if block.language == "csv":
                (self.folder / "labels.csv").write_text(block.text, encoding="utf-8")
                continue
            if block.language == "python":
                text = with_files(block.text, self.folder, self.pack, self.checkpoint)
                exec(compile(text, "README.md", "exec"), {"__name__": "__main__"})
                ran.append("python")
                continue
            for command in commands(with_pack(block.text, self.pack)):
                self.type(command)
                ran.append(command[0])
        return ran

    def type(self, command: list[str]) -> None:
        quick = QUICK if command[0] == "train" and "--help" not in command else []
        # Expand wildcards as a shell does.
        command = [word for part in command for word in (sorted(glob.glob(part)) if "*" in part else [part])]
        if "--min-score" in command:  # a detector of one epoch is sure of nothing
            command[command.index("--min-score") + 1] = "0"
        self.monkeypatch.setattr("sys.argv", ["rcl", *command, *quick])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        assert status == 0, f"rcl {shlex.join(command)} ended with status {status}"


@pytest.fixture
def reader(tmp_path: Path, pack: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(tmp_path, pack, monkeypatch)


def test_everything_in_the_readme_works(reader: Reader) -> None:
    reader.follow((ROOT / "README.md").read_text(encoding="utf-8"))


EXAMPLE = """
```sh
pip install rcl-tad   # another program
$ rcl train configs.yaml data.root=PACK \\
    --output RUN   # a comment
rcl evaluate 'a b.json' PACK
```

```sh no-test
rcl detonate
```

    rcl indented

```python
x = Localizer.load("RUN/last.ckpt"), "a.npy", 'b.mp4', "PACK"
```

```
rcl nothing
```
"""


def test_blocks_are_found_as_described() -> None:
    shell, python = blocks(EXAMPLE)
    assert commands(with_pack(shell.text, Path("/p"))) == [
        ["train", "configs.yaml", "data.root=/p", "--output", "RUN"],
        ["evaluate", "a b.json", "/p"],
    ]
    assert python.language == "python"
    assert "detonate" not in shell.text + python.text


def test_files_that_no_command_made_are_replaced(tmp_path: Path) -> None:
    text = blocks(EXAMPLE)[1].text
    assert with_files(text, tmp_path, Path("/p"), Path("/c.ckpt")) == (
        "x = Localizer.load('/c.ckpt'), '/p/features/video-000.npy', 'b.mp4', \"/p\"\n"
    )
    (tmp_path / "RUN").mkdir()
    (tmp_path / "RUN" / "last.ckpt").touch()
    assert '"RUN/last.ckpt"' in with_files(text, tmp_path, Path("/p"), Path("/c.ckpt"))


def test_a_command_that_fails_fails_the_test(reader: Reader) -> None:
    assert reader.follow("```sh\nrcl --help\n```\n```python\nimport rcl\n```\n") == ["--help", "python"]
    with pytest.raises(AssertionError, match="rcl detonate ended with status 2"):
        reader.follow("```sh\nrcl detonate\n```\n")
    with pytest.raises(NameError):
        reader.follow("```python\nunknown\n```\n")
