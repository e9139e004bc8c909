"""The services that the VO knows by a standard: where each is, and the standards that it keeps.

This is the one list of them. VOSI capabilities are made of it, and so is whatever else tells what there is.
"""

from __future__ import annotations

from dataclasses import dataclass

from uws.addresses import Addresses

VOSI = "ivo://ivoa.net/std/VOSI#"
LINKS = "ivo://ivoa.net/std/DataLink#links-1.1"
SIA2 = "ivo://ivoa.net/std/SIA#query-2.0"
SCS = "ivo://ivoa.net/std/ConeSearch"
SODA_SYNC = "ivo://ivoa.net/std/SODA#sync-1.0"
SODA_ASYNC = "ivo://ivoa.net/std/SODA#async-1.0"
TAP = "ivo://ivoa.net/std/TAP"
EXAMPLES = "ivo://ivoa.net/std/DALI#examples"


@dataclass(frozen=True)
class Endpoint:
    """A resource of a service that keeps a standard."""

    standard: str
    """The standardID of its capability."""
    path: tuple[str, ...]
    """Below the base address."""
    use: str = "base"
    """As in VOResource 1.1, section 2.2.2: ``base`` where parameters follow, ``full`` where nothing does."""
    version: str = ""
    """Of the interface, where the standard wants it said."""

    def address(self, addresses: Addresses) -> str:
        """Return where it is."""
        return addresses.at(*self.path)


@dataclass(frozen=True)
class Service:
    """A service with VOSI resources of its own, at ``/NAME/capabilities`` and ``/NAME/availability``."""

    name: str
    title: str
    description: str
    endpoints: tuple[Endpoint, ...]
    """What it offers, but for VOSI."""

    def vosi(self) -> tuple[Endpoint, ...]:
        """Return its VOSI resources."""
        return tuple(Endpoint(VOSI + name, (self.name, name), use="full") for name in ("capabilities", "availability"))


SERVICES = (
    Service(
        "sia2",
        "Simple Image Access 2.0",
        "Finds the datasets that cover a region, or fit what is asked of time, band and the rest, as ObsCore.",
        (
            Endpoint(SIA2, ("sia2", "query"), version="2.0"),
            Endpoint(EXAMPLES, ("sia2", "examples"), use="full"),
        ),
    ),
    Service(
        "scs",
        "Simple Cone Search 1.03",
        "Finds the datasets whose coverage touches a cone.",
        (Endpoint(SCS, ("scs",), version="1.03"),),
    ),
    Service(
        "soda",
        "SODA 1.0",
        "Cuts out of a dataset the events in a region, time and band.",
        (
            Endpoint(SODA_SYNC, ("soda", "sync"), version="1.0"),
            Endpoint(SODA_ASYNC, ("soda", "async"), version="1.0"),
            Endpoint(EXAMPLES, ("soda", "examples"), use="full"),
        ),
    ),
    Service(
        "datalink",
        "DataLink 1.1",
        "Tells what there is of a dataset: files, coverage, and the scripts that work on it.",
        (Endpoint(LINKS, ("datalink", "links"), version="1.1"),),
    ),
)
"""All of them but TAP, whose capabilities say more (:mod:`uws.tap.vosi`), and the job lists of the scripts."""

TABLE_ACCESS = Service(
    "tap",
    "Table Access Protocol 1.1",
    "Answers ADQL on the observations and the scripts.",
    (Endpoint(TAP, ("tap",), version="1.1"),),
)


def named(name: str) -> Service:
    """Return the service of that name."""
    return next(service for service in SERVICES if service.name == name)
