"""The languages of the pages: which there are, which one a visitor reads, and the catalogues of what is said in them.

A catalogue is ``locale/LANGUAGE.po``, as translators' tools read and write it. English is what stands in the templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from gettext import c2py
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from babel.messages import Catalog

LANGUAGES = {"en": "English", "fr": "Français"}
"""Each language by its own name; the first is spoken to whoever reads none of them."""
CHOICE = "LANG"
"""The parameter of any page that chooses the language."""
COOKIE = "amora_language"
"""What keeps the choice."""

_FOLDER = Path(__file__).with_name("locale")
_PREFERENCE = re.compile(r"([a-z]{2,3})(?:-[a-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?", re.ASCII)


def chosen(request: Request) -> str | None:
    """Return the language that the request itself chooses; None where it chooses none."""
    asked = request.query_params.get(CHOICE, "").lower()
    return asked if asked in LANGUAGES else None


def language_of(request: Request) -> str:
    """Return the language for the answer: the one chosen now or before, else the browser's (RFC 9110, 12.5.4)."""
    kept = request.cookies.get(COOKIE)
    return chosen(request) or (kept if kept in LANGUAGES else preferred(request.headers.get("accept-language", "")))


def preferred(header: str) -> str:
    """Return the language that an Accept-Language header likes best of those there are."""
    best, weight = next(iter(LANGUAGES)), 0.0
    for part in header.lower().split(","):
        if (found := _PREFERENCE.fullmatch(part.strip())) and found[1] in LANGUAGES:
            quality = float(found[2] or 1)
            if quality > weight:
                best, weight = found[1], quality
    return best


class Catalogue:
    """What is said in a language: the text itself where nobody has translated it."""

    def __init__(self, language: str) -> None:
        self._catalog = _read(language)
        self._form = c2py(self._catalog.plural_expr if self._catalog else "n != 1")

    def gettext(self, text: str) -> str:
        """Return a text in the language."""
        return self._said(text) or text

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return a text in the form that goes with a number."""
        if self._catalog and (message := self._catalog.get(one)) and isinstance(message.string, (tuple, list)):
            return str(message.string[self._form(count)] or (one if count == 1 else many))
        return one if count == 1 else many

    def of_modules(self) -> Mapping[str, str | list[str]]:
        """Return what the modules of the page say, by what they say in English; several forms where there are."""
        return {} if self._catalog is None else _of_modules(self._catalog)

    def _said(self, text: str) -> str:
        message = self._catalog.get(text) if self._catalog else None
        return str(message.string) if message and isinstance(message.string, str) else ""


def _of_modules(catalog: Catalog) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for message in catalog:
        if message.id and any(file.endswith(".js") for file, _ in message.locations):
            key = message.id if isinstance(message.id, str) else message.id[0]
            found[key] = message.string if isinstance(message.string, str) else list(message.string or ())
    return found


@cache
def catalogue(language: str) -> Catalogue:
    """Return the catalogue of a language; it is read once."""
    return Catalogue(language)


def _read(language: str) -> Catalog | None:
    path = _FOLDER / f"{language}.po"
    if not path.exists():
        return None
    from babel.messages.pofile import read_po  # noqa: PLC0415 - programs never ask for a page

    with path.open("rb") as opened:
        return read_po(opened, locale=language)
