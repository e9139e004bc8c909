"""Which form a region is written in: a word before it says so, or how it begins.

==========  ===========================================  ===============================
word        begins like                                  parser
==========  ===========================================  ===============================
(none)      ``CIRCLE 1 2 3``, ``RANGE``, ``POLYGON``     :mod:`index.forms.dali`
``STC``     ``Circle ICRS``, ``Union``, ``Box``, ...     :mod:`index.forms.stcs`
``ADQL``    ``CIRCLE('ICRS',``, ``BOX(``, ``POINT(``     :mod:`index.forms.adql`
``DS9``     ``fk5;``, ``# Region file``, ``global``      :mod:`index.forms.ds9`
``MOC``     ``3/1-4``, ``{"3": [1]}``                    :mod:`index.mocs`
(none)      ``02:23:11.4 +43:02:08 6'``                  :mod:`index.forms.named`
``TARGET``                                               :mod:`index.forms.named`
==========  ===========================================  ===============================
"""

from __future__ import annotations

import re

from index.errors import RegionError
from index.forms import adql, dali, stcs
from index.forms.words import is_sexagesimal, quoted
from index.frames import OTHERS, Frame

_NAMED = {"STC": "STC", "STCS": "STC", "STC-S": "STC", "ADQL": "ADQL", "DS9": "DS9", "MOC": "MOC", "TARGET": "TARGET"}
_MOC = re.compile(r"\{|s?\d{1,2}/", re.ASCII)
_CALL = re.compile(r"([A-Za-z]+)\s*\(", re.ASCII)
_DS9 = re.compile(r"([A-Za-z]\w*)[ \t]*(?:[;\n\r]|$)", re.ASCII)
_AFTER_STC = frozenset(
    {"FILLFACTOR", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "SPHER2", "UNKNOWNREFPOS"}
)


def form_of(text: str) -> tuple[str, str]:
    """Tell the form of a text, and what of it is the region. Raises RegionError.

    The forms are ``DALI``, ``STC``, ``ADQL``, ``DS9``, ``MOC``, ``PLACE`` and ``TARGET``.
    """
    first, second = [*text.split(maxsplit=2), "", ""][:2]
    if first.upper() in _NAMED:
        return _NAMED[first.upper()], text[len(first) :].strip()
    call = _CALL.match(text)
    word = (call[1] if call else first).upper()
    candidates = (
        ("MOC", _MOC.match(text) is not None),
        ("DS9", _is_ds9(text)),
        ("ADQL", call is not None and word in adql.NAMES),
        ("DALI", word in dali.FORMS and not _is_of_stc(second)),
        ("STC", word in stcs.WORDS),
        ("PLACE", is_sexagesimal(first)),
    )
    for form, fits in candidates:
        if fits:
            return form, text
    raise RegionError(
        f"a region must begin with CIRCLE, RANGE or POLYGON, not {quoted(first)}; STC-S, ADQL, DS9, a MOC, "
        "coordinates like 02:23:11.4 +43:02:08 and TARGET are taken too"
    )


def _is_ds9(text: str) -> bool:
    """Tell whether a text begins with a comment, a line of properties or a frame by itself."""
    if text[:1] == "#" or text.split()[:1] == ["global"]:
        return True
    start = _DS9.match(text)
    return start is not None and (_is_frame(start[1]) or start[1].lower() in ("image", "physical"))


def _is_of_stc(word: str) -> bool:
    """Tell whether what follows CIRCLE or POLYGON is a word of STC-S, and not meant as a number."""
    return _is_frame(word) or word.upper() in _AFTER_STC


def _is_frame(word: str) -> bool:
    return Frame.known(word) or word.upper() in OTHERS
