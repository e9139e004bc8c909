"""The pages of the work: ``/jobs``, ``/jobs/{job}`` and ``/jobs/compare``; the buttons on them are POSTs to the job's.

A module of the page keeps what it shows up to date; without one it is loaded again every few seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from starlette.requests import Request
from starlette.responses import Response

from jobs.errors import NotFoundError, ParameterError, RequestError
from jobs.models import Job, Parameter, Product, Task
from jobs.phases import ACTIVE
from uws import access, context, dali, snippets
from uws.context import Context, call, job_of, see_other
from uws.page import page
from uws.provenance import SVG_ID, has_ended
from uws.results import log_id
from uws.running import REGIONS, again, former_job

LISTED = 200
"""How many jobs the list shows."""
TASKS = 500
"""How many tasks the page of a job shows."""
EXTENSION = timedelta(days=30)
"""By how much the button moves the destruction of a job; the service may cut it."""
PLOT = "application/json;content=plot"
TABLES = ("application/x-votable+xml", "application/fits", "text/csv")
"""The media types of products that are shown as a table."""


@dataclass(frozen=True)
class Shown:
    """A product as the page of a job shows it."""

    product: Product
    kind: str
    """``picture``, ``plot``, ``table``, ``image`` or ``file``."""


def kind_of(product: Product) -> str:
    """Return how a product is shown."""
    media_type = product.content_type.replace(" ", "")
    if media_type == PLOT:
        return "plot"
    if media_type == "image/png":
        return "picture"
    if media_type == "image/fits":
        return "image"
    return "table" if media_type.partition(";")[0] in TABLES else "file"


async def show_list(request: Request) -> Response:
    """List the client's jobs, newest first."""
    run_id = (await dali.read(request)).one("RUNID") or None
    _, right = await access.rights(request, run_id)
    owners = None if right else access.listed(request)
    found = await call(jobs_of, context.of(request), owners, run_id, LISTED)
    return page(request, "jobs.html", jobs=found, run_id=run_id, limit=LISTED, titles=titles(context.of(request)))


def jobs_of(here: Context, owners: Collection[str | None] | None, run_id: str | None, most: int) -> list[Job]:
    """Return the newest jobs of these owners, or of that run."""
    found = []
    for ref in here.jobs.refs(last=most, owners=owners, run_id=run_id):
        with suppress(NotFoundError):  # it may be deleted by now
            found.append(here.jobs.get(ref.script, ref.id))
    return found


def titles(here: Context) -> dict[str, str]:
    """Return the title of each script by its name."""
    return {name: here.jobs.scripts.get(name).title for name in here.jobs.scripts.names()}


async def show(request: Request) -> Response:
    """Show a job: what it does now, and what it has made."""
    here = context.of(request)
    job = await call(here.jobs.get, *job_of(request))
    snippet = snippets.of_job(job, here.addresses)
    return page(
        request,
        "job.html",
        sky=True,
        job=job,
        title=titles(here).get(job.script, job.script),
        active=job.phase in ACTIVE,
        tasks=job.tasks[:TASKS],
        groups=_groups(job),
        log_id=log_id,
        provenance=SVG_ID if has_ended(job) else None,
        latest=datetime.now(UTC) + timedelta(seconds=here.settings.retention_max),
        snippets=snippet,
        regions=REGIONS,
    )


def _groups(job: Job) -> list[tuple[Task, list[Shown]]]:
    """Return the products by the task that made them, pictures and plots first."""
    order = ["picture", "plot", "image", "table", "file"]
    found = []
    for task in job.tasks:
        made = [Shown(product, kind_of(product)) for product in job.products if product.task == task.number]
        if made:
            found.append((task, sorted(made, key=lambda one: order.index(one.kind))))
    return found


async def act(request: Request) -> Response:
    """Do what a button says: RUN, ABORT, AGAIN, EXTEND or DELETE."""
    here = context.of(request)
    action = (await dali.read(request)).one("ACTION")
    script, job_id = job_of(request)
    if action == "RUN":
        await call(here.jobs.run, script, job_id)
    elif action == "ABORT":
        await call(here.jobs.abort, script, job_id)
    elif action == "AGAIN":
        made = await again(request, await call(here.jobs.get, script, job_id))
        return see_other(here.addresses.at("jobs", made.id))
    elif action == "EXTEND":
        until = (await call(here.jobs.get, script, job_id)).destruction or datetime.now(UTC)
        await call(here.jobs.set_destruction, script, job_id, until + EXTENSION)
    elif action == "DELETE":
        await call(here.jobs.delete, script, job_id)
        return see_other(here.addresses.at("jobs"))
    else:
        raise ParameterError("ACTION", action or "", "allowed: RUN, ABORT, AGAIN, EXTEND, DELETE")
    return see_other(here.addresses.at("jobs", job_id))


async def compare(request: Request) -> Response:
    """Show two jobs, A and B, side by side: what was given, what they used and what they made."""
    form = await dali.read(request)
    names = form.all("JOB") or [name for key in ("A", "B") if (name := form.one(key))]
    if len(names) != 2:
        raise RequestError(f"{len(names)} jobs were given; two are compared, as A and B")
    first, second = [await former_job(request, name) for name in names]
    return page(
        request,
        "compare.html",
        jobs=(first, second),
        rows=_parameter_rows(first, second),
        pairs=_product_pairs(first, second),
        titles=titles(context.of(request)),
    )


def _parameter_rows(first: Job, second: Job) -> list[tuple[str, str, str]]:
    """Return the name of each parameter that one of the jobs was given, and its values in both."""
    names = dict.fromkeys(item.name for item in (*first.parameters, *second.parameters))
    return [(name, _values(first.parameters, name), _values(second.parameters, name)) for name in sorted(names)]


def _values(parameters: Sequence[Parameter], name: str) -> str:
    found = [item for item in parameters if item.name == name]
    return ", ".join(f"SHA-256 {item.upload.checksum[:16]}…" if item.upload else item.value for item in found)


def _product_pairs(first: Job, second: Job) -> list[tuple[Shown | None, Shown | None]]:
    """Return the products of both jobs that have one name, side by side; then those that have none beside them."""
    others = {product.name: product for product in second.products}
    pairs: list[tuple[Product | None, Product | None]] = []
    alone = []
    for product in first.products:
        if other := others.pop(product.name, None):
            pairs.append((product, other))
        else:
            alone.append(product)
    # What stands for the same in jobs on other datasets or of other scripts has another name.
    pairs += zip_longest(alone, others.values())
    return [(_shown(one), _shown(other)) for one, other in pairs]


def _shown(product: Product | None) -> Shown | None:
    return Shown(product, kind_of(product)) if product else None
