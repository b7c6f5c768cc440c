"""docs/formats.md: every example is read, and says what the page says; the page names every format."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from places import ROOT
from rcl.cli import app
from rcl.data.formats.exported import FORMATS
from rcl.data.formats.load import import_annotations, load_annotations
from rcl.data.formats.opening import READABLE
from rcl.data.formats.options import ReadOptions
from rcl.data.names import without_extension
from rcl.system.errors import InputError

PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```\w+ ([^\s`]+\.\w+)([^\n`]*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def rcl(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("name", "options", "text"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_every_example_says_the_same(tmp_path: Path, name: str, options: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    if name == "detections.json":  # of no interest as labels
        rcl("export", path, "--format", "csv", "--output", tmp_path / "detections.csv")
        path = tmp_path / "detections.csv"
    rcl("import", path, "--output", tmp_path / "out.json", *shlex.split(options))
    videos = load_annotations(tmp_path / "out.json").videos
    found = [
        (without_extension(video_name), *segment, label)
        for video_name, video in videos.items()
        for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]
    video_name = "video_validation_0000051" if name == "val_Annotation.csv" else "clip"  # THUMOS14 names its own
    assert found == [(video_name, 1.5, 3.25, "walk")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize(("name", "options", "text"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_a_damaged_example_is_read_or_refused(
    name: str, options: str, text: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 30, len(text))))
    pieces = [
        "",
        "\0",
        "\n",
        "null",
        "[]",
        "{}",
        "-1",
        "1e999",
        '"',
        "\t",
        ";",
        ",",
        "'",
        "<",
        "&",
        "1:2",
        "\u2028",
        "\\",
    ]
    damaged = text[:start] + data.draw(st.sampled_from(pieces)) + text[end:]
    path = tmp_path_factory.mktemp("x") / name
    path.write_text(damaged, encoding="utf-8", newline="")
    try:
        import_annotations(path, options=ReadOptions(fps=4.0))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_the_page_has_every_format() -> None:
    table = PAGE.partition("| Format |")[2].partition("\n\n")[0]
    assert {name for name in FORMATS if f"`{name}`" not in table} == set()
    assert {extension for extension in READABLE if f"`{extension}`" not in table} == set()
    sections = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    assert re.findall(r"^\| \[([^\]]+)\]", table, flags=re.MULTILINE) == sections
    read = {name.rpartition(".")[2] for name, _, _ in EXAMPLES}
    assert read >= {"json", "csv", "boris", "eaf", "xml", "txt", "srt", "vtt"}


KEYS = ["file", "1", "type", "events", "time offset", "media_info", "length", "independent_variables", "rcl"]
KEYS += ["a", "label", "support", "timestamps"]
values = st.recursive(
    st.none()
    | st.integers(-2, 2)
    | st.floats()
    | st.sampled_from(["", "MEDIA", "walk", "a.mp4", "{}", '{"video": 1}']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=values, second=values, kind=st.sampled_from(["boris", "fiftyone"]))
def test_any_object_is_read_or_refused(
    first: object, second: object, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("x") / "a.json"
    ethogram = second if isinstance(second, list) else {"0": {"code": "walk", "type": "State event"}, "1": second}
    data = {
        "boris": {
            "observations": {"x": first, "y": {"file": {"1": second}, "events": first}},
            "behaviors_conf": ethogram,
        },
        "fiftyone": {"classes": ["walk"], "labels": {"a": [first], "b": second}},
    }
    path.write_text(json.dumps(data[kind]), encoding="utf-8")
    with contextlib.suppress(InputError):
        import_annotations(path, options=ReadOptions(fps=4.0))
