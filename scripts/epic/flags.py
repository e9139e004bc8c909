"""The bits of FLAG that tell of a place on the detector, and which bits a selection rejects.

The names and numbers are those that SAS (``emevents``, ``epevents``) writes to the header of a list as XMMEA_n.
"""

from __future__ import annotations

from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList

CLOSE_TO_BAD = 0x2 | 0x4 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400
"""CLOSE_TO_CCD_BORDER, _CCD_WINDOW, _ONBOARD_BADPIX, _BRIGHTPIX, _DEADPIX, _BADCOL and _BADROW."""
ON_OFFSET_COLUMN, NEXT_TO_OFFSET_COLUMN = 0x8, 0x10
"""Of pn alone."""
OUT_OF_FOV = 0x10000
ALL = -1


def rejected(events: EventList, flags: str) -> int:
    """Return the bits of FLAG that no event of a selection has.

    :param flags: ``standard``: those of the header's XMMEA_EM or XMMEA_EP; ``strict``: all; ``none``, and
        ``standard`` for a list of another observatory: none.
    :raises EventFileError: the header has no XMMEA_EM or XMMEA_EP in a known form.
    """
    if flags == "strict":
        return ALL
    if flags == "none" or not events.camera.macro:
        return 0
    bits, clear = events.macro(events.camera.macro)
    if not clear:
        raise EventFileError(
            f"{events.path.name}[EVENTS]: {events.camera.macro} must say which bits of FLAG are 0; FLAGS=strict and "
            "FLAGS=none do without it"
        )
    return bits
