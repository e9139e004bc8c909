"""XML as all documents of the service use it: namespaces, and text that XML can carry."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from lxml import etree

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_clean(text: str) -> bool:
    """Whether XML 1.0 can carry ``text`` (section 2.2, Char)."""
    return _ILLEGAL.search(text) is None


def clean(text: str) -> str:
    """Return ``text`` with each character that XML cannot carry replaced by U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text)


def add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append an element and return it; text and attributes are made such that XML can carry them."""
    element = etree.SubElement(parent, tag, {name: clean(value) for name, value in attributes.items()})
    if text is not None:
        element.text = clean(text)
    return element


def styled_by(address: str) -> etree._ProcessingInstruction:
    """Return the instruction by which a browser shows a document as a page, and which programs ignore."""
    return etree.ProcessingInstruction("xml-stylesheet", f'type="text/css" href={quoteattr(address)}')


def serialise(root: etree._Element, stylesheet: str | None = None) -> bytes:
    """Return the document with that root, in UTF-8 with a declaration.

    :param stylesheet: the address of the stylesheet for browsers.
    """
    etree.indent(root)
    if stylesheet:
        root.addprevious(styled_by(stylesheet))
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True) + b"\n"
