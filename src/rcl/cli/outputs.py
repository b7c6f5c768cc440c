"""What a command may replace: its own earlier output. Other files stay, unless the user asks with ``--overwrite``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rcl.cli.output_kinds import (
    COMPARISON,
    CONFIGURATION,
    DETECTIONS,
    DIAGNOSIS,
    EVALUATION,
    FIT_ANNOTATIONS,
    METRICS,
    NOTHING,
    REPORT,
    Kind,
    describe,
)
from rcl.system.errors import InputError, listed
from rcl.system.paths import exists, filesystem_of, fingerprint, is_file, is_remote, key_of, store_errors
from rcl.system.text_files import check_place, file_digest, held_writes, write_file, write_json
from rcl.system.transfer import query_pool, read_bytes

HEAD = 2**16
"""Bytes from the start of a file by which its kind is recognized."""
NEW_NAME, NEW_FOLDER = "choose another name", "choose another folder"


def check_replaceable(
    path: Path, kind: Kind, *, overwrite: bool, inputs: Iterable[Path | None] = (), fix: str = NEW_NAME
) -> None:
    """Check before the work that its output replaces nothing but an earlier output of the same kind.

    Args:
        path: the output.
        kind: what will be written there.
        overwrite: replace a file of any kind, but not an input.
        inputs: what the command reads.
        fix: what else the user can do.

    Raises:
        InputError: the file is of another kind, or one of the inputs.
    """
    if not is_file(path):
        return
    if any(given is not None and _is_same(path, given) for given in inputs):
        raise InputError(path, expected="another file than the input", found="the input", fix=fix)
    if overwrite or (found := fingerprint(path)) is None or not found.bytes:  # an empty file may be replaced
        return
    head = _head_of(path)
    if not kind.recognizes(head):
        expected = f"a new file, or {kind.name} that rcl wrote" if kind.name else "a new file"
        raise InputError(path, expected=expected, found=describe(head), fix=f"{fix}, or add --overwrite")


def check_all_replaceable(folder: Path, names: Iterable[str], kind: Kind, *, overwrite: bool) -> None:
    """The same for many files in a folder."""
    with query_pool(folder) as pool:
        for _ in pool.map(lambda name: check_replaceable(folder / name, kind, overwrite=overwrite), names):
            pass


@contextmanager
def replacing_only_equal(*, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[None]:
    """Write what is written inside all at once at the end, if no existing file changes by that.

    This is for files that people edit, such as annotations: their content does not tell whether somebody has.

    Raises:
        InputError: a file exists with another content, or is one of the inputs. Nothing is written then.
    """
    with held_writes() as held:
        yield
    for path, content in held.items():
        check_replaceable(path, Kind("", lambda head: True), overwrite=overwrite, inputs=inputs)
        before = read_bytes(path) if is_file(path) and not overwrite else b""
        if before and _undated(before) != _undated(content):
            expected, found = "a new file, or the same content", describe(_text(before[:HEAD]))
            raise InputError(path, expected=expected, found=found, fix=f"{NEW_NAME}, or add --overwrite")
    for path, content in held.items():
        write_file(path, lambda file, content=content: file.write(content))  # type: ignore[misc]


def _undated(content: bytes) -> bytes:
    """The content without the time at which it was written, which files of VIA, ELAN and BORIS hold."""
    return re.sub(rb'"created": \d+|DATE="[^"]*"|"(project_)?date": "[^"]*"', b"", content)


# -- folders -----------------------------------------------------------------------------------------------------

FIGURES = ("sensitivity", "false_positives", "false_negatives")
"""The figures of ``rcl diagnose``."""
CONTRIBUTIONS = "contributions.json"
"""What each stream contributes, by ``rcl diagnose --checkpoint``."""


def check_diagnosis(folder: Path, *, overwrite: bool) -> None:
    """Check the folder of ``rcl diagnose``; figures are replaced only next to our ``detad.json``."""
    table = folder / "detad.json"
    check_place(table)
    check_replaceable(table, DIAGNOSIS, overwrite=overwrite, fix=NEW_FOLDER)
    if not is_file(table):
        figures = [f"{stem}.{extension}" for stem in FIGURES for extension in ("svg", "png")]
        check_all_replaceable(folder, [*figures, CONTRIBUTIONS], NOTHING, overwrite=overwrite)


def check_run(folder: Path, *, resume: bool, overwrite: bool, config: Path | None = None) -> None:
    """Check the folder of a training, unless it has a run, which is checked with ``--resume`` in mind.

    Raises:
        InputError: both options are set, or the training would replace a file that no training wrote.
    """
    if resume and overwrite:
        raise InputError("--overwrite", expected="a training to start", found="--resume", fix="leave one of them out")
    if exists(folder / "last.ckpt"):
        return
    for name, kind in (("config.yaml", CONFIGURATION), ("metrics.csv", METRICS)):
        check_replaceable(folder / name, kind, overwrite=overwrite, inputs=[config], fix=NEW_FOLDER)
    if not is_file(folder / "metrics.csv"):  # every training with a best.ckpt has one
        check_replaceable(folder / "best.ckpt", NOTHING, overwrite=overwrite, fix=NEW_FOLDER)


def check_fit(folder: Path, *, resume: bool, overwrite: bool, annotations: bool = False) -> None:
    """Check the folder of ``rcl fit``; ``annotations``: it may write some, as for a pack.

    Raises:
        InputError: see :func:`check_run`, or it would replace a file of another origin.
    """
    check_run(folder, resume=resume, overwrite=overwrite)
    results = {"detections.json": DETECTIONS, "evaluation.json": EVALUATION, "comparison.json": COMPARISON}
    results |= {"report.html": REPORT, **({"annotations.json": FIT_ANNOTATIONS} if annotations else {})}
    for name, kind in results.items():
        check_replaceable(folder / name, kind, overwrite=overwrite, fix=NEW_FOLDER)


_DEMO = "demo.json"


def check_demo(folder: Path, *, overwrite: bool) -> None:
    """Check the folder of ``rcl demo``: it is free, or holds an earlier demo whose labels nobody has changed.

    Raises:
        InputError: it holds something else.
    """
    taken = [name for name in ("videos", "labels.csv", "run") if exists(folder / name)]
    if overwrite or not taken:
        return
    fix, labels = f"{NEW_FOLDER}, or add --overwrite", folder / "labels.csv"
    if not is_file(folder / _DEMO):
        expected, found = "a new folder, or an earlier demo", f"{listed(taken)} of another origin"
        raise InputError(folder, expected=expected, found=found, fix=fix)
    if is_file(labels) and json.dumps(file_digest(labels)) not in _head_of(folder / _DEMO):
        raise InputError(labels, expected="the labels of the demo", found="changed ones", fix=fix)


def mark_demo(folder: Path) -> None:
    """Mark a folder as a demo, with the digest of its labels once they are written."""
    labels = folder / "labels.csv"
    write_json(folder / _DEMO, {"made_by": "rcl demo", "labels": file_digest(labels) if is_file(labels) else None})


# -- files -------------------------------------------------------------------------------------------------------------


def _head_of(path: Path) -> str:
    if is_remote(path):
        with store_errors(path):
            return _text(filesystem_of(path).cat_file(key_of(path), start=0, end=HEAD))
    try:
        with path.open("rb") as file:
            return _text(file.read(HEAD))
    except OSError:  # a file that we may not read is not known to be ours
        return ""


def _text(content: bytes) -> str:
    if len(content) == HEAD:  # the last paragraph may be cut off
        content = content.rpartition(b"\n\n")[0] or content
    return content.decode("utf-8-sig", "replace")


def _is_same(path: Path, other: Path) -> bool:
    if is_remote(path) or is_remote(other):
        return str(path) == str(other)
    return exists(other) and path.samefile(other)
