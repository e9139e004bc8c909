"""The engine of this service: that of ``jobs``, and what of its jobs is done by the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.engine import Engine

if TYPE_CHECKING:
    from uws.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """Return the engine of an installation, not started."""
    from uws.addresses import SODA, Addresses  # noqa: PLC0415 - with the next ones; a worker needs them only for queries
    from uws.cutout import of  # noqa: PLC0415
    from uws.tap.job import script  # noqa: PLC0415
    from uws.tap.tables import tables  # noqa: PLC0415

    engine = Engine(settings)
    scripts, addresses = engine.jobs.scripts, Addresses(settings.base)
    scripts.derive(SODA, of)

    engine.offer(
        script(
            engine.index,
            lambda: tables(addresses, settings.authority, map(scripts.get, scripts.names())),
            settings,
        )
    )
    return engine
