"""Instants as text."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import ParameterError
from uws.times import format_instant, parse_instant

INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=instant.microsecond // 1000 * 1000)
)


@given(INSTANTS)
def test_what_is_printed_is_read_back(instant: datetime):
    assert parse_instant("AFTER", format_instant(instant)) == instant


@given(st.text())
def test_any_text_is_an_instant_or_a_parameter_error(text: str):
    with suppress(ParameterError):
        assert parse_instant("AFTER", text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2015-10-26T09:15:35.123456Z", datetime(2015, 10, 26, 9, 15, 35, 123000, UTC)),
        ("2015-10-26T09:15:35.1", datetime(2015, 10, 26, 9, 15, 35, 100000, UTC)),
        ("2015-10-26T09:15:35", datetime(2015, 10, 26, 9, 15, 35, 0, UTC)),
        ("2015-10-26 09:00", datetime(2015, 10, 26, 9, tzinfo=UTC)),
        ("2015-10-26Z", datetime(2015, 10, 26, tzinfo=UTC)),
        ("20151026", datetime(2015, 10, 26, tzinfo=UTC)),
        (" 2015 ", datetime(2015, 1, 1, tzinfo=UTC)),
    ],
)
def test_forms(text: str, instant: datetime):
    assert parse_instant("AFTER", text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2015-26-10",
        "2015-02-30",
        "2015T09:00",
        "2015-10-26T09",
        "2015-10-26T24:01",
        "2015-10-26T09:00:60",
        "2015-10-26T09:00 01:00",
        "2015-10-26T09:00+01:00",
        "2015-W10-1",
        "٢٠١٥",
        "1e3",
        "now",
    ],
)
def test_what_is_refused(text: str):
    with pytest.raises(ParameterError, match="DESTRUCTION"):
        parse_instant("DESTRUCTION", text)


def test_other_zones_are_printed_in_utc():
    assert format_instant(datetime(2025, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2024-12-31T23:00:00.000Z"
    assert format_instant(None) == ""
