"""A form as a JSON object."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import RequestError
from uws.jsonform import pairs


def test_values_are_kept_as_they_are_written() -> None:
    body = b'{"a": 1.50, "b": [1e3, "x", true, null], "c": null, "a": false}'
    assert pairs(body) == [("a", "1.50"), ("b", "1e3"), ("b", "x"), ("b", "true"), ("a", "false")]


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text())))
def test_texts_come_back(form: dict[str, str | list[str]]) -> None:
    expected = [(name, item) for name, value in form.items() for item in ([value] if isinstance(value, str) else value)]
    assert pairs(json.dumps(form).encode()) == expected


@given(st.binary())
def test_anything_else_is_refused(body: bytes) -> None:
    with suppress(RequestError):
        assert isinstance(pairs(body), list)


@pytest.mark.parametrize("body", ["[]", "1", '{"a": {}}', '{"a": [[]]}', '{"a": NaN}', "{", "[" * 100_000])
def test_what_is_no_form_is_refused(body: str) -> None:
    with pytest.raises(RequestError, match="JSON body"):
        pairs(body.encode())
