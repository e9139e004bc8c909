"""The jobs for programs: the UWS resources once more, as JSON.

Everything is done by the handlers of :mod:`uws.joblist` and :mod:`uws.job`; only the answers are others. A job is
found at ``/api/jobs/{job}``, whatever its script. What is posted is a form as everywhere, or the same as a JSON object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import wraps
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from jobs.models import Job, JobRef
from jobs.service import LogChunk
from uws import context, dali, job, joblist, representation
from uws.addresses import Addresses
from uws.context import call, job_of
from uws.routing import Handler

JSON = "application/json"
_BATCH = 500


async def show_list(request: Request) -> Response:
    """List the jobs of all scripts, or of one, newest first, that pass all filters."""
    script = request.path_params.get("script") or (await dali.read(request)).one("SCRIPT")
    return await joblist.stream(request, script, list_as_json, JSON)


def list_as_json(refs: Iterable[JobRef], addresses: Addresses) -> Iterator[bytes]:
    """Yield the job list in pieces, so that a list of any length is never in memory as a whole."""
    remaining = iter(refs)
    before = b'{"jobs":['
    while batch := list(islice(remaining, _BATCH)):
        yield before + b",".join(representation.of_ref(ref, addresses).model_dump_json().encode() for ref in batch)
        before = b","
    yield b"]}" if before == b"," else before + b"]}"


def job_as_json(job: Job, addresses: Addresses) -> bytes:
    """Return all that is known of a job."""
    return representation.of_job(job, addresses).model_dump_json().encode()


async def create(request: Request) -> Response:
    """Make a job, and run it if PHASE=RUN comes along."""
    ref = await joblist.made(request)
    here = context.of(request)
    headers = {"Location": here.addresses.details(ref.id)}
    made = await call(here.jobs.get, ref.script, ref.id)
    return Response(job_as_json(made, here.addresses), 201, headers, JSON)


async def estimate(request: Request) -> Response:
    """Tell how many tasks a job with these parameters would have, and how many seconds it would take from now.

    The seconds are null where nobody knows: no task of the script has been completed yet.
    """
    here, form = context.of(request), await dali.read(request)
    foreseen = await call(here.jobs.foresee, request.path_params["script"], form.without(joblist.CONTROL))
    shown = representation.Estimate(tasks=foreseen.tasks, seconds=foreseen.seconds)
    return Response(shown.model_dump_json(), media_type=JSON)


async def show_job(request: Request) -> Response:
    """Show the job; with WAIT, once its phase changes or the time is over."""
    return await job.shown(request, "json", job_as_json, JSON)


def part(name: str) -> Handler:
    """Return a handler that shows one part of a job alone."""

    async def show(request: Request) -> Response:
        here = context.of(request)
        shown = representation.of_job(await call(here.jobs.get, *job_of(request)), here.addresses)
        return Response(shown.model_dump_json(include={name}), media_type=JSON)

    show.__doc__ = f"Show {name} of the job alone."
    return show


def changing(control: Handler) -> Handler:
    """Return a handler that does what ``control`` does and shows the job then."""

    @wraps(control)
    async def handler(request: Request) -> Response:
        await control(request)
        here = context.of(request)
        found = await call(here.jobs.get, *job_of(request))
        return Response(job_as_json(found, here.addresses), media_type=JSON)

    return handler


async def delete(request: Request) -> Response:
    """Delete the job, its work and its files."""
    await job.delete(request)
    return Response(status_code=204)


async def show_log(request: Request) -> Response:
    """Show the log of a task from OFFSET on; below 0 it is counted from the end.

    ``Amora-Log-Offset`` is where the piece begins, ``Amora-Log-Next`` the offset to go on from, ``Amora-Log-Size`` how
    long the log is, ``Amora-Log-Ended`` whether nothing more will come.
    """
    offset = (await dali.read(request)).integer("OFFSET", -(2**62), 2**62) or 0
    here, (script, job_id), number = context.of(request), job_of(request), request.path_params["task"]

    def read() -> tuple[LogChunk, int]:
        chunk = here.jobs.log(script, job_id, number, offset)
        return chunk, here.jobs.log_size(job_id, number)

    chunk, size = await call(read)
    headers = {
        "Amora-Log-Offset": str(chunk.next - len(chunk.data)),
        "Amora-Log-Next": str(chunk.next),
        "Amora-Log-Size": str(max(size, chunk.next) if chunk.data else size),
        "Amora-Log-Ended": "true" if chunk.ended else "false",
    }
    return Response(chunk.data, headers=headers, media_type="text/plain")
