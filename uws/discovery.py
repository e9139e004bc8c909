"""What SIA 2.0 and cone search share: datasets as a table of ObsCore that leads on to their links.

The table is followed by the descriptor of the links service (DataLink 1.1, section 4), which takes the ids of one of
its columns, and where no rows are wanted by that of the search itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lxml import etree
from starlette.responses import Response, StreamingResponse

from index.columns import COLUMNS, Column
from uws import descriptors, fitstable, votable
from uws.observations import linked
from uws.tabular import CSV, FITS, VOTABLE, csv_document

if TYPE_CHECKING:
    from index.answers import Answer
    from uws.context import Context
    from uws.dali import Format

FORMATS = (VOTABLE, CSV, FITS)
DID = "obs_publisher_did"
"""The column with the ids that DataLink and SODA take."""
WHOLE = 2000
"""Rows up to which an answer is sent in one piece."""


def respond(
    here: Context,
    answer: Answer,
    chosen: Format,
    name: str,
    description: str,
    *,
    columns: Sequence[Column] = COLUMNS,
    kept: Sequence[int] | None = None,
    infos: Iterable[tuple[str, str]] = (),
    described: etree._Element | None = None,
) -> Response:
    """Answer with a table.

    :param columns: what its columns are called: those of ``index.columns.COLUMNS``, or as many as are kept.
    :param kept: the numbers of the columns that are wanted, None for all.
    :param described: the descriptor of the search itself.
    """
    link = linked(here.addresses)
    if chosen.name == VOTABLE.name:
        links = descriptors.of_links(here.addresses, DID)
        pieces = votable.document(
            name,
            description,
            columns,
            () if kept is None else ([row[number] for number in kept] for row in answer.rows(link)),
            written=here.rows.lines(answer, link) if kept is None else None,
            overflow=answer.more,
            infos=infos,
            resources=[links] if described is None else [links, described],
            identified=(DID,),
        )
    else:
        rows = ([row[number] for number in kept] if kept else row for row in answer.rows(link))
        widths = {**answer.widths(), "access_url": 255}
        pieces = (
            csv_document(columns, rows)
            if chosen.name == CSV.name
            else fitstable.document(name, description, columns, rows, len(answer), widths)
        )
    headers = {"Content-Type": chosen.content_type}  # as it is: a charset would be added to a text
    return (
        Response(b"".join(pieces), headers=headers) if len(answer) <= WHOLE else StreamingResponse(pieces, 200, headers)
    )
