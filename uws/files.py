"""The results of a job over HTTP: ``/scripts/{script}/async/{job}/results`` and each result below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from jobs.errors import NotFoundError
from jobs.models import Job
from jobs.service import Jobs
from jobs.storage import Content
from uws import context, dali, document, picture, provenance, results, soda
from uws.addresses import SODA
from uws.context import Context, call, job_of

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
    if job_of(request)[0] == SODA and result_id.endswith(".txt"):
        return soda.reason(await call(here.jobs.get, *job_of(request)), result_id)
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
        return provenance_of(here, job)

    found = await call(gather)
    if result_id == provenance.JSON_ID:
        return Response(await call(provenance.as_json, found, here.addresses), media_type="application/json")
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(await call(picture.as_svg, found), headers=headers, media_type="image/svg+xml")


def provenance_of(here: Context, job: Job) -> provenance.Provenance:
    """Return what is known of how a job was made."""
    records = here.jobs.records(job.script, job.id)
    used = {record.checksum for record in records.values()}
    script = here.jobs.scripts.version(job.script, used.pop()) if len(used) == 1 else None
    return provenance.Provenance(job, records, script, here.settings.authority)


async def _product(request: Request, name: str) -> Response:
    product, content = await call(context.of(request).jobs.product, *job_of(request), name)
    return send(request, content, product.content_type, product.name, product.checksum)


def send(request: Request, content: Content, content_type: str, name: str, checksum: str) -> Response:
    """Serve a file that is written once and never changed, so that its checksum names it for ever.

    It comes from a stranger, or a stranger's script: a browser shall save it, not run it.
    """
    headers = {"ETag": f'"{checksum}"', "X-Content-Type-Options": "nosniff"}
    if content.path is not None:
        return FileResponse(content.path, media_type=content_type, filename=name, headers=headers)
    headers |= {"Accept-Ranges": "bytes", "Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    status, start, stop = 200, 0, content.size
    wanted = request.headers.get("range")
    if wanted and request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        match _piece(wanted, content.size):
            case (start, stop) if start < stop:
                status = 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
            case (_, _):
                headers["Content-Range"] = f"bytes */{content.size}"
                return Response(status_code=416, headers=headers)
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=content_type)
    return StreamingResponse(content.read(start, stop), status, headers, content_type)


def _piece(wanted: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last of the one range wanted (RFC 9110, section 14.1.2).

    None is for all: where several ranges are wanted, or it is no range.
    """
    match = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", wanted)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    start, last = int(match[1]), int(match[2] or size)
    return (start, min(last + 1, size)) if start <= last else None


def _log(jobs: Jobs, script: str, job_id: str, task: int) -> Iterator[bytes]:
    """Yield the log as it is now, piece by piece."""
    offset = 0
    while (chunk := jobs.log(script, job_id, task, offset, _PIECE)).data:
        yield chunk.data
        offset = chunk.next
