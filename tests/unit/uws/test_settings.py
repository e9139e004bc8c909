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
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "x"),
        ("PUBLIC_URL", "x.org"),
        ("READER", "no colon"),
        ("OIDC_ISSUER", "http://x.org"),
        ("OIDC_ISSUER", "https://"),
        ("PROXY_HEADER", "a b"),
        ("PROXY_NETWORKS", "10.0.0.1/8"),
        ("PROXY_NETWORKS", "x"),
    ],
)
def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv("AMORA_" + name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"OIDC_ISSUER": "https://x.org"}, "oidc_audience"), ({"PROXY_HEADER": "X-User"}, "proxy_networks")],
)
def test_some_settings_need_others(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str):
    for name, value in given.items():
        monkeypatch.setenv("AMORA_" + name, value)
    with pytest.raises(ValidationError, match=missing.upper()):
        Settings()
    monkeypatch.setenv("AMORA_" + missing.upper(), "10.0.0.0/8, 2001:db8::1")
    Settings()


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, True),
        ({"DATABASE_URL": "sqlite:///x"}, False),
        ({"ANONYMOUS_LIST": "no"}, False),
        ({"DATABASE_URL": "sqlite:///x", "ANONYMOUS_LIST": "yes"}, True),
    ],
)
def test_anonymous_jobs_are_listed_where_the_service_is_one_persons(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], shown: bool
):
    for name, value in environment.items():
        monkeypatch.setenv("AMORA_" + name, value)
    assert Settings().lists_anonymous is shown


def test_every_setting_is_described():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_parts_of_addresses_are_quoted():
    at = Addresses("http://x/")
    assert at.job("image", "a/b", "phase") == "http://x/scripts/image/async/a%2Fb/phase"
    assert at.log("j", 2) == "http://x/api/jobs/j/tasks/2/log"
