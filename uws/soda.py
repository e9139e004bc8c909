"""SODA 1.0: ``/soda/sync`` and ``/soda/async`` cut out of the data of a dataset what lies in a region, time and band.

Its jobs are those of any other script (:mod:`uws.cutout`): ID, POS, CIRCLE, POLYGON, TIME (MJD, UTC), BAND (m), POL,
and the script's own parameters. At ``/soda/async`` each of them may be repeated, and each combination has one result:
the product, or a text that says why there is none (section 5). At ``/soda/sync`` each but POL has one value, and what
has no part of the dataset is answered with 204 (section 4.1). Errors are texts with the codes of section 4.2.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from index.dataset import Dataset
from index.errors import CoverageError
from jobs.combinations import REGIONS, missed
from jobs.errors import NotFoundError, RequestError
from jobs.models import Job
from jobs.phases import Phase
from jobs.validator import canonical, check
from uws import context, errors, results, sync
from uws.addresses import SODA
from uws.context import Context, call
from uws.dali import Form, MultiValuedError

EMPTY = 204
"""The status where nothing of the dataset is in what was asked for."""


async def create(request: Request) -> Response:
    """Make a cut-out; redirect to where it can be waited for."""

    async def look(form: Form) -> Response | None:
        _refuse_several(form)
        return Response(status_code=EMPTY) if await call(_is_empty, context.of(request), form) else None

    return await sync.begin(request, look)


async def wait(request: Request) -> Response:
    """Answer once the cut-out is made."""
    return await sync.waited(request)


def _refuse_several(form: Form) -> None:
    """Refuse repeated values, and several regions.

    :raises MultiValuedError: there are some.
    """
    for name in {name.upper() for name, _ in form.pairs} - {"POL"}:
        form.one(name)
    given = [name for name in REGIONS if (form.one(name) or "").strip()]
    if len(given) > 1:
        raise MultiValuedError(" and ".join(given))


def _is_empty(here: Context, form: Form) -> bool:
    """Whether nothing of the dataset is in what was asked for.

    :raises RequestError: a value is not allowed, or ID is missing.
    """
    script, index = here.jobs.scripts.get(SODA), here.engine.index
    values = check(script, canonical(script, form.pairs), index)
    if not values.ids:
        raise RequestError("Parameter ID is missing: it is the dataset, as a search or its links tell it.")
    try:
        dataset = index.get(values.ids[0])
    except CoverageError as error:
        raise RequestError(f"Parameter ID: {error}") from error
    return missed(values, dataset, index) is not None or not _has_state(form, dataset)


def _has_state(form: Form, dataset: Dataset) -> bool:
    """Whether a dataset has one of the Stokes states that POL names; what tells of none is an intensity, I."""
    wanted = {value.strip().upper() for value in form.all("POL") if value.strip()}
    return not wanted or bool(wanted & set((dataset.pol_states or "/I/").upper().strip("/").split("/")))


def reason(job: Job, result_id: str) -> Response:
    """Say why a combination made nothing.

    :raises NotFoundError: the job has no such result.
    """
    for task in results.without_product(job):
        if results.reason_id(task) == result_id:
            said = task.message or f"The task is {task.phase}"
            return PlainTextResponse(errors.soda_error(400 if task.phase is Phase.ABORTED else 500, said) + "\n")
    raise NotFoundError(f"The job {job.id} has no result {result_id}")
