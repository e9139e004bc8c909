"""Queries as jobs: ``/tap/async`` is a job list like any other, of a script that is part of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import StatementTimeError
from jobs.descriptor import Accepts, Limits, ParameterSpec, ProductSpec
from jobs.errors import RequestError
from jobs.native import RESULT, Made, Native
from uws.addresses import TAP
from uws.dali import Form
from uws.tap.formats import document
from uws.tap.request import Asked, asked
from uws.tap.service import Answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from index.service import Index
    from uws.settings import Settings
    from uws.tap.published import Published

FOLDER = Path(__file__).parent


def script(index: Index, published: Callable[[], Published], settings: Settings) -> Native:
    """Return the script whose jobs are queries."""
    return Native(
        name=TAP,
        folder=FOLDER,
        title="Table Access Protocol",
        summary="Asks the tables of observations and scripts, in ADQL.",
        version="1.1",
        command=("native",),
        accepts=Accepts(region="none", datasets=False, files_of_any_name=True),
        limits=Limits(wall=settings.duration_max),
        parameters=(
            ParameterSpec(
                name="QUERY", type="text", description="The query, in ADQL", required=True, max_length=200_000
            ),
        ),
        products=(ProductSpec(name=RESULT, content_type="application/x-votable+xml", description="The result"),),
        perform=partial(Performance, index, published, settings),
    )


class Performance:
    """One query of one job."""

    def __init__(
        self,
        index: Index,
        published: Callable[[], Published],
        settings: Settings,
        parameters: Sequence[tuple[str, str]],
        files: Mapping[str, Path],
        seconds: float,
    ) -> None:
        self._asked: Asked = asked(Form(tuple(parameters)), settings)
        self._files = files
        self._answering = Answering(index, published(), self._asked.limit, seconds)

    def run(self, path: Path) -> Made:
        """Write the result of the query to a file."""
        with self._answering as answering:
            try:
                rows = answering.ask(self._asked.text, self._files)
                count = 0

                def counted() -> Any:
                    nonlocal count
                    for row in rows:
                        count += 1
                        yield row

                status = partial(_status, answering)
                with path.open("wb") as file:
                    title = self._asked.text[:200]
                    file.writelines(
                        document(self._asked.format, answering.columns, counted(), status, title, answering.page)
                    )
            except StatementTimeError as error:
                raise RequestError(f"{error}; the job's executionDuration says how long it may") from error
        more = ", and there are more" if answering.overflow else ""
        return Made(self._asked.format.content_type, f"{count} rows{more}")

    def cancel(self) -> None:
        """Stop the query."""
        self._answering.cancel()


def _status(answering: Answering) -> tuple[str, str] | None:
    return ("OVERFLOW", "") if answering.overflow else None
