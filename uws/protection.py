"""What each answer tells a browser not to do with it, whatever made it.

A page says by its own Content Security Policy what it loads (:mod:`uws.page`). Any other document that a browser would
show may load nothing but the stylesheet of the service: what a script wrote, or a client sent, runs nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[bytes, bytes]]

_ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_POLICY = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'",
)
_SHOWN = (b"html", b"xml")
"""Parts of the media types of what a browser shows as a document that might run something."""


def protected(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with those that are missing; what it says itself stays."""
    kept = list(headers)
    given = {name: value for name, value in kept}  # noqa: C416 - the last one counts
    kept += [pair for pair in _ALWAYS if pair[0] not in given]
    shown = given.get(b"content-type", b"")
    if _POLICY[0] not in given and any(part in shown for part in _SHOWN):
        kept.append(_POLICY)
    return kept
