"""The script that SODA's jobs run: that of the archive's scripts which is a cut-out, as SODA 1.0 wants it called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from jobs.combinations import named_apart
from jobs.descriptor import Accepts, Script
from uws.addresses import SODA


def of(scripts: Mapping[str, Script]) -> Script | None:
    """Return the script, None where none of these is a cut-out; of several the first by its name."""
    found = [script for _, script in sorted(scripts.items()) if script.cutout]
    return _of(_Same(found[0])) if found else None


class _Same:
    """A script, known by which object it is."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.script is self.script

    def __hash__(self) -> int:
        return id(self.script)


@lru_cache(4)
def _of(same: _Same) -> Script:
    """Each combination of values makes one product; times are in UTC (SODA 1.0, section 3.3.5)."""
    script = same.script
    return script.model_copy(
        update={
            "name": SODA,
            "combined": True,
            "accepts": Accepts(**{**script.accepts.model_dump(), "region": "optional"}),
            "parameters": tuple(
                spec.model_copy(update={"default": "UTC"}) if spec.name == "TIMESYS" else spec
                for spec in script.parameters
            ),
            "products": (named_apart(script.products[0]),),
        }
    )
