"""The schemas of registries (OAI-PMH, VORegistry, ...), as the Debian package python3-gavo has them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import missing

FOLDER = Path("/usr/lib/python3/dist-packages/gavo/resources/schemata")
_WHOLE = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://www.openarchives.org/OAI/2.0/" schemaLocation="OAI-PMH.xsd"/>
  <xs:import namespace="http://www.openarchives.org/OAI/2.0/oai_dc/" schemaLocation="oai_dc.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/RegistryInterface/v1.0" schemaLocation="RegistryInterface.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/VORegistry/v1.0" schemaLocation="VORegistry.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/VODataService/v1.1" schemaLocation="VODataService.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/ConeSearch/v1.0" schemaLocation="ConeSearch.xsd"/>
  <xs:import namespace="http://www.ivoa.net/xml/TAPRegExt/v1.0" schemaLocation="TAPRegExt.xsd"/>
</xs:schema>
"""


class _Local(etree.Resolver):
    """Finds each schema by its file's name, wherever another one says that it is."""

    def resolve(self, url, public_id, context):  # noqa: ARG002 - lxml calls it with three
        path = FOLDER / url.rpartition("/")[2]
        return self.resolve_filename(str(path), context) if path.is_file() else None


@cache
def _schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.fromstring(_WHOLE, parser, base_url=f"{FOLDER}/"))


def valid(document: bytes) -> etree._Element:
    """Return the root of a document of a registry that validates; fail with what the schemas say of another one."""
    if not FOLDER.is_dir():
        missing(f"the schemas of the Debian package python3-gavo in {FOLDER}")
    root = etree.fromstring(document)
    schema = _schema()
    if not schema.validate(root):
        pytest.fail(f"{schema.error_log}\n{document.decode()[:20000]}")
    return root
