"""FITS headers of event lists and products (FITS standard 4.0, section 4).

Own code, because importing :mod:`astropy.io.fits` takes as long as making four products, and its headers half of the
rest. A test holds it against astropy in both directions, and ``fitsverify`` looks at every product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

BLOCK, CARD = 2880, 80
COMMENTARY = ("COMMENT", "HISTORY", "")

_VALUE = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^/]*))\s*(?:/\s?(.*))?", re.DOTALL)
_WHOLE = re.compile(r"[+-]?\d+$")
_UNPRINTABLE = re.compile(r"[^ -~]")
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")


class _Card:
    """A card.

    :param raw: as it stands in a file, 80 characters or with CONTINUE a multiple; empty where it is new or changed.
    :param known: whether value and comment were found in ``raw``, which is done when they are asked for.
    """

    __slots__ = ("comment", "known", "name", "raw", "value")

    def __init__(self, name: str, value: Any = None, comment: str = "", raw: str = "", *, known: bool = True) -> None:
        self.name, self.value, self.comment, self.raw, self.known = name, value, comment, raw, known

    def read(self) -> None:
        """Find value and comment."""
        if self.known:
            return
        pieces = [self.raw[at + 8 : at + CARD] for at in range(0, len(self.raw), CARD)]
        text, comment = "", ""
        for number, piece in enumerate(pieces):
            found = _VALUE.match(piece[2:] if number == 0 else piece)
            quoted, plain, said = found.groups() if found else (None, piece, None)
            comment += (said or "").rstrip()
            if quoted is None:
                self.value = _plain((plain or "").strip())
                break
            text = text.removesuffix("&") + quoted.replace("''", "'").rstrip()
            self.value = text
        self.comment, self.known = comment, True

    def text(self) -> str:
        """Return it as it is to stand in a file."""
        if self.raw:
            return self.raw
        if self.name in COMMENTARY:
            words = _printable(str(self.value))
            return "".join(f"{self.name:8}{words[at : at + 72]:72}" for at in range(0, len(words) or 1, 72))
        comment = f" / {_printable(self.comment)}" if self.comment else ""
        if not isinstance(self.value, str):
            return f"{self.name:8}= {_number(self.value):>20}{comment}"[:CARD].ljust(CARD)
        quoted = _printable(self.value).replace("'", "''")
        if len(quoted) <= 68:
            shown = f"'{quoted:8}'"
            return f"{self.name:8}= {shown:20}{comment}"[:CARD].ljust(CARD)
        return _long(self.name, quoted, comment)


class Header(Mapping[str, Any]):
    """The cards of a header in their order; of a keyword that stands there twice the first counts.

    ``header[name] = value`` keeps the comment, ``header[name] = (value, comment)`` sets it; of COMMENT and HISTORY each
    makes a new card. A value that is no FITS value is given as the text it is, and a missing one as None.
    """

    def __init__(self) -> None:
        self._cards: list[_Card] = []
        self._named: dict[str, _Card] = {}

    @classmethod
    def parse(cls, raw: bytes) -> Header:
        """Read a header, up to its END.

        :raises UnicodeDecodeError: it is not ASCII.
        """
        header, text = cls(), raw.decode("ascii")
        for at in range(0, len(text), CARD):
            card = text[at : at + CARD]
            name = card[:8].rstrip().upper()
            if name == "END":
                break
            if name == "CONTINUE" and header._cards and header._cards[-1].name not in COMMENTARY:
                header._cards[-1].raw += card
            elif name in COMMENTARY or card[8:10] != "= ":
                header._cards.append(_Card(name, raw=card))
            else:
                header._add(_Card(name, raw=card, known=False))
        return header

    def _add(self, card: _Card) -> None:
        self._cards.append(card)
        self._named.setdefault(card.name, card)

    def __getitem__(self, name: str) -> Any:
        card = self._named[name]
        card.read()
        return card.value

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def comment(self, name: str) -> str:
        """Return the comment of a keyword.

        :raises KeyError: it is not there.
        """
        card = self._named[name]
        card.read()
        return card.comment

    def __setitem__(self, name: str, value: Any) -> None:
        value, comment = value if isinstance(value, tuple) else (value, None)
        card = self._named.get(name)
        if card is not None:
            card.read()
            card.value, card.comment, card.raw = value, card.comment if comment is None else comment, ""
        elif name in COMMENTARY:
            self._cards.append(_Card(name, value))
        else:
            if not _KEYWORD.fullmatch(name):
                raise ValueError(f"{name!r} is no keyword of FITS")
            card = self._named[name] = _Card(name, value, comment or "")
            # comments and history stay at the end
            at = len(self._cards)
            while at and self._cards[at - 1].name in COMMENTARY:
                at -= 1
            self._cards.insert(at, card)

    def update(self, cards: Iterable[tuple[str, Any, str]]) -> None:
        """Set keywords, values and comments."""
        for name, value, comment in cards:
            self[name] = (value, comment)

    def copy(self, wanted: Callable[[str], object] = lambda _: True) -> Header:
        """Return a copy, of only those keywords that are wanted."""
        header = Header()
        for card in self._cards:
            if wanted(card.name):
                mine = _Card(card.name, card.value, card.comment, card.raw, known=card.known)
                header._cards.append(mine)
                if card.name in self._named:
                    header._named.setdefault(card.name, mine)
        return header

    def tobytes(self) -> bytes:
        """Return the header as it stands in a file, filled up to whole blocks.

        :raises ValueError: a value cannot stand in a header, such as a number that is not finite.
        """
        text = "".join([card.text() for card in self._cards] + ["END".ljust(CARD)])
        return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def _printable(text: str) -> str:
    """Return a text of those characters that may stand in a header (section 3.2)."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("?", text)


def _plain(text: str) -> Any:
    """Return a value that is no string."""
    if text in ("T", "F"):
        return text == "T"
    if _WHOLE.match(text):
        return int(text)
    try:
        return float(text.upper().replace("D", "E"))
    except ValueError:
        return text or None


def _number(value: Any) -> str:
    """Return a logical, a number or nothing as FITS writes it (section 4.2)."""
    value = value.item() if hasattr(value, "item") else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} cannot stand in a FITS header")
    digits, _, power = repr(value).partition("e")
    digits += "" if "." in digits else ".0"
    return f"{digits}E{power}" if power else digits


def _long(name: str, quoted: str, comment: str) -> str:
    """Return a string that is too long for one card (section 4.2.1.2); a doubled quote is not torn apart."""
    cards, begin = [], f"{name:8}= "
    while quoted:
        room = 67
        piece = quoted[:room]
        if len(quoted) > room and (len(piece) - len(piece.rstrip("'"))) % 2:
            piece = piece[:-1]
        quoted = quoted[len(piece) :]
        cards.append(f"{begin}'{piece}{'&' if quoted else ''}'".ljust(CARD))
        begin = "CONTINUE  "
    last = cards[-1].rstrip()
    cards[-1] = f"{last}{comment}"[:CARD].ljust(CARD)
    return "".join(cards)
