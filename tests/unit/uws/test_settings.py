"""Settings of the face, and the addresses that follow from them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from uws.addresses import Addresses
from uws.settings import Settings


@pytest.mark.parametrize(
    ("environment", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"HOST": "::1", "PORT": "81"}, "http://[::1]:81"),
        ({"PUBLIC_URL": "https://x.org/amora/"}, "https://x.org/amora"),
        ({"PUBLIC_URL": "", "PORT": ""}, "http://127.0.0.1:8000"),
    ],
)
def test_base(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], base: str):
    for name, value in environment.items():
        monkeypatch.setenv("AMORA_" + name, value)
    assert Settings().base == base


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("PORT", "x"), ("PUBLIC_URL", "x.org"), ("READER", "no colon")]
)
def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv("AMORA_" + name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_parts_of_addresses_are_quoted():
    at = Addresses("http://x/")
    assert at.job("image", "a/b", "phase") == "http://x/scripts/image/async/a%2Fb/phase"
    assert at.log("j", 2) == "http://x/api/jobs/j/tasks/2/log"
