"""The jobs as JSON, for programs: the same model as the UWS documents, with each task.

A job has ``id, script, address, phase, run_id, owner, created, started, ended, execution_duration,
destruction, quote, error, version, progress, results`` (an address) and three lists: ``parameters`` of ``name, value``,
or of ``name, address, content_type, size, checksum`` where a file was sent; ``tasks`` of ``number, dataset, phase,
attempt, progress, message, cpu_seconds, peak_memory`` (bytes), ``started, ended, log``; and ``products`` of ``name,
task, dataset, address, content_type, size, checksum, description``. Instants are texts as in UWS, or null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jobs.models import Job, JobRef, Parameter
from uws import access, conditional, context, dali
from uws.addresses import Addresses
from uws.context import call, job_of
from uws.times import format_instant


def _instant(value: datetime | None) -> str | None:
    return format_instant(value) or None


def ref_as_json(ref: JobRef, addresses: Addresses) -> dict[str, Any]:
    """Return what the job list says of a job."""
    return {
        "id": ref.id,
        "script": ref.script,
        "address": addresses.job(ref.script, ref.id),
        "phase": str(ref.phase),
        "run_id": ref.run_id,
        "owner": ref.owner,
        "created": _instant(ref.created),
    }


def job_as_json(job: Job, addresses: Addresses) -> dict[str, Any]:
    """Return all that is known of a job."""
    return {
        **ref_as_json(job, addresses),
        "started": _instant(job.started),
        "ended": _instant(job.ended),
        "execution_duration": job.duration,
        "destruction": _instant(job.destruction),
        "quote": _instant(job.quote),
        "error": job.error,
        "version": job.version,
        "progress": round(job.progress, 4),
        "results": addresses.job(job.script, job.id, "results"),
        "parameters": [_parameter(job, given, addresses) for given in job.parameters],
        "tasks": [
            {
                "number": task.number,
                "dataset": task.dataset,
                "phase": str(task.phase),
                "attempt": task.attempt,
                "progress": round(task.progress, 4),
                "message": task.message,
                "cpu_seconds": round(task.usage.cpu, 3),
                "peak_memory": task.usage.memory,
                "started": _instant(task.started),
                "ended": _instant(task.ended),
                "log": addresses.log(job.script, job.id, task.number),
            }
            for task in job.tasks
        ],
        "products": [
            {
                "name": product.name,
                "task": product.task,
                "dataset": product.dataset,
                "address": addresses.result(job.script, job.id, product.name),
                "content_type": product.content_type,
                "size": product.size,
                "checksum": product.checksum,
                "description": product.description,
            }
            for product in job.products
        ],
    }


def _parameter(job: Job, given: Parameter, addresses: Addresses) -> dict[str, Any]:
    if given.upload is None:
        return {"name": given.name, "value": given.value}
    return {
        "name": given.name,
        "address": addresses.job(job.script, job.id, "parameters", given.name),
        "content_type": given.upload.content_type,
        "size": given.upload.size,
        "checksum": given.upload.checksum,
    }


async def show_job(request: Request) -> Response:
    """Show a job."""
    here = context.of(request)

    def make() -> tuple[int, bytes]:
        job = here.jobs.get(*job_of(request))
        return job.version, bytes(JSONResponse(job_as_json(job, here.addresses)).body)

    found = await here.renderings.get("json", job_of(request)[1], access.state_of(request), make)
    return conditional.answer(request, found.content, found.tag, "application/json")


async def show_log(request: Request) -> Response:
    """Show the log of a task from ``offset`` on.

    ``Amora-Log-Next`` is the offset to go on from, ``Amora-Log-Ended`` whether nothing more will come.
    """
    offset = (await dali.read(request)).integer("OFFSET", 0, 2**62) or 0
    number = request.path_params["task"]
    chunk = await call(context.of(request).jobs.log, *job_of(request), number, offset)
    headers = {"Amora-Log-Next": str(chunk.next), "Amora-Log-Ended": "true" if chunk.ended else "false"}
    return Response(chunk.data, headers=headers, media_type="text/plain")
