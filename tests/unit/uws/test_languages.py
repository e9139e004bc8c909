"""Every text of the pages has its translation, and each visitor gets a language that they read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from starlette.testclient import TestClient

from jobs.engine import Engine
from uws.app import create_app
from uws.languages import LANGUAGES, catalogue, preferred
from uws.settings import Settings

UWS = Path(__file__).resolve().parents[3] / "uws"
PLACE = re.compile(r"%\((\w+)\)\w|\{(\w+)\}")


def said() -> dict[str | tuple[str, ...], set[str]]:
    """Return every text that the pages say, and the files that say it."""
    with (UWS / "locale" / "babel.cfg").open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "t": None, "tn": (1, 2)}
    found: dict[str | tuple[str, ...], set[str]] = {}
    for file, _, text, _, _ in extract_from_dir(str(UWS), methods, options, keywords=keywords):
        found.setdefault(text, set()).add(file)
    return found


@pytest.mark.parametrize("language", list(LANGUAGES)[1:])
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    with (UWS / "locale" / f"{language}.po").open("rb") as opened:
        messages = {message.id: message for message in read_po(opened, locale=language) if message.id}
    texts = said()
    assert len(texts) > 10
    assert set(messages) == set(texts), "make catalogues brings the catalogue up to date"
    for text, message in messages.items():
        forms = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(forms), f"{text!r} has no translation"
        assert not message.fuzzy, text
        places = [set(PLACE.findall(one)) for one in ([text] if isinstance(text, str) else text)]
        for form in forms:
            assert set(PLACE.findall(form)) in places, f"{form!r} has other places to fill than {text!r}"
        modules = {file for file in texts[text] if file.endswith(".js")}
        assert bool(modules) == ((text if isinstance(text, str) else text[0]) in catalogue(language).of_modules()), (
            "make catalogues brings the places up to date"
        )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("de, en-GB;q=0.7, fr;q=0.3", "en"),
        ("de", "en"),
        ("en;q=0.2,fr;q=0.5", "fr"),
        ("fr;q=nonsense", "en"),
        ("fr;q=0", "en"),
        (",;=,q", "en"),
    ],
)
def test_the_browsers_preference(header: str, language: str) -> None:
    assert preferred(header) == language


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path, public_url="http://amora.example")
    engine = Engine(settings)
    yield TestClient(create_app(engine, settings), base_url="http://amora.example")
    engine.stop()


def test_a_choice_is_kept(client: TestClient) -> None:
    assert '<html lang="en">' in client.get("/scripts").text
    answer = client.get("/scripts?LANG=fr")
    assert '<html lang="fr">' in answer.text
    assert answer.headers["Content-Language"] == "fr"
    assert "Accept-Language" in answer.headers["Vary"]
    assert '<html lang="fr">' in client.get("/scripts").text
    assert '<html lang="en">' in client.get("/scripts?LANG=en", headers={"Accept-Language": "fr"}).text
    assert '<html lang="en">' in client.get("/scripts?LANG=<script>").text


def test_a_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/scripts")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r'(?:src|href)="(?!http://amora\.example|\?|#)', answer.text)
