"""The results of a job over HTTP: ``/scripts/{script}/async/{job}/results`` and each result below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from jobs.errors import NotFoundError
from jobs.service import Jobs
from uws import context, dali, document, picture, provenance, results
from uws.context import call, job_of

_PIECE = 1 << 18


async def show_all(request: Request) -> Response:
    """List the results."""
    here = context.of(request)
    job = await call(here.jobs.get, *job_of(request))
    return Response(document.result_list(job, here.addresses), media_type=document.CONTENT_TYPE)


async def show(request: Request) -> Response:
    """Serve one result: the product list, the provenance, a log or a product."""
    here, result_id = context.of(request), request.path_params["result"]
    if result_id == results.LIST or result_id.endswith(".log"):
        job = await call(here.jobs.get, *job_of(request))
        if result_id == results.LIST and not results.own_result(job):
            form = await dali.read(request)
            chosen = dali.response_format(form, results.FORMATS) if form.one("RESPONSEFORMAT") else results.form(job)
            listed = await call(results.product_list, job, here.addresses, chosen)
            return Response(listed, media_type=chosen.content_type)
        if task := results.logged_task(job, result_id):
            return StreamingResponse(_log(here.jobs, job.script, job.id, task.number), media_type="text/plain")
    if result_id in {provenance.JSON_ID, provenance.SVG_ID}:
        return await _provenance(request, result_id)
    return await _product(request, result_id)


async def _provenance(request: Request, result_id: str) -> Response:
    here = context.of(request)

    def gather() -> provenance.Provenance:
        job = here.jobs.get(*job_of(request))
        if not provenance.has_ended(job):
            raise NotFoundError(
                f"The job {job.id} has no {result_id} in phase {job.phase}; it has one when it has ended."
            )
        records = here.jobs.records(job.script, job.id)
        used = {record.checksum for record in records.values()}
        script = here.jobs.scripts.version(job.script, used.pop()) if len(used) == 1 else None
        return provenance.Provenance(job, records, script, here.settings.authority)

    found = await call(gather)
    if result_id == provenance.JSON_ID:
        return Response(await call(provenance.as_json, found, here.addresses), media_type="application/json")
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(await call(picture.as_svg, found), headers=headers, media_type="image/svg+xml")


async def _product(request: Request, name: str) -> Response:
    product, path = await call(context.of(request).jobs.product, *job_of(request), name)
    return send(path, product.content_type, product.name, product.checksum)


def send(path: Path, content_type: str, name: str, checksum: str) -> Response:
    """Serve a file that is written once and never changed, so that its checksum names it for ever.

    It comes from a stranger, or a stranger's script: a browser shall save it, not run it.
    """
    headers = {"ETag": f'"{checksum}"', "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type=content_type, filename=name, headers=headers)


def _log(jobs: Jobs, script: str, job_id: str, task: int) -> Iterator[bytes]:
    """Yield the log as it is now, piece by piece."""
    offset = 0
    while (chunk := jobs.log(script, job_id, task, offset, _PIECE)).data:
        yield chunk.data
        offset = chunk.next
