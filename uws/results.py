"""What a job hands back: product list, products, provenance and logs, as results of UWS 1.1, section 2.2.2.3.

The first result is always ``result``, a VOTable that lists the products: clients made for TAP look for it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.descriptor import Script, slug
from jobs.errors import NotFoundError
from jobs.models import Job, Task
from jobs.native import Native
from jobs.phases import FINAL, Phase
from uws.addresses import SODA, Addresses
from uws.dali import Form, Format, response_format
from uws.provenance import JSON_ID, SVG_ID, has_ended
from uws.tabular import CSV, VOTABLE, csv_table
from uws.votable import Cell, Column, table

LIST = "result"
"""The id of the product list."""

FORMATS = (VOTABLE, CSV)

COLUMNS = (
    Column("task", "int", "Number of the task", ucd="meta.id"),
    Column("dataset", "unicodeChar", "Dataset the task worked on: OBS/CAMERA/EXPOSURE", ucd="meta.id;obs"),
    Column("status", "char", "Phase of the task", ucd="meta.code.status"),
    Column("message", "unicodeChar", "What the task said last, or why it failed", ucd="meta.note"),
    Column("name", "unicodeChar", "Name of the product, also its UWS result id", ucd="meta.id;meta.file"),
    Column("address", "unicodeChar", "Where the product is", ucd="meta.ref.url"),
    Column("content_type", "char", "Media type of the product", ucd="meta.code.mime"),
    Column("content_length", "long", "Size of the product", unit="byte", ucd="phys.size;meta.file"),
    Column("checksum", "char", "SHA-256 of the product, hexadecimal", ucd="meta.checksum"),
    Column("description", "unicodeChar", "What the product is", ucd="meta.note;meta.file"),
)


@dataclass(frozen=True)
class Result:
    """An entry in the result list of a job."""

    id: str
    content_type: str
    size: int | None = None


def results(job: Job) -> list[Result]:
    """Return the results of a job in their order; none before it has started."""
    if not has_results(job):
        return []
    if job.script == SODA:
        return _of_cutouts(job)
    listed = [] if own_result(job) else [Result(LIST, form(job).content_type)]
    listed += [Result(product.name, product.content_type, product.size) for product in job.products]
    if has_ended(job):
        listed += [Result(JSON_ID, "application/json"), Result(SVG_ID, "image/svg+xml")]
    listed += [Result(log_id(task), "text/plain") for task in job.tasks if task.started]
    return listed


def _of_cutouts(job: Job) -> list[Result]:
    """Return one result for each combination of values, in their order, and nothing else (SODA 1.0, section 5)."""
    made = {product.task: Result(product.name, product.content_type, product.size) for product in job.products}
    made |= {task.number: Result(reason_id(task), "text/plain") for task in without_product(job)}
    return [made[number] for number in sorted(made)]


def without_product(job: Job) -> list[Task]:
    """Return the tasks of a cut-out that have ended and made nothing: each has a result that says why."""
    made = {product.task for product in job.products}
    return [task for task in job.tasks if task.phase in FINAL and task.number not in made]


def reason_id(task: Task) -> str:
    """Return the id of the result that says why a task made nothing."""
    return f"{slug(task.dataset, task.number)}_{task.number}.txt"


def refuse_format(form: Form, script: Script) -> None:
    """Refuse a format in which the product list cannot be had; a script of the service's own has formats of its own.

    :raises ParameterError: it cannot.
    """
    if script.name == SODA:
        response_format(form, (Format("fits", script.products[0].content_type),))
    elif not isinstance(script, Native):
        response_format(form, FORMATS)


def has_results(job: Job) -> bool:
    """Whether the job has results: it has been started, and not been archived."""
    return job.started is not None and job.phase is not Phase.ARCHIVED


def own_result(job: Job) -> bool:
    """Whether a product of the job is its result, and no list is wanted (TAP 1.1, section 2.2.3)."""
    return any(product.name == LIST for product in job.products)


def form(job: Job) -> Format:
    """Return the format of the product list that the job was made with; that of a cut-out is of its products."""
    if job.script == SODA:
        return VOTABLE
    given = tuple((item.name, item.value) for item in job.parameters if item.name.upper() == "RESPONSEFORMAT")
    return response_format(Form(given), FORMATS)


def log_id(task: Task) -> str:
    """Return the result id of a task's log."""
    return f"{slug(task.dataset, task.number)}.log"


def logged_task(job: Job, result_id: str) -> Task | None:
    """Return the task whose log has that result id, None where it is no log of the job."""
    if not has_results(job):
        return None
    return next((task for task in job.tasks if task.started and log_id(task) == result_id), None)


def product_list(job: Job, addresses: Addresses, chosen: Format = VOTABLE) -> bytes:
    """Return the product list: a row for each product, and one for each task without any.

    :raises NotFoundError: the job has not started.
    """
    if not has_results(job):
        raise NotFoundError(f"The job {job.id} has no results in phase {job.phase}")
    rows = _rows(job, addresses)
    if chosen.name == CSV.name:
        return csv_table(COLUMNS, rows)
    return table("products", f"Products of the {job.script} job {job.id}", COLUMNS, rows)


def _rows(job: Job, addresses: Addresses) -> Iterator[tuple[Cell, ...]]:
    for task in job.tasks:
        about: tuple[Cell, ...] = (task.number, task.dataset, str(task.phase), task.message or None)
        products = [product for product in job.products if product.task == task.number]
        if not products:
            yield *about, None, None, None, None, None, None
        for product in products:
            yield (
                *about,
                product.name,
                addresses.result(job.script, job.id, product.name),
                product.content_type,
                product.size,
                product.checksum,
                product.description,
            )


def failed(job: Job) -> int:
    """Return how many tasks of the job have failed."""
    return sum(task.phase is Phase.ERROR for task in job.tasks)
