"""On a network, only who has the token may see anything, and with a certificate nobody can listen."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rcl.cli.network_options import NetworkOptions
from rcl.cli.serve import server_config
from rcl.system.errors import InputError
from rcl.web.serve.access import check_token, new_token
from rcl.web.serve.app import build_app
from rcl.web.serve.session import Session
from rcl.web.serve.videos import key_of
from served import serving
from typed import Rcl

TOKEN = "a-token-of-this-test"
ADDRESS = "http://192.168.1.7:8000"
OURS = {"X-RCL": "1", "Content-Type": "application/json"}
PATHS = ("/", "/api/session", f"/api/videos/{key_of('a')}", f"/media/{key_of('a')}", "/static/serve.js", "/none")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "a.mp4").write_bytes(b"a secret video")
    made = Session(None, folder)
    yield made
    made.close()


def client_of(session: Session, address: str = ADDRESS, *, is_encrypted: bool = False) -> TestClient:
    app = build_app(session, host="0.0.0.0", token=TOKEN, is_encrypted=is_encrypted)
    return TestClient(app, base_url=address, headers=OURS, follow_redirects=False)


def test_without_the_token_nothing_is_served_and_nothing_is_changed(session: Session) -> None:
    client = client_of(session)
    wrong = (
        "",
        "?token=",
        "?token=wrong",
        f"?token={TOKEN}x",
        f"?token={TOKEN[:-1]}",
        "?token=%ff%00",
        f"?Token={TOKEN}",
    )
    for path in PATHS:
        for query in wrong if path == "/" else ("", f"?token={TOKEN}"):  # only the page itself takes it
            answer = client.get(path + query)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
            assert "secret" not in answer.text
            assert "token" in answer.text
    answer = client.get("/", headers={"Cookie": "rcl-token-8000=wrong; rcl-token=" + TOKEN})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    for method in ("PUT", "DELETE"):
        assert client.request(method, "/api/classes", json={"name": "wave"}).status_code == 403
    assert client.get("/api/session").json() == {"error": client.get("/api/session").json()["error"]}
    assert not session.classes.path.exists()


def test_the_address_gives_a_cookie_that_opens_everything(session: Session) -> None:
    client = client_of(session)
    opened = client.get(f"/?token={TOKEN}")
    assert opened.status_code == 200
    assert 'content="0; url=/"' in opened.text  # it opens itself without the token, for which browsers send the cookie
    assert TOKEN not in opened.text
    assert opened.headers["referrer-policy"] == "no-referrer"
    name, *attributes = opened.headers["set-cookie"].lower().split("; ")
    assert name == f"rcl-token-8000={TOKEN}"
    assert {"httponly", "samesite=strict", "path=/"} == {*attributes}
    assert [client.get(path).status_code for path in PATHS] == [200, 200, 200, 200, 200, 404]
    assert client.get("/?token=old").status_code == 200  # a bookmark of an earlier token
    assert client.get("/api/session", headers={"Host": "evil.example"}).status_code == 403
    foreign = {"Origin": "http://evil.example"}
    assert client.put("/api/classes", json={"name": "wave"}, headers=foreign).status_code == 403
    assert client.put("/api/classes", json={"name": "wave"}, headers={"X-RCL": ""}).status_code == 403


def test_a_link_in_another_page_opens_it_too(session: Session) -> None:
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    client = client_of(session)
    assert "set-cookie" in client.get(f"/?token={TOKEN}", headers=cross).headers
    assert client.get(f"/?token={TOKEN}", headers={**cross, "Sec-Fetch-Dest": "iframe"}).status_code == 403


def test_with_encryption_the_cookie_is_never_sent_without(session: Session) -> None:
    client = client_of(session, "https://192.168.1.7:8000", is_encrypted=True)
    assert "secure" in client.get(f"/?token={TOKEN}").headers["set-cookie"].lower().split("; ")


def test_a_token_is_made_where_others_can_reach_the_page() -> None:
    assert NetworkOptions().chosen_token() is None
    assert NetworkOptions(token=TOKEN).chosen_token() == TOKEN  # also from other users of this machine
    made = {NetworkOptions(host=host).chosen_token() for host in ("0.0.0.0", "::", "videos.lan", "192.168.1.7")}
    assert len(made) == 4
    for token in (*made, new_token()):
        assert token
        check_token(token, "made")
    for wrong in ("short", "with blanks " * 3, "ü" * 20, "a&b" * 10):
        with pytest.raises(InputError, match="letters, digits"):
            check_token(wrong, "--token")


def test_the_address_names_the_token_and_a_host_that_others_can_open() -> None:
    assert NetworkOptions().address(8000, None) == "http://127.0.0.1:8000/"
    assert NetworkOptions(host="::1").address(80, TOKEN) == f"http://[::1]:80/?token={TOKEN}"
    secure = NetworkOptions(host="videos.lan", tls_certificate=Path("a.pem"))
    assert secure.address(8000, TOKEN) == f"https://videos.lan:8000/?token={TOKEN}"
    assert NetworkOptions(host="0.0.0.0").address(8000, TOKEN).startswith("http://")


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=videos.lan"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*words.split(), *more], check=True, capture_output=True)
    return certificate, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_with_a_certificate_the_server_speaks_tls_and_files_that_do_not_fit_are_refused(
    session: Session, tmp_path: Path, rcl_: Rcl
) -> None:
    certificate, key = make_certificate(tmp_path, "one")
    _, other = make_certificate(tmp_path, "other")
    network = NetworkOptions(tls_certificate=certificate, tls_key=key)
    network.check()
    with serving(session, server_config(session, network, TOKEN)) as address:
        context = ssl.create_default_context(cafile=str(certificate))
        assert address.startswith("https://")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address + "api/session", timeout=20, context=context)
    none = tmp_path / "no videos"  # nobody looks there before
    none.mkdir()
    for files, words in (
        (("--tls-certificate", certificate, "--tls-key", other), "found key values mismatch"),
        (("--tls-certificate", certificate), "its private key"),
        (("--tls-certificate", key, "--tls-key", certificate), "expected a certificate and its private key"),
        (("--tls-certificate", tmp_path / "none.pem"), "none.pem"),
        (("--tls-key", key), "expected --tls-certificate"),
    ):
        result = rcl_("serve", none, *files)
        assert result.status == 2
        assert words in " ".join(result.err.split())
