"""Messages arrive in order, also after an outage and after a kill; what cannot be delivered is counted and said."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.detector.live.deliveries.command import Command
from rcl.detector.live.deliveries.delivery import REFUSALS, Delivery, DeliveryError
from rcl.detector.live.deliveries.webhook import Webhook
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.journal_lines import Entry
from rcl.detector.live.events.messages import Event, Message, about_part
from rcl.system.errors import InputError


def messages(count: int, first: int = 1) -> list[Message]:
    events = [Event(f"cam-1-{i}", "cam", 1, "run", float(i), i + 1.5, 0.5) for i in range(first, first + count)]
    return [Message("announced", "cam", event) for event in events]


class Receiver:
    """Takes messages while nothing is wrong with it."""

    name, key = "receiver", "receiver"

    def __init__(self) -> None:
        self.got, self.keys = list[int](), list[str]()
        self.error: DeliveryError | None = None

    def send(self, line: bytes, entry: Entry, key: str) -> None:
        if self.error:
            raise self.error
        assert json.loads(line)["seq"] == entry.seq
        self.got.append(entry.seq)
        self.keys.append(key)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(delivery: Delivery, clock: Clock | None = None, *, seconds: float = math.inf) -> None:
    """Step until nothing waits or the time is up."""
    while not math.isinf(wait := delivery.step()) and seconds > 0:
        seconds -= wait
        if clock:
            clock.now += wait


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "events.jsonl") as made:
        yield made


def test_what_is_new_is_delivered_in_order(journal: Journal, tmp_path: Path) -> None:
    journal.append(messages(3))
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state")
    run(delivery)
    assert receiver.got == []  # they were there before
    journal.append(messages(3, 4))
    assert delivery.undelivered == 3
    run(delivery)
    assert receiver.got == [4, 5, 6]
    assert receiver.keys == [f"{journal.id}-{seq}" for seq in receiver.got]
    assert (delivery.undelivered, delivery.delivered) == (0, 3)


def test_only_the_wanted_kinds(journal: Journal, tmp_path: Path) -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state", kinds=["part"])
    journal.append([*messages(2), about_part("part", "cam", 1, 0.0), *messages(2, 3)])
    run(delivery)
    assert (receiver.got, delivery.undelivered) == ([3], 0)


@settings(max_examples=20)
@given(steps=st.lists(st.sampled_from(["message", "step", "kill", "down", "up", "a day later"]), max_size=30))
def test_no_message_is_lost_and_none_overtakes(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    folder = tmp_path_factory.mktemp("deliveries")
    receiver, clock, written = Receiver(), Clock(), 0
    journal = Journal(folder / "events.jsonl")
    delivery = Delivery(receiver, journal, folder, clock=clock)
    for step in [*steps, "up", "a day later"]:
        if step == "message":
            written += 1
            journal.append(messages(1, written))
        elif step == "kill":
            journal.close()
            journal = Journal(folder / "events.jsonl")
            delivery = Delivery(receiver, journal, folder, clock=clock)
        elif step == "step":
            delivery.step()
        elif step in ("down", "up"):
            receiver.error = DeliveryError("no connection") if step == "down" else None
        else:
            clock.now += 86_400
    run(delivery, clock)
    journal.close()
    assert receiver.got == [*range(1, written + 1)]
    assert len({*receiver.keys}) == written


def test_a_kill_before_the_cursor_is_kept_sends_the_same_key_again(journal: Journal, tmp_path: Path) -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state")
    journal.append(messages(1))
    before = (tmp_path / "state" / "receiver.json").read_bytes()
    run(delivery)
    (tmp_path / "state" / "receiver.json").write_bytes(before)
    run(Delivery(receiver, journal, tmp_path / "state"))
    assert receiver.got == [1, 1]
    assert receiver.keys == [f"{journal.id}-1"] * 2


def test_waits_grow_and_the_outage_is_said_once(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, clock = Receiver(), Clock()
    delivery = Delivery(receiver, journal, tmp_path / "state", clock=clock)
    journal.append(messages(2))
    receiver.error = DeliveryError("no connection")
    waits = []
    with caplog.at_level(logging.WARNING, "rcl"):
        for _ in range(10):
            waits.append(delivery.step())
            assert delivery.step() == waits[-1]  # not before its time
            clock.now += waits[-1]
        assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert delivery.problem == "no connection"
        receiver.error = DeliveryError("it answers 429 (Too Many Requests)", wait_seconds=45)
        assert delivery.step() == 60
        receiver.error, clock.now = None, clock.now + 60
        run(delivery, clock)
    assert receiver.got == [1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "receiver: no connection; it is tried again, and messages wait",
        "receiver works again; 1 message left",
    ]


def test_what_is_refused_is_skipped(journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver, clock = Receiver(), Clock()
    delivery = Delivery(receiver, journal, tmp_path / "state", clock=clock)
    receiver.error = DeliveryError("it answers 400 (Bad Request)", is_refused=True)
    journal.append(messages(2))
    with caplog.at_level(logging.WARNING, "rcl"):
        for _ in range(REFUSALS):
            clock.now += delivery.step()
        receiver.error = None
        run(delivery, clock)
    assert (receiver.got, delivery.skipped, delivery.problem) == ([2], 1, "")
    assert "which is skipped; 1 message left" in caplog.text


def test_a_long_outage_skips_the_oldest(journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver, clock = Receiver(), Clock()
    delivery = Delivery(receiver, journal, tmp_path / "state", queue_limit=5, clock=clock)
    journal.append(messages(20))
    run(delivery, clock)
    assert receiver.got == [16, 17, 18, 19, 20]
    assert delivery.skipped == 15
    assert "the oldest 15 are skipped" in caplog.text


def test_a_new_journal_is_delivered_from_its_beginning(tmp_path: Path) -> None:
    receiver = Receiver()
    for count in (3, 2):
        with Journal(tmp_path / "events.jsonl") as journal:
            delivery = Delivery(receiver, journal, tmp_path / "state")
            journal.append(messages(count))
            run(delivery)
        (tmp_path / "events.jsonl").rename(tmp_path / f"{count}.jsonl")
    assert receiver.got == [1, 2, 3, 1, 2]
    assert len({*receiver.keys}) == 5


def test_a_journal_that_somebody_empties_is_delivered_further(journal: Journal, tmp_path: Path) -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state")
    journal.append(messages(3))
    run(delivery)
    journal.path.write_bytes(b"")
    journal.append(messages(1, 4))
    run(delivery)
    assert receiver.got == [1, 2, 3, 4]


def test_a_cursor_that_cannot_be_kept_or_read(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state")
    journal.append(messages(3))
    run(delivery)
    assert receiver.got == [1, 2, 3]
    assert caplog.text.count("may be delivered twice") == 1
    (tmp_path / "state").unlink()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "receiver.json").write_text("{")
    run(Delivery(receiver, journal, tmp_path / "state"))
    assert "damaged" in caplog.text


def test_the_thread_delivers_and_ends(journal: Journal, tmp_path: Path) -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, journal, tmp_path / "state")
    delivery.start()
    journal.append(messages(50))
    delivery.close(wait_seconds=30)
    assert receiver.got == [*range(1, 51)]
    assert not delivery._thread.is_alive()


# -- webhooks --------------------------------------------------------------------------------------------------------


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses it is given, one after the other; 0 never answers."""

    statuses, got, release = list[int](), list[tuple[dict[str, str], bytes]](), threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 0:
            self.release.wait(10)
            return
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def hook(*statuses: int) -> Iterator[str]:
    Hook.statuses, Hook.got = [*statuses], []
    Hook.release.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            Hook.release.set()
            server.shutdown()
            thread.join()


LINE = b'{"seq": 1}'
ENTRY = Entry(1, 0.0, messages(1)[0])


def test_a_webhook_gets_the_line_its_key_and_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hook() as host:
        Webhook(f"http://me:p%40ss@{host}/a/b?c=d#e", headers={"X-Site": "lab"}).send(LINE, ENTRY, "abc-1")
    ((headers, body),) = Hook.got
    assert body == LINE
    assert headers["idempotency-key"] == "abc-1"
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Basic bWU6cEBzcw=="
    assert headers["x-site"] == "lab"


def test_a_webhook_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with hook() as host:
        monkeypatch.setenv("http_proxy", f"http://{host}")
        Webhook("http://hooks.example/x").send(LINE, ENTRY, "abc-1")
    assert Hook.got[0][0]["host"] == "hooks.example"


@pytest.mark.parametrize(
    ("status", "is_refused"),
    [(400, True), (404, True), (302, True), (307, True), (408, False), (429, False), (500, False), (599, False)],
)
def test_a_webhook_that_does_not_take_a_message(status: int, is_refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hook(status) as host, pytest.raises(DeliveryError, match=f"it answers {status}") as error:
        Webhook(f"http://{host}/x").send(LINE, ENTRY, "abc-1")
    assert error.value.is_refused is is_refused
    assert error.value.wait_seconds == 7


def test_a_webhook_that_hangs_is_down_and_comes_back(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    clock = Clock()
    with hook(0, 503, 204) as host:
        url = f"http://user:secret1@{host}/services/secret2?token=secret3"
        impatient = Delivery(Webhook(url, timeout_seconds=0.1), journal, tmp_path / "state", clock=clock)
        journal.append(messages(3))
        impatient.step()
        assert impatient.problem == "no answer within 0.1 s"
        delivery = Delivery(Webhook(url), journal, tmp_path / "state", clock=clock)
        clock.now += delivery.step()
        assert delivery.problem == "it answers 503 (Service Unavailable)"
        run(delivery, clock)
        assert [json.loads(body)["seq"] for _, body in Hook.got] == [1, 1, 2, 3]
    journal.append(messages(1, 4))
    clock.now += delivery.step()
    assert "no connection" in delivery.problem or "no answer" in delivery.problem
    assert caplog.records
    assert "secret" not in caplog.text + delivery.name + delivery.problem + str([*(tmp_path / "state").iterdir()])


@pytest.mark.parametrize(
    "url", ["ftp://secret/x", "secret", "http://", "http://h:secret/x", "http://h/se cret", "http://ü/"]
)
def test_addresses_that_are_no_webhooks(url: str) -> None:
    with pytest.raises(InputError, match="http://") as error:
        Webhook(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("header", [("A b", "c"), ("A", "b\r\nC: d"), ("", "x"), ("A", "→")])
def test_headers_that_cannot_be_sent(header: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="headers"):
        Webhook("https://example.org", headers=dict([header]))


# -- commands --------------------------------------------------------------------------------------------------------


def script(tmp_path: Path, text: str) -> str:
    (tmp_path / "it.py").write_text(text)
    return f"'{sys.executable}' -S -E '{tmp_path / 'it.py'}' 'two words'"


def test_a_command_gets_the_line_and_the_values(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import os, sys, json\n"
        f"with open({str(tmp_path / 'got.json')!r}, 'w') as file:\n"
        "    names = {k: v for k, v in os.environ.items() if k.startswith('RCL_')}\n"
        "    json.dump([sys.stdin.read(), sys.argv[1:], names], file)\n",
    )
    Command(command).send(LINE, ENTRY, "abc-1")
    line, arguments, names = json.loads((tmp_path / "got.json").read_text())
    assert (line, arguments) == (LINE.decode() + "\n", ["two words"])
    assert (
        names.items()
        >= {
            "RCL_KIND": "announced",
            "RCL_SOURCE": "cam",
            "RCL_ID": "cam-1-1",
            "RCL_LABEL": "run",
            "RCL_START": "1.000000",
            "RCL_END": "2.500000",
            "RCL_SCORE": "0.500000",
        }.items()
    )


def test_a_command_that_fails_or_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="the status 3") as error:
        Command(script(tmp_path, "raise SystemExit(3)")).send(LINE, ENTRY, "abc-1")
    assert error.value.is_refused
    endless = script(tmp_path, "import time\ntime.sleep(60)")
    with pytest.raises(DeliveryError, match=r"it ran for 0\.2 s and was ended"):
        Command(endless, timeout_seconds=0.2).send(LINE, ENTRY, "abc-1")


@pytest.mark.skipif(os.name == "nt", reason="programs without an extension")
def test_a_command_that_is_removed_while_it_is_used(tmp_path: Path) -> None:
    program = tmp_path / "notify"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = Command(str(program))
    command.send(LINE, Entry(1, 0.0, about_part("part", "cam", 1, 0.0)), "abc-1")
    program.unlink()
    with pytest.raises(DeliveryError, match="cannot be run"):
        command.send(LINE, ENTRY, "abc-1")


@pytest.mark.parametrize("command", ["", "no-such-program --x", "'half quoted"])
def test_commands_that_are_none(command: str) -> None:
    with pytest.raises(InputError, match="--command: expected"):
        Command(command)
