from __future__ import annotations

import pytest

from poseline.errors import (
    DeviceError,
    ModelError,
    OutputError,
    PoselineError,
    SettingsError,
    SourceError,
    StageStalled,
    redact,
)

PASSWORDS = (
    "secret", "secret@home", "se:secret", "secret/slash", "#secret", "?secret=1", "[secret]", "secret%40", "secret&b=c",
    "'secret'", '"secret"', "secret,;", "sec|secret", "secret$HOME", "\\secret", "äsecretß", "secret=", "@secret@",
    "secret://x", "<secret>", "(secret)", "{secret}", "secret!", "^secret~", "`secret`", "+secret-", "*secret*",
)  # fmt: skip
SCHEMES = ("rtsp", "RTSPS", "http", "https", "rtmp", "srt", "rtsp+tls")


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_hidden_wherever_it_stands(password: str) -> None:
    url = f"rtsp://admin:{password}@camera.local:554/live?channel=1"
    for text in (url, f"'{url}' returned 5", f"two: {url}, {url}", f"[{url}]", f"-i {url} -o out"):
        hidden = redact(text)
        assert "secret" not in hidden
        assert "admin" not in hidden
        assert "camera.local" in hidden


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_known(scheme: str) -> None:
    assert redact(f"{scheme}://me:secret@host/x") == f"{scheme}://***@host/x"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("rtsp://me@host/x", "rtsp://***@host/x"),
        ("rtsp://:secret@host/x", "rtsp://***@host/x"),
        ("rtsp://me:secret@[::1]:554/x", "rtsp://***@[::1]:554/x"),
        ("http://h/x?token=secret", "http://h/x?token=***"),
        ("http://h/x?a=1&password=secret&b=2", "http://h/x?a=1&password=***&b=2"),
    ],
)
def test_what_is_hidden_and_what_stays(text: str, hidden: str) -> None:
    assert redact(text) == hidden


@pytest.mark.parametrize(
    "query",
    [
        "Access_Token=", "api_key=", "apikey=", "X-Amz-Signature=", "X-Amz-Credential=", "client_secret=", "a=1;pwd=",
        "loginuse=admin&loginpas=",
    ],
)  # fmt: skip
def test_secrets_under_compound_names_are_hidden(query: str) -> None:
    assert redact(f"http://h/x?{query}secret#top") == f"http://h/x?{query}***#top"


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://camera.local:554/live?channel=1", "clips/a b@c.mp4", "me@home.org", "http://h/x?monkey=1&keyboard=2",
        "no URL at all", "C:\\clips\\a.mp4", "a: b / c # d ? e",
    ],
)  # fmt: skip
def test_what_holds_no_secret_is_left_alone(text: str) -> None:
    assert redact(text) == text
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("kind", "parent", "code"),
    [
        (PoselineError, Exception, 1), (SettingsError, ValueError, 2), (SourceError, OSError, 3),
        (OutputError, OSError, 4), (ModelError, RuntimeError, 5), (DeviceError, ModelError, 5),
        (StageStalled, TimeoutError, 1),
    ],
)  # fmt: skip
def test_each_error_has_its_code_its_parent_and_no_password(
    kind: type[PoselineError], parent: type[Exception], code: int
) -> None:
    error = kind("rtsp://me:secret@host/x: gone")
    assert isinstance(error, PoselineError)
    assert isinstance(error, parent)
    assert error.exit_code == code
    assert str(error) == "rtsp://***@host/x: gone"
    assert "secret" not in repr(error)
