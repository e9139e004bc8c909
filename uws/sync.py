"""The blocking form of a script, ``/scripts/{script}/sync``, for clients that know nothing of jobs (UWS 1.1, section 5;
DALI 1.1, section 2.3).

GET or POST with a script's parameters makes a job, runs it and redirects to ``/sync/{job}``. That answers once the job
has ended: with a redirect to the first product that the script declares if one task makes it, else to the list of the
products; or with a DALI error document, 400 if the request cannot be done, 500 if the work failed.

A client that goes away takes its work with it: the job is aborted, unless KEEP=true was given. Nothing is held while a
client waits but its connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from jobs.descriptor import Script
from jobs.errors import AmoraError, LimitError, ParameterError, PhaseError
from jobs.models import Job, JobState
from jobs.phases import ACTIVE, Phase
from uws import access, context, dali, errors, results
from uws.context import Context, call, job_of, see_other
from uws.joblist import make
from uws.waiting import wait_while

KEEP = "KEEP"
ROUND = 600.0
"""Seconds after which a wait looks at its job again by itself."""

_WORDS = {"true": True, "1": True, "false": False, "0": False}


async def create(request: Request) -> Response:
    """Make a job and run it; redirect to where its end can be waited for."""
    errors.set_form(request, "votable")
    return await begin(request)


async def begin(request: Request, look: Callable[[dali.Form], Awaitable[Response | None]] | None = None) -> Response:
    """Make a job and run it; redirect to where its end can be waited for.

    :param look: looks at the form before; where it answers the request, no job is made.
    """
    if request.method == "HEAD":  # it changes nothing, so it cannot make a job
        raise HTTPException(405, headers={"Allow": "GET, POST, OPTIONS"})
    here, owner = context.of(request), access.creator(request)
    with here.jobs.inbox() as inbox:
        form = await dali.read(request, inbox)
        keep = _keep(form)
        if look and (answer := await look(form)) is not None:
            return answer
        job = await make(request, form, inbox, owner, run=True, control=(KEEP,))
    return see_other(here.addresses.script(job.script, "sync", job.id) + f"?{KEEP}={'true' if keep else 'false'}")


async def wait(request: Request) -> Response:
    """Answer once the job has ended; abort it if the client goes away first and KEEP=false says so.

    A job that was made at the job list can be waited for here too; it is never aborted, for nothing says so.
    """
    errors.set_form(request, "votable")
    return await waited(request)


async def waited(request: Request) -> Response:
    """Answer once the job has ended, as :func:`wait` does."""
    here, (script, job_id) = context.of(request), job_of(request)
    keep = _keep(await dali.read(request))
    if request.method == "HEAD" and access.state_of(request).phase in ACTIVE:
        return Response()
    if not await _ended(request, here):
        if keep is False:
            with suppress(AmoraError):  # it has just ended, or is deleted
                await call(here.jobs.abort, script, job_id)
        return Response(status_code=204)  # nobody reads it
    return _answer(request, here, here.jobs.scripts.get(script), await call(here.jobs.get, script, job_id))


async def _ended(request: Request, here: Context) -> bool:
    """Wait for the end of the job; False if the client goes away before it.

    :raises PhaseError: the job has not been started.
    :raises LimitError: the service stops.
    """
    while (phase := access.state_of(request).phase) in ACTIVE:
        if phase is Phase.PENDING:
            raise PhaseError(f"The job {job_of(request)[1]} has not been started; there is nothing to wait for.")
        if here.jobs.closing:
            raise LimitError("The service is being stopped; the job goes on when it is started again.")
        if not await wait_while(request, partial(_is_in, phase), ROUND):
            return False
    return True


def _is_in(phase: Phase, state: JobState) -> bool:
    return state.phase is phase


def _answer(request: Request, here: Context, script: Script, job: Job) -> Response:
    if job.phase is Phase.COMPLETED:
        return see_other(here.addresses.result(job.script, job.id, main_product(script, job) or results.LIST))
    if job.phase is Phase.ERROR:
        # Without a task it was the request that could not be done.
        return errors.respond(request, 500 if job.tasks else 400, job.error or "The job failed without saying why")
    return errors.respond(request, 500, f"The job is {job.phase}: it has no result")


def main_product(script: Script, job: Job) -> str | None:
    """Return the name of the first product that a script declares; None if a job of several tasks has many of them."""
    if not script.products or not job.tasks or (script.scope == "dataset" and len(job.tasks) > 1):
        return None
    task = job.tasks[-1]  # with parts, the one that gathers
    name = script.products[0].file_name(task.dataset, task.number)
    return name if any(product.name == name for product in job.products) else None


def _keep(form: dali.Form) -> bool | None:
    """Return whether the work is to outlive its client; None where nothing is said."""
    text = form.one(KEEP)
    if text is None:
        return None
    try:
        return _WORDS[text.strip().lower()]
    except KeyError as error:
        raise ParameterError(KEEP, text, "true or false is allowed") from error
