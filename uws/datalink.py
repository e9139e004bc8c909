"""What there is of a dataset: ``/datalink/links?ID=`` (DataLink 1.1), its files, and its coverage.

Rows of a dataset: each of its files, the coverage as a MOC, cut-outs of it, and for each script that works on it one
that names a service descriptor (:mod:`uws.descriptors`). An ID that cannot be answered has a row that says why.

``/datasets/OBS/CAMERA/EXPOSURE/NAME`` is a file of a dataset, ``/datasets/OBS/CAMERA/EXPOSURE/coverage`` its MOC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from index.columns import Column
from index.dataset import Dataset, File
from index.errors import DatasetIdError, UnknownDatasetError
from jobs.descriptor import Script
from jobs.errors import NotFoundError
from jobs.validator import refusal
from uws import access, context, dali, descriptors, errors, services, votable
from uws.addresses import SODA, Addresses
from uws.client import Client, client_of
from uws.context import Context, call
from uws.dali import Format
from uws.tabular import VOTABLE
from uws.votable import Cell

CONTENT_TYPE = "application/x-votable+xml;content=datalink"
FORMAT = Format("votable", CONTENT_TYPE, VOTABLE.others)
MAX_IDS = 1000
"""Ids in one request; of further ones the answer says that it overflows."""
COVERAGE = "coverage"
"""The name of the MOC of a dataset's coverage, beside its files."""

COLUMNS = (
    Column("ID", "char", "Id of the dataset, as it was given", ucd="meta.id;meta.main"),
    Column("access_url", "char", "Where it is", ucd="meta.ref.url"),
    Column("service_def", "char", "Descriptor of the service to call", ucd="meta.ref"),
    Column("error_message", "unicodeChar", "Why there is nothing", ucd="meta.code.error"),
    Column("description", "unicodeChar", "What it is", ucd="meta.note"),
    Column("semantics", "char", "What it is to the dataset", ucd="meta.code"),
    Column("content_type", "char", "Media type", ucd="meta.code.mime"),
    Column("content_length", "long", "Size", unit="byte", ucd="phys.size;meta.file"),
    Column("link_auth", "char", "Whether one must say who one is: true or false", ucd="meta.code"),
    Column("link_authorized", "boolean", "Whether it is open to whoever asks", ucd="meta.code"),
)

SEMANTICS = {
    "events": "#this",
    "exposure_map": "#calibration",
    "background_map": "#calibration",
    "flare_background": "#calibration",
    "detector_mask": "#calibration",
    "response": "#calibration",
    "arf": "#calibration",
    "preview": "#preview",
    "thumbnail": "#thumbnail",
    "documentation": "#documentation",
}
"""Terms of the vocabulary http://www.ivoa.net/rdf/datalink/core for kinds of files; others are auxiliary."""


async def links(request: Request) -> Response:
    """Tell what there is of each dataset that ID names."""
    errors.set_form(request, "fault")
    here = context.of(request)
    form = await dali.read(request)
    chosen = dali.response_format(form, (FORMAT,))
    ids = list(dict.fromkeys(value for value in form.all("ID") if value.strip()))
    content = await call(lambda: b"".join(document(here, ids, client_of(request))))
    return Response(content, headers={"Content-Type": chosen.content_type})


def document(here: Context, ids: Sequence[str], client: Client) -> Iterator[bytes]:
    """Give the links of datasets as a VOTable, with the descriptors of the services that they name.

    :param client: for whom.
    """
    used: dict[str, Script] = {}
    found: list[Dataset] = []
    rows = [row + _auth(here, row, client) for id_ in ids[:MAX_IDS] for row in _rows(here, id_, used, found)]
    only = found[0] if len(found) == 1 else None
    resources = [
        descriptors.of_cutout(script, here.addresses, name, "ID", only)
        if script.name == SODA
        else descriptors.of_script(script, here.addresses, name, "ID")
        for name, script in used.items()
    ]
    return votable.document(
        "links",
        "What there is of each dataset",
        COLUMNS,
        rows,
        overflow=len(ids) > MAX_IDS,
        infos=[("standardID", services.LINKS)],
        resources=[*resources, descriptors.of_links(here.addresses)],
        identified=("ID",),
    )


def _rows(here: Context, given: str, used: dict[str, Script], found: list[Dataset]) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of a dataset; note the services that they name, and the dataset."""
    index = here.engine.index
    try:
        dataset = index.get(index.short_id(given))
    except DatasetIdError as error:
        yield given, None, None, f"UsageFault: {error}", None, "#this", None, None
        return
    except UnknownDatasetError as error:
        yield given, None, None, f"NotFoundFault: {error}", None, "#this", None, None
        return
    found.append(dataset)
    place = _place(here.addresses, dataset)
    for file in dataset.files:
        term, size = semantics(file.kind), _size(file)
        if size is None and _elsewhere(file) is None:
            why = f"NotFoundFault: the file {_name(file)} is not where it was indexed"
            yield given, None, None, why, None, term, None, None
            continue
        address = f"{place}/{quote(_name(file), safe='')}"
        about = f"{file.kind.replace('_', ' ')}: {_name(file)}"
        yield given, address, None, None, about, term, file.content_type, size
    yield given, f"{place}/{COVERAGE}", None, None, "Coverage as a MOC", "#auxiliary", "application/fits", None
    kinds = [file.kind for file in dataset.files]
    cutout = here.jobs.scripts.find(SODA)
    if cutout is not None and refusal(cutout, dataset.camera, kinds) is None:
        for form in ("sync", "async"):
            used[f"soda_{form}"] = cutout
            about = f"{cutout.title}: {cutout.summary} (SODA, {form})"
            yield given, None, f"soda_{form}", None, about, "#cutout", cutout.products[0].content_type, None
    for name in here.jobs.scripts.names():
        script = here.jobs.scripts.get(name)
        if script.accepts.datasets and refusal(script, dataset.camera, kinds) is None:
            identifier = f"script_{name}"
            used[identifier] = script
            made = script.products[0].content_type if script.products else None
            yield given, None, identifier, None, f"{script.title}: {script.summary}", "#proc", made, None


def _auth(here: Context, row: tuple[Cell, ...], client: Client) -> tuple[Cell, Cell]:
    """Return link_auth and link_authorized of a row (DataLink 1.1, section 3.2.10 and 11)."""
    settings, (_, address, service, *_) = here.settings, row
    if service is not None:
        return str(not settings.anonymous).lower(), access.may_make_jobs(settings, client)
    if address is None:
        return None, None
    if str(address).endswith(f"/{COVERAGE}"):
        return "false", True
    return str(settings.dataset_files != "anybody").lower(), access.may_have_files(settings, client)


def semantics(kind: str) -> str:
    """Return the term of the DataLink vocabulary for a kind of file."""
    return SEMANTICS.get(kind, "#auxiliary")


def _place(addresses: Addresses, dataset: Dataset) -> str:
    return addresses.at("datasets", *dataset.id.split("/"))


def _name(file: File) -> str:
    return file.path.name


def _elsewhere(file: File) -> str | None:
    """Return the address of a file that anybody can ask for, None where it lies here or in a bucket."""
    return file.address if file.address is not None and file.address.startswith("http") else None


def _size(file: File) -> int | None:
    """Return the bytes of a file, None where it does not lie here."""
    try:
        return file.path.stat().st_size
    except OSError:
        return None


def _dataset(request: Request) -> Dataset:
    here, path = context.of(request), request.path_params
    id_ = "/".join((path["observation"], path["camera"], path["exposure"]))
    try:
        return here.engine.index.get(here.engine.index.short_id(id_))
    except (DatasetIdError, UnknownDatasetError) as error:
        raise NotFoundError(f"There is no dataset {id_}.") from error


async def file(request: Request) -> Response:
    """Serve a file of a dataset, or lead to where it is."""
    access.admit_to_files(request)
    dataset, name = await call(_dataset, request), request.path_params["file"]
    for found in dataset.files:
        if _name(found) == name:
            if address := _elsewhere(found):
                return RedirectResponse(address)
            if not await call(found.path.is_file):
                raise NotFoundError(f"The file {name} of the dataset {dataset.id} is not where it was indexed.")
            headers = {"X-Content-Type-Options": "nosniff"}
            return FileResponse(found.path, media_type=found.content_type, filename=name, headers=headers)
    raise NotFoundError(f"The dataset {dataset.id} has no file {name}.")


async def coverage(request: Request) -> Response:
    """Serve the coverage of a dataset as a MOC in FITS (MOC 2.0)."""
    here, dataset = context.of(request), await call(_dataset, request)

    def moc() -> bytes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "coverage.fits"
            here.engine.index.coverage(dataset.id).save(path, format="fits")
            return path.read_bytes()

    name = dataset.id.replace("/", "_") + "_coverage.fits"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(await call(moc), headers=headers, media_type="application/fits")
