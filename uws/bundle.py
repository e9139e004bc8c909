"""The products of a job all at once: as a ZIP archive, as a script that downloads them, as links for desktop tools."""

from __future__ import annotations

import io
import shlex
import zipfile
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from jobs.errors import NotFoundError
from jobs.models import Job, Product
from uws import access, api, context, files, provenance, results
from uws.addresses import SODA
from uws.context import Context, call, job_of
from uws.picture import as_svg
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
    added = await call(_added, here, job)
    sizes = [(name, len(content)) for name, content in added] + [(one.name, one.size) for one in job.products]
    headers = {
        "Content-Length": str(length([(f"{_folder(job)}/{name}", size) for name, size in sizes])),
        "Content-Disposition": f'attachment; filename="{_folder(job)}.zip"',
        "X-Content-Type-Options": "nosniff",
        "X-Accel-Buffering": "no",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=_ZIP)
    return StreamingResponse(_zipped(here, job, added), headers=headers, media_type=_ZIP)


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


def _added(here: Context, job: Job) -> list[tuple[str, bytes]]:
    """Return what is in the archive beside the products: their list, and what they were made of, once that is known."""
    names = {product.name for product in job.products}
    found = []
    if not results.own_result(job):
        found.append((LIST, results.product_list(job, here.addresses)))
    if provenance.has_ended(job) and job.script != SODA:
        told = files.provenance_of(here, job)
        found += [(provenance.JSON_ID, provenance.as_json(told, here.addresses)), (provenance.SVG_ID, as_svg(told))]
    return [(name, content) for name, content in found if name not in names]


def _zipped(here: Context, job: Job, added: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the archive piece by piece; no more than a piece is ever in memory.

    Nothing is compressed: FITS files that are worth it are so already. The dates are that of the job, so that the same
    job makes the same archive.
    """
    sink, at = _Sink(), job.created.timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, data in added:
            yield from _put(archive, sink, zipfile.ZipInfo(f"{_folder(job)}/{name}", at), len(data), [data])
        for product in job.products:
            _, content = here.jobs.product(job.script, job.id, product.name)
            info = zipfile.ZipInfo(f"{_folder(job)}/{product.name}", at)
            yield from _put(archive, sink, info, product.size, content.read(0, content.size))
    yield sink.taken()


def _put(
    archive: zipfile.ZipFile, sink: _Sink, info: zipfile.ZipInfo, size: int, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=_is_large(size)) as entry:
        for piece in pieces:
            entry.write(piece)
            yield sink.taken()
    yield sink.taken()


def _is_large(number: int) -> bool:
    """Whether a size or a place in an archive is written in 64 bits."""
    return number > zipfile.ZIP64_LIMIT


def length(entries: Sequence[tuple[str, int]]) -> int:
    """Return the bytes of the archive that holds files of these names and sizes (APPNOTE.TXT 6.3.10, section 4.3).

    Each has a header of 30 bytes, its content, and, as it is written without going back, a descriptor of 16 bytes; the
    directory at the end 46 bytes for each and an end of 22. Names come on top, and fields of 64 bits where 32 are too
    few.
    """
    at, directory = 0, 0
    for name, size in entries:
        named = len(name.encode())
        wide = 2 * _is_large(size) + _is_large(at)
        directory += 46 + named + (4 + 8 * wide if wide else 0)
        at += 30 + named + size + (20 + 24 if _is_large(size) else 16)
    large = len(entries) >= zipfile.ZIP_FILECOUNT_LIMIT or _is_large(at) or _is_large(directory)
    return at + directory + (56 + 20 if large else 0) + 22


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
