"""The products of a job all at once: as a ZIP archive, as a script that downloads them, as links for desktop tools."""

from __future__ import annotations

import io
import shlex
import zipfile
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from jobs.errors import NotFoundError
from jobs.models import Job, Product
from jobs.storage import Content
from uws import access, api, context, files, results
from uws.context import Context, call, job_of
from uws.representation import Address, Instant
from uws.signing import DOWNLOADS, LINKS

LIST = "products.vot"
"""The list of the products, in the archive."""
_ZIP = "application/zip"


class Link(BaseModel):
    """A result of a job, for whoever has the link."""

    name: str
    href: Address
    content_type: str


class Links(BaseModel):
    """The results of a job, as links that are good for a short time and need no cookie and no password."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    expires: Instant
    links: list[Link]
    """In the order of the result list."""


async def links(request: Request) -> Response:
    """Give links to the results that are good for 15 minutes and need neither cookie nor password.

    They are for desktop tools that a page has fetch a file (SAMP); whoever has one can read all results of the job.
    """
    here = context.of(request)
    job = await call(here.jobs.get, *job_of(request))
    capability, until = await call(here.signer.capability, job.id, LINKS)
    made = [
        Link(name=item.id, href=here.addresses.open_result(capability, item.id), content_type=item.content_type)
        for item in results.results(job)
    ]
    answer = Response(Links(expires=until, links=made).model_dump_json(), media_type=api.JSON)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def open_result(request: Request) -> Response:
    """Serve a result to whoever has a link to it that is good for a short time."""
    here = context.of(request)
    request.path_params["job"] = await call(here.signer.job_of, request.path_params["capability"])
    await access.look(request)
    answer = await files.show(request)
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


async def archive(request: Request) -> Response:
    """Give all products as one ZIP archive, which is made while it is sent."""
    here = context.of(request)
    job = await call(_with_products, here, job_of(request))
    await call(here.jobs.product, job.script, job.id, job.products[0].name)  # says now that the storage is away
    headers = {
        "Content-Disposition": f'attachment; filename="{_folder(job)}.zip"',
        "X-Content-Type-Options": "nosniff",
        "X-Accel-Buffering": "no",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=_ZIP)
    return StreamingResponse(_zipped(here, job), headers=headers, media_type=_ZIP)


def _with_products(here: Context, key: tuple[str, str]) -> Job:
    job = here.jobs.get(*key)
    if not job.products:
        raise NotFoundError(f"The job {job.id} has no products in phase {job.phase}.")
    return job


def _folder(job: Job) -> str:
    return f"amora-{job.script}-{job.id}"


class _Sink(io.RawIOBase):
    """Takes what the archive is made of and gives it away again."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what has come in since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _zipped(here: Context, job: Job) -> Iterator[bytes]:
    """Yield the archive piece by piece; no more than a piece is ever in memory.

    Nothing is compressed: FITS files that are worth it are so already. The dates are that of the job, so that the same
    job makes the same archive.
    """
    sink, at = _Sink(), job.created.timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        if not results.own_result(job) and all(product.name != LIST for product in job.products):
            info = zipfile.ZipInfo(f"{_folder(job)}/{LIST}", at)
            archive.writestr(info, results.product_list(job, here.addresses))
        for product in job.products:
            _, content = here.jobs.product(job.script, job.id, product.name)
            yield from _put(archive, sink, zipfile.ZipInfo(f"{_folder(job)}/{product.name}", at), content)
    yield sink.taken()


def _put(archive: zipfile.ZipFile, sink: _Sink, info: zipfile.ZipInfo, content: Content) -> Iterator[bytes]:
    info.external_attr = 0o644 << 16
    info.file_size = content.size
    with archive.open(info, "w", force_zip64=content.size >= zipfile.ZIP64_LIMIT) as entry:
        for piece in content.read(0, content.size):
            entry.write(piece)
            yield sink.taken()
    yield sink.taken()


_SCRIPT = """#!/bin/sh
# Downloads the {count} product(s) of the Amora job {job} into a folder and checks them.
# sh {name} [FOLDER]
# What is there already is not downloaded again; what has begun is gone on with.
{note}set -eu
folder=${{1:-{folder}}}
mkdir -p "$folder"
cd "$folder"

get() {{ # name, SHA-256, address
    if [ -f "./$1" ] && echo "$2  ./$1" | sha256sum -c --status; then
        echo "$1 is there"
        return
    fi
    curl -fL --retry 3 -C - -o "./$1.part" ${{AMORA_TOKEN:+-H "Authorization: Bearer $AMORA_TOKEN"}} "$3"
    echo "$2  ./$1.part" | sha256sum -c --status || {{
        rm -f "./$1.part"
        echo "$1 has not arrived as it was made; please try again" >&2
        exit 1
    }}
    mv "./$1.part" "./$1"
}}

{lines}
"""


async def script(request: Request) -> Response:
    """Give a shell script that downloads all products with curl and checks them."""
    here = context.of(request)
    job = await call(_with_products, here, job_of(request))
    note, capability = "", None
    if job.owner is not None:
        capability, until = await call(here.signer.capability, job.id, DOWNLOADS)
        note = f"# Its addresses are good until {until:%Y-%m-%dT%H:%M:%SZ}, for whoever has them.\n"
    name = f"{_folder(job)}.sh"
    text = _SCRIPT.format(
        count=len(job.products),
        job=job.id,
        name=name,
        folder=_folder(job),
        note=note,
        lines="\n".join(_line(here, job, product, capability) for product in job.products),
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(text, headers=headers, media_type="text/x-shellscript")


def _line(here: Context, job: Job, product: Product, capability: str | None) -> str:
    if capability is None:
        address = here.addresses.result(job.script, job.id, product.name)
    else:
        address = here.addresses.open_result(capability, product.name)
    return " ".join(map(shlex.quote, ("get", product.name, product.checksum, address)))
