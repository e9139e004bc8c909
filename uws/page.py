"""How a page is made: its template, the language of whoever reads it, and what the browser may load for it.

Every page extends ``base.html``. Its blocks: ``title``; ``head`` for stylesheets and modules; ``main``. In templates
``_("text")`` and ``{% trans %}`` translate, ``at`` gives addresses, ``client`` is who reads, ``static("x.css")`` is the
address of a file that browsers may keep.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from uws import context
from uws.client import client_of
from uws.languages import CHOICE, COOKIE, LANGUAGES, catalogue, chosen, language_of
from uws.times import format_instant

STATIC = Path(__file__).with_name("static")
ALADIN = "https://aladin.cds.unistra.fr/AladinLite/api/v3/3.8.2/"
"""The official address of Aladin Lite, where npm has not fetched it: asked only once the reader has agreed."""
SAMP = "http://localhost:21012"
"""Where the reader's own hub of SAMP listens (SAMP 1.3, section 5.2.1)."""
SURVEYS = "https://alasky.cds.unistra.fr/"
"""Where surveys of the sky are loaded from if the reader chooses one; programs below it are out of bounds."""
_YEAR = 365 * 86400

_PLAIN = {
    "default-src": "'self'",
    "connect-src": f"'self' {SAMP}",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def policy(*, sky: bool = False) -> str:
    """Return the Content Security Policy of a page.

    :param sky: whether it shows the sky: Aladin Lite brings its program as a data: address and its own styles.
    """
    rules = dict(_PLAIN)
    if sky:
        program = "" if has("aladin.js") else f" {ALADIN}"
        rules |= {
            "script-src": f"'self' 'wasm-unsafe-eval'{program}",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": f"'self' data: blob: {SURVEYS}DSS/ {SURVEYS}2MASS/",
            "connect-src": f"'self' data: blob: {SAMP} {SURVEYS}DSS/ {SURVEYS}2MASS/",
            "worker-src": "'self' blob:",
        }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@cache
def has(name: str) -> bool:
    """Whether a file that npm fetches is there."""
    return (STATIC / "vendor" / name).is_file()


@cache
def _templates(language: str) -> Environment:
    templates = Environment(
        loader=PackageLoader("uws"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    said = catalogue(language)
    templates.install_gettext_callables(said.gettext, said.ngettext, newstyle=True)  # type: ignore[attr-defined]
    templates.filters["instant"] = format_instant
    templates.filters |= {"markdown": as_html, "span": span, "size": size, "date": date}
    templates.globals |= {"lang": language, "languages": LANGUAGES, "messages": _messages(language), "has": has}
    return templates


def _messages(language: str) -> Markup:
    """Return what the modules say, as JSON that can stand in a page."""
    text = json.dumps(catalogue(language).of_modules(), ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no tag can begin in it


def as_html(markdown: str) -> Markup:
    """Return Markdown as HTML; HTML in it stays text, since scripts may come from strangers."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - a service whose documentation nobody reads does without

    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    rendered = rendered.replace("<pre>", '<pre tabindex="0">')  # what is wide is reached by the keyboard too
    return Markup(rendered)  # noqa: S704 - the parser escapes


def date(mjd: float | None) -> str:
    """Return the day of a modified Julian date."""
    return "" if mjd is None else (datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=mjd)).strftime("%Y-%m-%d")


def span(seconds: float) -> str:
    """Return a length of time as people say it: two figures of what fits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{round(hours / 24)} d"


def size(count: float) -> str:
    """Return a number of bytes as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def page(request: Request, template: str, *, status: int = 200, sky: bool = False, **values: object) -> Response:
    """Answer with a page in the reader's language.

    :param sky: whether the page shows the sky, for which the browser may do more.
    """
    here, language = context.of(request), language_of(request)
    base = here.addresses.base
    html = (
        _templates(language)
        .get_template(template)
        .render(
            at=here.addresses,
            base=base,
            client=client_of(request),
            announcement=here.board.shown(),
            status=status,
            here=str(request.url.path),
            in_language=lambda other: "?" + request.url.include_query_params(**{CHOICE: other}).query,
            static=lambda *parts: here.addresses.at("static", *parts),
            **values,
        )
    )
    answer = HTMLResponse(html, status, {"Content-Security-Policy": policy(sky=sky), "Content-Language": language})
    answer.headers["Vary"] = "Accept-Language, Cookie"
    if chosen(request):
        answer.set_cookie(COOKIE, language, max_age=_YEAR, samesite="lax", httponly=True)
    return answer
