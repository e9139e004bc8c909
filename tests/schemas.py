"""The XML schemas of the IVOA, read from the folder of reference data and never from the network."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

LOCAL = {
    "http://www.ivoa.net/xml/Xlink/xlink.xsd": "xlink.xsd",
    "http://www.w3.org/2001/xml.xsd": "xmlnamespace.xsd",
    "http://www.ivoa.net/xml/VOResource/v1.0": "VOResource-v1.0.xsd",
    "http://www.ivoa.net/xml/VODataService/v1.1": "VODataService-v1.1.xsd",
    "http://www.ivoa.net/xml/STC/stc-v1.30.xsd": "stc-v1.30.xsd",
}
CAPABILITIES = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://www.ivoa.net/xml/VOSICapabilities/v1.0" schemaLocation="VOSICapabilities-v1.0.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/VODataService/v1.1" schemaLocation="VODataService-v1.1.xsd"/>
</xs:schema>
"""


class _Local(etree.Resolver):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, url, public_id, context):  # noqa: ARG002 - lxml calls it with three
        name = LOCAL.get(url)
        return self.resolve_filename(str(self.folder / name), context) if name else None


@cache
def _schema(folder: Path, name: str) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local(folder))
    if name == "capabilities":  # a document of two schemas, of which neither imports the other
        return etree.XMLSchema(etree.fromstring(CAPABILITIES, parser, base_url=f"{folder}/"))
    return etree.XMLSchema(etree.parse(folder / name, parser))


def valid(document: bytes, shared: Path, name: str) -> etree._Element:
    """Return the root of a document that validates; fail with what the schema says of one that does not.

    :param name: a file in the folder of schemas, or ``capabilities``.
    """
    root = etree.fromstring(document)
    schema = _schema(shared / "schemas", name)
    if not schema.validate(root):
        pytest.fail(f"{schema.error_log}\n{document.decode()}")
    return root
