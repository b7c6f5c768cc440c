"""What Prometheus, a supervisor and a terminal are told."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from rcl.detector.live.monitor import Monitor, SourceState, build_app, parse_address, status_line
from rcl.system.errors import InputError

WELL = SourceState(
    "cam1",
    connected=True,
    seconds_since_last_picture=0.04,
    behind_seconds=0.5,
    frames_read=250,
    frames_dropped=3,
    reconnections=1,
    gaps=2,
    snippets=80,
    events_announced=7,
    events_corrected=5,
    events_withdrawn=1,
    look_seconds=0.125,
    features_bytes=4096,
    undelivered={"webhook example.org (1a2b)": 4},
)
AWAY = SourceState('cam "2"\n', problem="away for 12 s", undelivered={"webhook example.org (1a2b)": 4})


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *map(sample.labels.get, sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_those_of_the_states() -> None:
    answer = TestClient(build_app(lambda: [WELL, AWAY])).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.text)
    expected = {
        ("rcl_watch_connected", "cam1"): 1.0,
        ("rcl_watch_connected", AWAY.name): 0.0,
        ("rcl_watch_healthy", "cam1"): 1.0,
        ("rcl_watch_healthy", AWAY.name): 0.0,
        ("rcl_watch_seconds_since_last_picture", "cam1"): 0.04,
        ("rcl_watch_seconds_since_last_picture", AWAY.name): float("inf"),
        ("rcl_watch_behind_seconds", "cam1"): 0.5,
        ("rcl_watch_frames_read_total", "cam1"): 250,
        ("rcl_watch_frames_dropped_total", "cam1"): 3,
        ("rcl_watch_reconnections_total", "cam1"): 1,
        ("rcl_watch_gaps_total", "cam1"): 2,
        ("rcl_watch_snippets_total", "cam1"): 80,
        ("rcl_watch_events_total", "announced", "cam1"): 7,
        ("rcl_watch_events_total", "corrected", "cam1"): 5,
        ("rcl_watch_events_total", "withdrawn", "cam1"): 1,
        ("rcl_watch_look_seconds", "cam1"): 0.125,
        ("rcl_watch_features_bytes", "cam1"): 4096,
        ("rcl_watch_undelivered", "webhook example.org (1a2b)"): 4,
    }
    assert found.items() >= expected.items()


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (WELL, None),
        (AWAY, "away for 12 s"),
        (SourceState("cam"), "not connected"),
        (SourceState("cam", True, 31.0), "no picture for 31 s"),
        (SourceState("cam", True, 29.0), None),
        (SourceState("cam", False, has_ended=True), None),
    ],
)
def test_health_says_what_is_wrong(state: SourceState, problem: str | None) -> None:
    answer = TestClient(build_app(lambda: [state])).get("/health")
    assert answer.status_code == (503 if problem else 200)
    told = json.loads(answer.text, parse_constant=pytest.fail)
    assert told["problems"] == ({state.name: problem} if problem else {})
    assert told["sources"][0]["name"] == state.name


def test_the_status_is_one_line() -> None:
    assert status_line([WELL]) == (
        "1 source · 7 events (1 withdrawn) · 0.5 s behind · 3 pictures dropped · 4 messages undelivered"
    )
    both = status_line([WELL, AWAY])
    assert both.startswith("1 of 2 sources well · 7 events")
    assert both.endswith('4 messages undelivered · cam "2" : away for 12 s')
    assert "\n" not in both
    assert status_line([]) == "0 sources · 0 events"


# -- the server ------------------------------------------------------------------------------------------------------


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor(lambda: [AWAY], "0")
    yield made
    made.close()


def test_the_server_answers_and_ends(monitor: Monitor) -> None:
    with pytest.raises(urllib.error.HTTPError, match="503") as error:
        urllib.request.urlopen(f"{monitor.url}/health", timeout=10)
    assert json.loads(error.value.read())["status"] == "unwell"
    with urllib.request.urlopen(f"{monitor.url}/metrics", timeout=10) as answer:
        assert b"rcl_watch_healthy" in answer.read()
    monitor.close()
    with pytest.raises(OSError):  # noqa: PT011
        urllib.request.urlopen(f"{monitor.url}/health", timeout=10)


def test_a_port_in_use_is_an_error(monitor: Monitor) -> None:
    with pytest.raises(InputError, match="a free address of this machine"):
        Monitor(list, monitor.url.removeprefix("http://"))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(InputError, match=r"pip install '\.\[watch\]'"):
        Monitor(list, "0")


@pytest.mark.parametrize("text", ["", "host", "host:", "host:99999", "host:-1", "::1:9100", "a:b:c", "host:٣"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--monitor: expected HOST:PORT"):
        parse_address(text)
