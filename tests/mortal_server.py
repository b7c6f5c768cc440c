"""``rcl serve`` in a process of its own, to be killed."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from rcl.cli.extraction_options import DetectorFiles
from rcl.cli.network_options import NetworkOptions
from rcl.cli.serve import LearningOptions, serve


def start(folder: Path, labels: Path, *, trains: bool = False) -> tuple[BaseProcess, int]:
    """A server of a folder or a pack without a detector, and its port; ``trains``: it takes trainings.

    Each is a fork of one process that has imported everything, since importing takes seconds.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["uvicorn", "rcl.cli.serve", "rcl.web.serve.app"])
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=_serve, args=(folder, labels, trains, theirs))
    process.start()
    assert ours.poll(120), "the server did not start"
    with open(os.dup(ours.fileno()), encoding="utf-8") as stdout:
        address = stdout.readline().split()[0]
    return process, int(address.rstrip("/").rpartition(":")[2])


def _serve(folder: Path, labels: Path, trains: bool, stdout: Connection) -> None:
    os.dup2(stdout.fileno(), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    serve([folder], DetectorFiles(), LearningOptions(background=trains), NetworkOptions(port=0), annotations=labels)
