"""A checkpoint that takes small rendered videos, for tests of what is served; and a server of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from rcl.detector.checkpoint import Facts
from rcl.video.extraction import choose_extraction, extract_features
from rcl.web.serve.app import build_app
from rcl.web.serve.session import Session
from rendered import render
from untrained import FACTS, save_untrained


def save_for_videos(path: Path, folder: Path) -> Path:
    """Write an untrained checkpoint that knows how its features are made; ``folder`` gets one video, ``probe.mp4``."""
    backbone, settings = choose_extraction("motion", rate=10, stride=2)
    probe = render(folder / "probe.mp4", frames=100, rate=25)
    channels = extract_features(probe, backbone, settings).features.shape[1]
    facts = Facts(FACTS.labels, channels, 20.0, settings.snippets_per_second, settings.model_dump(mode="json"))
    return save_untrained(path, facts)


@contextmanager
def serving(session: Session, config: uvicorn.Config | None = None) -> Iterator[str]:
    """The address of a server of this session, in a thread and on a free port."""
    config = config or uvicorn.Config(build_app(session), log_level="error", timeout_graceful_shutdown=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http{'s' if config.is_ssl else ''}://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
