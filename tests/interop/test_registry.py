"""A harvester of others takes all records of a running service."""

from __future__ import annotations

import pytest
from oaipmh_scythe import BadArgument, NoRecordsMatch, Scythe

from tests.protocol.client import Probe


def test_a_harvester_takes_all_records(probe: Probe) -> None:
    with Scythe(f"{probe.base}/oai") as scythe:
        assert scythe.identify().protocolVersion == "2.0"
        assert [one.metadataPrefix for one in scythe.list_metadata_formats()] == ["ivo_vor", "oai_dc"]
        assert [one.setSpec for one in scythe.list_sets()] == ["ivo_managed"]
        headers = [header.identifier for header in scythe.list_identifiers(metadata_prefix="ivo_vor")]
        records = [record.header.identifier for record in scythe.list_records(metadata_prefix="oai_dc")]
        assert headers == records
        assert len(records) == len(set(records)) > 15
        one = scythe.get_record(identifier=records[0], metadata_prefix="oai_dc")
        assert one.header.identifier == records[0]
        with pytest.raises(NoRecordsMatch):
            list(scythe.list_records(metadata_prefix="ivo_vor", until="2001-01-01"))
        with pytest.raises(BadArgument):
            list(scythe.list_records(metadata_prefix="ivo_vor", from_="tomorrow"))
