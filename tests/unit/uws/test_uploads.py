"""UPLOAD (DALI 1.1, section 3.4.5) and the parts of multipart forms."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.errors import ParameterError, RequestError
from jobs.uploads import Inbox
from uws.multipart import Parts, acceptable
from uws.uploads import Named, parse


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["t1,param:x"], [Named("T1", "param:x")]),
        (["t1,param:x;"], [Named("T1", "param:x")]),
        (["t1,param:x;t2,http://a.example/b"], [Named("T1", "param:x"), Named("T2", "http://a.example/b")]),
        (["t1,param:x", " t2 , param:y "], [Named("T1", "param:x"), Named("T2", "param:y")]),
        (["t1,http://a.example/b;c=1,2?d"], [Named("T1", "http://a.example/b;c=1,2?d")]),
        ([], []),
    ],
)
def test_upload(values: list[str], expected: list[Named]) -> None:
    assert parse(values) == expected


@pytest.mark.parametrize("value", ["", "t1", "t1,", ",param:x", "1t,param:x", "t-1,param:x", "t1,a b", "tä,param:x"])
def test_what_is_no_upload(value: str) -> None:
    with pytest.raises(ParameterError, match="UPLOAD"):
        parse([value])


def test_a_name_stands_for_one_file() -> None:
    with pytest.raises(ParameterError, match="twice"):
        parse(["t1,param:x", "T1,param:y"])


@given(st.text(max_size=30))
def test_any_text_is_an_upload_or_refused(value: str) -> None:
    try:
        found = parse([value])
    except ParameterError:
        return
    assert all(named.uri and named.name for named in found)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("text/csv; header=present", "text/csv; header=present"),
        ('application/x-votable+xml; content="a b"', 'application/x-votable+xml; content="a b"'),
        ("text/csv\r\nX: y", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("a/" + "b" * 1000, "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_only_media_types_are_handed_on(given_: str, expected: str) -> None:
    assert acceptable(given_) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(st.tuples(st.from_regex(r"[A-Za-z_]{1,10}", fullmatch=True), st.binary(max_size=300)), max_size=4),
    st.integers(1, 50),
)
def test_files_come_in_as_they_were_sent(tmp_path: Path, files: list[tuple[str, bytes]], size: int) -> None:
    boundary = b"a boundary that no test hits upon"
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\nContent-Type: a/b\r\n\r\n%s\r\n'
        % (boundary, name.encode(), content)
        for name, content in files
    )
    body += b"--" + boundary + b"--\r\n"

    async def stream():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    with Inbox(tmp_path, 10_000, 10) as inbox:
        parts = Parts(inbox, 10)
        try:
            asyncio.run(parts.read(f'multipart/form-data; boundary="{boundary.decode()}"', stream()))
        except RequestError:
            assert not files
            return
        assert [(name, file.path.read_bytes()) for name, file in parts.files] == files
    assert list(tmp_path.rglob("*")) == []
