"""What a user names, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcl.detector.live.sources.source import Source, parse_options, parse_source, parse_sources, without_secrets
from rcl.system.errors import InputError
from rcl.video.clip_names import safe

SECRET = "rtsp://ann:s3cr/et@cam1.local:554/live/main.sdp?token=t0ken#x"


def test_a_source_is_an_address_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a=b.ts").touch()
    (tmp_path / "segments").mkdir()
    expected = {
        SECRET: ("main", "address"),
        f"door={SECRET}": ("door", "address"),
        "srt://host:9000?passphrase=abc": ("host-9000", "address"),
        "udp://239.0.0.1:1234": ("239.0.0.1-1234", "address"),
        "http://host/x/list.m3u8?a=b": ("list", "address"),
        "/dev/video0": ("video0", "address"),
        str(tmp_path / "a=b.ts"): ("a-b", "file"),
        f"cam={tmp_path / 'a=b.ts'}": ("cam", "file"),
        f"file://{tmp_path}/a%3Db.ts": ("a-b", "file"),
        str(tmp_path / "segments"): ("segments", "folder"),
        f"x={tmp_path / 'segments'}/": ("x", "folder"),
    }
    for text, (name, kind) in expected.items():
        source = parse_source(text)
        assert (source.name, source.kind) == (name, kind)
        assert safe(source.name) == source.name
    assert parse_source("/dev/video0").format == "v4l2"
    assert parse_source("cam=0:none", format="avfoundation") == Source("cam", "address", "0:none", "avfoundation")


def test_secrets_are_never_shown() -> None:
    for text in (SECRET, f"door={SECRET}"):
        source = parse_source(text)
        for said in (repr(source), str(source), source.name, source.shown, without_secrets(f"see {text} now")):
            assert "s3cr" not in said
            assert "t0ken" not in said
    assert parse_source(SECRET).shown == "rtsp://cam1.local:554/live/main.sdp?…#x"
    with pytest.raises(InputError) as error:
        parse_source(f"a b={SECRET}")
    assert "s3cr" not in str(error.value)


def test_names_differ(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.ts").touch()
    texts = ["rtsp://c1/live", "rtsp://c2/live", *(str(tmp_path / folder / "v.ts") for folder in "ab"), "V=rtsp://c3/x"]
    assert [source.name for source in parse_sources(texts)] == ["c1-live", "c2-live", "a-v", "b-v", "V"]
    with pytest.raises(InputError, match="'x' twice"):
        parse_sources(["x=rtsp://c1/a", "x=rtsp://c2/a"])
    with pytest.raises(InputError, match="it twice"):
        parse_sources(["rtsp://u:pw@c1/a", "b=rtsp://u:pw@c1/a"])


@pytest.mark.parametrize(
    ("text", "said"), [("nothing-there.ts", "no such file"), ("", "nothing"), ("a/b: c=rtsp://x", "no such file")]
)
def test_what_is_no_source(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_source(text)


def test_options_are_keys_and_values() -> None:
    assert parse_options(["rtsp_transport=tcp", "a=b=c"]) == {"rtsp_transport": "tcp", "a": "b=c"}
    with pytest.raises(InputError, match="KEY=VALUE"):
        parse_options(["rtsp_transport"])
