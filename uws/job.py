"""A job and the resources below it, ``/scripts/{script}/async/{job}`` (UWS 1.1, sections 2.2.2 and 2.2.3)."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobs.errors import NotFoundError, ParameterError, RequestError
from jobs.models import Job
from jobs.phases import ACTIVE, Phase
from uws import access, conditional, context, dali, document, errors, results, votable
from uws.addresses import SODA, Addresses
from uws.client import client_of
from uws.context import call, job_of, see_other
from uws.files import send
from uws.hammering import HOLD
from uws.joblist import CONTROL, MAX_SECONDS, phase_named
from uws.times import format_instant, parse_instant
from uws.uploads import sort_out
from uws.waiting import wait_while

Writer = Callable[[Job, Addresses], bytes]

AFTER_DELETION = 100
"""How many jobs the list shows to which a deletion redirects: a client that follows wants no endless list."""


async def _get(request: Request) -> Job:
    return await call(context.of(request).jobs.get, *job_of(request))


def _xml(content: bytes) -> Response:
    return Response(content, media_type=document.CONTENT_TYPE)


def _to_job(request: Request) -> Response:
    return see_other(context.of(request).addresses.job(*job_of(request)))


async def show(request: Request) -> Response:
    """Show the job; with WAIT, once its phase changes or the time is over (section 2.2.1.2)."""
    return await shown(request, "xml", document.job, document.CONTENT_TYPE)


async def shown(request: Request, form: str, write: Writer, media_type: str) -> Response:
    """Show the job in one of its forms, once it has done what WAIT and PHASE wait for.

    :param write: returns the job in that form.
    """
    here = context.of(request)
    seconds, expected = await _wait_asked(request)
    phase = access.state_of(request).phase
    if not seconds:
        await _slow_down(request)
    elif phase == expected and phase in ACTIVE:
        await wait_while(request, lambda now: now.phase is phase, seconds)

    def make() -> tuple[int, bytes]:
        job = here.jobs.get(*job_of(request))
        return job.version, write(job, here.addresses)

    found = await here.renderings.get(form, job_of(request)[1], access.state_of(request), make)
    return conditional.answer(request, found.content, found.tag, media_type)


async def _wait_asked(request: Request) -> tuple[float, Phase]:
    """Return how many seconds the request wants to wait, and in which phase."""
    # what is posted can be read once, and who posted nothing waits for nothing
    given = dali.Form(()) if request.method == "POST" else await dali.read(request)
    seconds, named = given.integer("WAIT", -1, 10**9) or 0, given.one("PHASE")
    phase = access.state_of(request).phase if named is None or not seconds else phase_named("PHASE", named)
    cap = context.of(request).settings.wait_cap
    return cap if seconds < 0 else min(seconds, cap), phase


async def _slow_down(request: Request) -> None:
    """Hold the answer back from a client that hammers."""
    hammering, job_id = context.of(request).hammering, job_of(request)[1]
    peer = request.client.host if request.client else ""
    client = f"{peer} {client_of(request).name} {request.headers.get('user-agent', '')}"
    state = access.state_of(request)
    if hammering.is_due(client, job_id, state):
        await wait_while(request, lambda now: now.version == state.version, HOLD)
    hammering.answered(client, job_id, access.state_of(request))


async def post(request: Request) -> Response:
    """Delete the job where ACTION=DELETE asks for it; nothing else can be asked for here.

    A POST of nothing shows the job: so a client ends that was told to POST and follows the 303 of what it posted.
    """
    form = await dali.read(request)
    if not form.pairs:
        return await show(request)
    action = form.one("ACTION")
    if action == "DELETE":
        return await delete(request)
    if action is not None:
        raise ParameterError("ACTION", action, "DELETE is allowed")
    raise RequestError(
        "Only ACTION=DELETE can be posted to a job; post PHASE to its /phase and parameters to its /parameters"
    )


async def delete(request: Request) -> Response:
    """Delete the job, its work and its files."""
    here = context.of(request)
    script, job_id = job_of(request)
    await call(here.jobs.delete, script, job_id)
    return see_other(f"{here.addresses.jobs(script)}?LAST={AFTER_DELETION}")


async def phase(request: Request) -> Response:
    """Show the phase alone."""
    return PlainTextResponse(access.state_of(request).phase)


async def set_phase(request: Request) -> Response:
    """Run or abort the job."""
    wanted = (await dali.read(request)).one("PHASE")
    jobs = context.of(request).jobs
    if wanted == "RUN":
        await call(jobs.run, *job_of(request))
    elif wanted == "ABORT":
        await call(jobs.abort, *job_of(request))
    else:
        raise _missing("PHASE") if wanted is None else ParameterError("PHASE", wanted, "allowed: RUN, ABORT")
    return _to_job(request)


async def duration(request: Request) -> Response:
    """Show the executionDuration, in seconds."""
    return PlainTextResponse(str((await _get(request)).duration))


async def set_duration(request: Request) -> Response:
    """Set the executionDuration; the service may shorten it."""
    seconds = (await dali.read(request)).integer("EXECUTIONDURATION", 0, MAX_SECONDS)
    if seconds is None:
        raise _missing("EXECUTIONDURATION")
    await call(context.of(request).jobs.set_duration, *job_of(request), seconds)
    return _to_job(request)


async def destruction(request: Request) -> Response:
    """Show the destruction time."""
    return PlainTextResponse(format_instant((await _get(request)).destruction))


async def set_destruction(request: Request) -> Response:
    """Set the destruction time; the service may bring it forward."""
    text = (await dali.read(request)).one("DESTRUCTION")
    if text is None:
        raise _missing("DESTRUCTION")
    instant = parse_instant("DESTRUCTION", text)
    await call(context.of(request).jobs.set_destruction, *job_of(request), instant)
    return _to_job(request)


async def quote(request: Request) -> Response:
    """Show when the job is expected to be complete; empty where nobody knows."""
    return PlainTextResponse(format_instant((await _get(request)).quote))


async def owner(request: Request) -> Response:
    """Show who made the job; empty for anybody."""
    return PlainTextResponse((await _get(request)).owner or "")


async def error(request: Request) -> Response:
    """Show why the job failed, as the VOTable that DALI 1.1, section 4.2 wants, with status 200; SODA wants a text."""
    job = await _get(request)
    if job.phase is not Phase.ERROR:
        raise NotFoundError(f"The job {job.id} has no error; its phase is {job.phase}")
    message = job.error or "The job failed without saying why"
    if job.script == SODA:
        return PlainTextResponse(errors.soda_error(500 if job.tasks else 400, message) + "\n")
    return Response(votable.error(message), media_type=votable.CONTENT_TYPE)


async def parameters(request: Request) -> Response:
    """Show the parameters."""
    return _xml(document.parameters(await _get(request), context.of(request).addresses))


async def set_parameters(request: Request) -> Response:
    """Add or replace parameters, and set RUNID, while the job is PENDING (DALI 1.1, section 2.2)."""
    here = context.of(request)
    with here.jobs.inbox() as inbox:
        form = await dali.read(request, inbox)
        results.refuse_format(form, here.jobs.scripts.get(job_of(request)[0]))
        form, files = await sort_out(form, inbox, here.settings)
        run_id, given = form.one("RUNID"), form.without(CONTROL)
        if not (given or files) and run_id is None:
            raise RequestError("No parameter of the job was given")
        await access.join(request, run_id)
        await call(here.jobs.set_parameters, *job_of(request), given, run_id=run_id, files=files)
    return _to_job(request)


async def put_parameter(request: Request) -> Response:
    """Set one parameter while the job is PENDING: the body is its value (UWS 1.1, section 2.1.11).

    For a parameter that is a file the body is the file, and its media type that of the request.
    """
    here, name = context.of(request), dali.name(request.path_params["parameter"])
    script, job_id = job_of(request)
    spec = here.jobs.scripts.get(script).parameter(name)
    if spec is not None and spec.type == "file":
        with here.jobs.inbox() as inbox:
            files = {name: await dali.read_file(request, inbox)}
            await call(here.jobs.set_parameters, script, job_id, [], files=files)
        return _to_job(request)
    value = await dali.read_value(request, name)
    if name.upper() == "RUNID":
        await access.join(request, value)
        await call(here.jobs.set_parameters, script, job_id, [], run_id=value)
    elif name.upper() in CONTROL:
        raise RequestError(f"{name} controls the job and is no parameter of it")
    else:
        await call(here.jobs.set_parameters, script, job_id, [(name, value)])
    return _to_job(request)


async def parameter(request: Request) -> Response:
    """Show the value of one parameter as text, a line for each value of a repeated one; or the file it is."""
    job, name = await _get(request), request.path_params["parameter"]
    if found := await call(context.of(request).jobs.upload, *job_of(request), name):
        upload, content = found
        return send(request, content, upload.content_type, name, upload.checksum)
    values = [given.value for given in job.parameters if given.name.upper() == name.upper()]
    return PlainTextResponse("\n".join(values))


def _missing(name: str) -> RequestError:
    return RequestError(f"Parameter {name} is missing")
