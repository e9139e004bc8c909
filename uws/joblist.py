"""The job list ``/scripts/{script}/async`` (UWS 1.1, sections 2.2.2.1 and 2.2.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from jobs.errors import ParameterError, RequestError
from jobs.models import JobRef
from jobs.phases import Phase
from jobs.uploads import Inbox
from uws import access, conditional, context, dali, document, results
from uws.addresses import Addresses
from uws.times import parse_instant
from uws.uploads import sort_out

CONTROL = ("PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", "ACTION", "WAIT")
"""What controls the job and is no parameter of it."""
FILTERS = ("AFTER", "LAST")
"""What filters the list and makes no job; PHASE does both."""
MAX_SECONDS = 2**31 - 1
"""executionDuration is an xs:int."""

Writer = Callable[[Iterable[JobRef], Addresses], Iterator[bytes]]


async def show(request: Request) -> Response:
    """List the jobs, newest first, that pass all of PHASE, AFTER and LAST."""
    return await stream(request, request.path_params["script"], document.job_list, document.CONTENT_TYPE)


async def stream(
    request: Request, script: str | None, write: Writer, media_type: str, run_id: str | None = None
) -> Response:
    """Answer with the jobs of a script, or of all, that pass the filters of the request.

    :param run_id: the session, which the client has been let see, of which all jobs are listed, whosever they are.
    """
    form = await dali.read(request)
    phases = {phase_named("PHASE", value) for value in form.all("PHASE")}
    after = form.one("AFTER")
    instant = None if after is None else parse_instant("AFTER", after)
    last = form.integer("LAST", 1, 10**9)
    here = context.of(request)

    owners = access.listed(request) if run_id is None else None

    def begin() -> Iterator[bytes]:
        refs = here.jobs.refs(script, phases=phases, after=instant, last=last, owners=owners, run_id=run_id)
        pieces = write(refs, here.addresses)
        # The first piece is asked for now: what goes wrong with the request goes wrong before the answer begins.
        return chain([next(pieces)], pieces)

    # The tag first: what happens meanwhile may then be in a list that counts as older, never the other way round.
    revision = here.jobs.revision() if here.jobs.quick else await context.call(here.jobs.revision)
    # Weak: it changes with anything that happens to any job. Of the process too: revisions have no memory.
    tag = f"W/{conditional.tag_of(f'{here.name} {revision} {owners} {run_id}'.encode())}"
    return conditional.unchanged(request, tag) or StreamingResponse(
        await context.call(begin), media_type=media_type, headers=conditional.headers(request, tag)
    )


async def create(request: Request) -> Response:
    """Make a job, and run it if PHASE=RUN comes along."""
    job = await made(request)
    return context.see_other(context.of(request).addresses.job(job.script, job.id))


async def made(request: Request) -> JobRef:
    """Make the job that the request describes.

    :raises RequestError: it only filters the list: a client told to POST has followed a deletion here.
    """
    here, owner = context.of(request), access.creator(request)
    with here.jobs.inbox() as inbox:
        form = await dali.read(request, inbox)
        if form.pairs and not (form.files or form.without(FILTERS)):
            raise RequestError(f"{' and '.join(FILTERS)} filter the list; no job was made")
        return await make(request, form, inbox, owner, run=_run_wanted(form))


async def make(
    request: Request,
    form: dali.Form,
    inbox: Inbox,
    owner: str | None,
    *,
    run: bool,
    control: Collection[str] = (),
) -> JobRef:
    """Make a job from what a form says.

    :param inbox: where its files are.
    :param control: names that are no parameters of the job, besides :data:`CONTROL`.
    """
    here = context.of(request)
    results.refuse_format(form, here.jobs.scripts.get(request.path_params["script"]))
    await access.join(request, form.one("RUNID"))
    form, files = await sort_out(form, inbox, here.settings)
    destruction = form.one("DESTRUCTION")
    return await context.call(
        here.jobs.make,
        request.path_params["script"],
        form.without([*CONTROL, *control]),
        run=run,
        run_id=form.one("RUNID"),
        owner=owner,
        duration=form.integer("EXECUTIONDURATION", 0, MAX_SECONDS),
        destruction=None if destruction is None else parse_instant("DESTRUCTION", destruction),
        files=files,
    )


def phase_named(name: str, value: str) -> Phase:
    """Return the phase of that name.

    :raises ParameterError: it is the name of none.
    """
    try:
        return Phase(value)
    except ValueError as error:
        raise ParameterError(name, value, f"allowed are {', '.join(Phase)}") from error


def _run_wanted(form: dali.Form) -> bool:
    phase = form.one("PHASE")
    if phase not in (None, "RUN"):
        raise ParameterError("PHASE", phase, "a job is made with PHASE=RUN or without PHASE")
    return phase == "RUN"
