"""Examples of queries, for people and for the clients that offer them (DALI 1.1, section 2.1.3; TAP 1.1, 2.4.4)."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from uws import pages


class Example(NamedTuple):
    """A query, and what it is good for."""

    id: str
    name: str
    text: str
    query: str
    parameters: tuple[tuple[str, str], ...] = ()


EXAMPLES = (
    Example(
        "position",
        "Observations that cover a position",
        "The coverage of an observation is s_region; the index answers it, so that it takes milliseconds.",
        "SELECT obs_publisher_did, instrument_name, target_name, t_exptime, access_url\n"
        "FROM ivoa.obscore\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', 83.633, 22.014), s_region)\n"
        "ORDER BY t_exptime DESC",
    ),
    Example(
        "circle",
        "Observations that touch a circle, with a filter",
        "With what is known of an observation beyond ObsCore.",
        "SELECT o.obs_id, d.camera, d.filter, o.t_exptime\n"
        "FROM ivoa.obscore AS o JOIN amora.datasets AS d USING (obs_publisher_did)\n"
        "WHERE 1 = INTERSECTS(o.s_region, CIRCLE('ICRS', 35.665, 43.035, 0.2)) AND d.filter LIKE 'Med%'",
    ),
    Example(
        "pointing",
        "Pointings in a polygon",
        "The pointing of an observation is the position s_ra, s_dec.",
        "SELECT target_name, s_ra, s_dec\n"
        "FROM ivoa.obscore\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), POLYGON('ICRS', 30, 40, 40, 40, 40, 46, 30, 46))",
    ),
    Example(
        "count",
        "What there is",
        "How many observations each camera has, and how long they are together.",
        "SELECT instrument_name, COUNT(*) AS observations, SUM(t_exptime) / 1000 AS kiloseconds\n"
        "FROM ivoa.obscore\n"
        "GROUP BY instrument_name",
    ),
    Example(
        "upload",
        "Observations of each row of a table of your own",
        "Send the table along as UPLOAD=mine,param:table, with columns ra and dec in degrees.",
        "SELECT mine.*, o.obs_publisher_did, o.t_exptime\n"
        "FROM TAP_UPLOAD.mine AS mine JOIN ivoa.obscore AS o\n"
        "  ON 1 = CONTAINS(POINT('ICRS', mine.ra, mine.dec), o.s_region)",
    ),
    Example(
        "scripts",
        "Scripts that can be run on observations",
        "Where each is documented, and where its jobs are.",
        "SELECT name, summary, async_url, documentation_url FROM amora.scripts",
    ),
)


async def show(request: Request) -> Response:
    """Show the examples."""
    return pages.examples(request, EXAMPLES)
