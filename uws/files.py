"""The results of a job over HTTP: ``/scripts/{script}/async/{job}/results`` and each result below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from jobs.service import Jobs
from uws import context, dali, document, results
from uws.context import call, job_of

_PIECE = 1 << 18


async def show_all(request: Request) -> Response:
    """List the results."""
    here = context.of(request)
    job = await call(here.jobs.get, *job_of(request))
    return Response(document.result_list(job, here.addresses), media_type=document.CONTENT_TYPE)


async def show(request: Request) -> Response:
    """Serve one result: the product list, a log or a product."""
    here, result_id = context.of(request), request.path_params["result"]
    if result_id == results.LIST or result_id.endswith(".log"):
        job = await call(here.jobs.get, *job_of(request))
        if result_id == results.LIST:
            form = await dali.read(request)
            chosen = dali.response_format(form, results.FORMATS) if form.one("RESPONSEFORMAT") else results.form(job)
            listed = await call(results.product_list, job, here.addresses, chosen)
            return Response(listed, media_type=chosen.content_type)
        if task := results.logged_task(job, result_id):
            return StreamingResponse(_log(here.jobs, job.script, job.id, task.number), media_type="text/plain")
    return await _product(request, result_id)


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
