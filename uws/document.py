"""The XML documents of UWS 1.1 (appendix B): job list, job, parameters and results.

The schema fixes the order of the elements and which of them may be nil; each document validates against it in
every phase, and names the stylesheet by which a browser shows it as a page. ``jobInfo`` holds one element ``amora``
with these children, all in no namespace: a validator is sent looking for the schema of any other (taplint warns of
one it does not know).

``script``
    the name of the script the job runs;
``progress``
    from 0 to 1, the mean progress of the tasks;
``tasks``
    attributes ``total``, ``done`` (ended in any way) and ``failed``;
``session``
    the runId, which all jobs of a session share; absent where it has none;
``resources``
    what the scripts took so far, summed over ended tasks: attributes ``cpu`` (seconds of processor time of all their
    processes) and ``memory`` (bytes that the largest single process had in memory at its peak),
    ``read`` and ``written`` (bytes that they read and wrote);
``message``
    what the task that is furthest from done said last, absent where it said nothing;
``details``
    the address of the job as JSON, with each task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import islice
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from jobs.models import Job, JobRef
from jobs.phases import FINAL, Phase
from uws.addresses import Addresses
from uws.markup import NIL, XSI, add, clean, serialise, styled_by
from uws.results import failed, results
from uws.times import format_instant

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
VERSION = "1.1"
CONTENT_TYPE = "application/xml"

_NAMESPACES = {"uws": UWS, "xlink": XLINK, "xsi": XSI}
_HREF = f"{{{XLINK}}}href"
_BATCH = 500


def job_list(refs: Iterable[JobRef], addresses: Addresses) -> Iterator[bytes]:
    """Yield the job list in pieces, so that a list of any length is never in memory as a whole.

    Written as text: a list can have 10,000 jobs, and building elements takes five times as long.
    """
    style = etree.tostring(styled_by(addresses.stylesheet)).decode()
    names = " ".join(f"xmlns:{prefix}={quoteattr(name)}" for prefix, name in _NAMESPACES.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{style}\n<uws:jobs {names} version="{VERSION}">\n'
    remaining, address = iter(refs), cache(lambda script: escape(addresses.jobs(script), {'"': "&quot;"}))
    while batch := list(islice(remaining, _BATCH)):
        yield "".join([text, *(_ref(ref, address(ref.script)) for ref in batch)]).encode()
        text = ""
    yield f"{text}</uws:jobs>\n".encode()


def _ref(ref: JobRef, address: str) -> str:
    # An id is made of letters and digits.
    run_id = "" if ref.run_id is None else f"<uws:runId>{escape(clean(ref.run_id))}</uws:runId>"
    owner = ">" + escape(clean(ref.owner)) if ref.owner else ' xsi:nil="true">'
    return (
        f'<uws:jobref id="{ref.id}" xlink:href="{address}/{ref.id}"><uws:phase>{ref.phase.value}</uws:phase>{run_id}'
        f"<uws:ownerId{owner}</uws:ownerId><uws:creationTime>{format_instant(ref.created)}</uws:creationTime>"
        "</uws:jobref>\n"
    )


def job(job: Job, addresses: Addresses) -> bytes:
    """Return the document of one job."""
    root = etree.Element(_uws("job"), {"version": VERSION}, _NAMESPACES)
    _add(root, "jobId", job.id)
    if job.run_id is not None:
        _add(root, "runId", job.run_id)
    _nillable(root, "ownerId", job.owner)
    _add(root, "phase", str(job.phase))
    _instant(root, "quote", job.quote)
    _add(root, "creationTime", format_instant(job.created))
    _instant(root, "startTime", job.started)
    _instant(root, "endTime", job.ended)
    _add(root, "executionDuration", str(job.duration))
    _instant(root, "destruction", job.destruction)
    _parameters(_add(root, "parameters"), job, addresses)
    _results(_add(root, "results"), job, addresses)
    if job.phase is Phase.ERROR:
        kind = "transient" if job.error_transient else "fatal"
        summary = add(root, _uws("errorSummary"), type=kind, hasDetail="true")
        _add(summary, "message", job.error or "The job failed without saying why")
    _job_info(_add(root, "jobInfo"), job, addresses)
    return serialise(root, addresses.stylesheet)


def parameters(job: Job, addresses: Addresses) -> bytes:
    """Return the parameters of a job as a document of their own."""
    root = etree.Element(_uws("parameters"), {}, _NAMESPACES)
    _parameters(root, job, addresses)
    return serialise(root, addresses.stylesheet)


def result_list(job: Job, addresses: Addresses) -> bytes:
    """Return the results of a job as a document of their own."""
    root = etree.Element(_uws("results"), {}, _NAMESPACES)
    _results(root, job, addresses)
    return serialise(root, addresses.stylesheet)


def _parameters(parent: etree._Element, job: Job, addresses: Addresses) -> None:
    for parameter in job.parameters:
        name = clean(parameter.name)
        if parameter.upload is None:
            add(parent, _uws("parameter"), parameter.value, id=name)
        else:
            address = addresses.job(job.script, job.id, "parameters", parameter.name)
            add(parent, _uws("parameter"), address, id=name, byReference="true")


def _results(parent: etree._Element, job: Job, addresses: Addresses) -> None:
    for result in results(job):
        attributes = {
            "id": clean(result.id),
            f"{{{XLINK}}}type": "simple",
            _HREF: addresses.result(job.script, job.id, result.id),
            "mime-type": result.content_type,
        }
        if result.size is not None:
            attributes["size"] = str(result.size)
        add(parent, _uws("result"), **attributes)


def _job_info(parent: etree._Element, job: Job, addresses: Addresses) -> None:
    info = add(parent, "amora")
    add(info, "script", job.script)
    add(info, "progress", f"{job.progress:.4f}")
    done = sum(task.phase in FINAL for task in job.tasks)
    add(info, "tasks", total=str(len(job.tasks)), done=str(done), failed=str(failed(job)))
    if job.run_id is not None:
        add(info, "session", job.run_id)
    usage = job.usage
    add(
        info,
        "resources",
        cpu=f"{usage.cpu:.3f}",
        memory=str(usage.memory),
        read=str(usage.read),
        written=str(usage.written),
    )
    behind = min((task for task in job.tasks if task.message), key=lambda task: task.progress, default=None)
    if behind is not None:
        add(info, "message", behind.message)
    add(info, "details", addresses.details(job.id))


def _uws(name: str) -> str:
    return f"{{{UWS}}}{name}"


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    return add(parent, _uws(name), text)


def _nillable(parent: etree._Element, name: str, text: str | None) -> None:
    element = _add(parent, name, text or None)
    if not text:
        element.set(NIL, "true")


def _instant(parent: etree._Element, name: str, instant: datetime | None) -> None:
    _nillable(parent, name, format_instant(instant))
