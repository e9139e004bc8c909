"""The form that starts jobs, ``/run``: one or several scripts on one selection, made from their descriptors.

GET or POST with SCRIPT (repeatable), POS, CIRCLE or POLYGON, ID and parameters shows the form, with START starts the
jobs. A parameter is meant for all of the scripts by its own name, for one of them as ``script.NAME``. FROM is a job
whose script, region, datasets, parameters and files are taken where nothing else is given. The jobs of a form are all
made or, where a value is not allowed, none: the form comes back and says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from index.errors import CoverageError
from jobs.descriptor import ParameterSpec, Script
from jobs.errors import AmoraError, DescriptorError, NotFoundError, ParameterError, RequestError
from jobs.models import Job
from jobs.quote import Foreseen
from jobs.sessions import Access, digest, is_id
from jobs.store.sessions import Holder
from jobs.uploads import Inbox, Incoming
from uws import access, context, dali, visitors
from uws.client import client_of
from uws.context import Context, call
from uws.page import page

REGIONS = ("POS", "CIRCLE", "POLYGON")
CONTROL = ("SCRIPT", "ID", *REGIONS, "FROM", "START", "RUNID", "KEEP", "LANG")
"""What the form says besides parameters of scripts."""
SHOWN_IDS = 12


@dataclass(frozen=True)
class Field:
    """A parameter in the form."""

    spec: ParameterSpec
    name: str
    """Of the input: ``script.NAME``."""
    value: str
    kept: str = ""
    """For a file: the name under which that of the former job is used again."""
    wrong: str = ""

    @property
    def default(self) -> str:
        """What the script takes where nothing is given."""
        return "" if self.spec.default is None else _text(self.spec.default)

    @property
    def changed(self) -> bool:
        """Whether the value is another than the default."""
        return self.value != self.default


@dataclass
class Part:
    """One script in the form."""

    script: Script
    fields: list[Field]
    foreseen: Foreseen | None = None
    wrong: str = ""
    """Why no job can be made of it, unless a field says so."""


@dataclass
class Wanted:
    """What the form says."""

    scripts: list[str] = field(default_factory=list)
    region: tuple[str, str] | None = None
    ids: list[str] = field(default_factory=list)
    run_id: str | None = None
    given: dict[str, list[str]] = field(default_factory=dict)
    """Values by the name of the input, in upper case."""
    before: Job | None = None
    """The job that is done once more."""
    keep: set[str] = field(default_factory=set)

    def values(self, script: Script, name: str) -> list[str] | None:
        """Return what is given for a parameter of a script; None where nothing is."""
        return self.given.get(f"{script.name}.{name}".upper(), self.given.get(name))

    def parameters(self, script: Script) -> list[tuple[str, str]]:
        """Return the parameters of the job: only what is not the default."""
        found: list[tuple[str, str]] = []
        if self.region and script.accepts.region != "none":
            found.append(self.region)
        if script.accepts.datasets:
            found += [("ID", id_) for id_ in self.ids]
        for spec in script.parameters:
            values = [value for value in self.values(script, spec.name) or () if value.strip()]
            default = "" if spec.default is None else _text(spec.default)
            if spec.type != "file" and values != [default]:
                found += [(spec.name, value) for value in values]
        return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def show(request: Request) -> Response:
    """Show the form that starts jobs; a POST with START starts them."""
    here = context.of(request)
    with here.jobs.inbox() as inbox:
        form = await dali.read(request, inbox if request.method == "POST" else None)
        wanted = await _wanted(request, form)
        wrong: dict[str, Exception] = {}
        if request.method == "POST" and form.one("START"):
            files = {name.upper(): file for name, file in form.files if file.size}
            named = wanted.run_id
            secret = await _join(request, wanted)
            made = await _start(request, wanted, inbox, files, wrong)
            if not wrong:
                return _after(here, wanted, made, secret)
            if named is None and wanted.run_id:
                await call(here.engine.sessions.delete, wanted.run_id)
            wanted.run_id = named
        shown = await call(_gather, here, wanted, wrong)
    return page(request, "run.html", status=400 if wrong else 200, wanted=wanted, shown_ids=SHOWN_IDS, **shown)


async def _wanted(request: Request, form: dali.Form) -> Wanted:
    wanted = Wanted(run_id=form.one("RUNID") or None, keep={name.upper() for name in form.all("KEEP")})
    for name, value in form.without(CONTROL):
        wanted.given.setdefault(name.upper(), []).append(value)
    wanted.scripts = list(dict.fromkeys(form.all("SCRIPT")))
    # Many ids stand in one value, between blanks: forms of the web have a limit of their own.
    wanted.ids = list(dict.fromkeys(word for value in form.all("ID") for word in value.split()))
    regions = [(name, value) for name in REGIONS for value in form.all(name) if value.strip()]
    if len(regions) > 1:
        raise RequestError(f"{' and '.join(name for name, _ in regions)} were given; one region is allowed")
    wanted.region = regions[0] if regions else None
    if former := form.one("FROM"):
        wanted.before = await former_job(request, former)
        _fill(wanted, wanted.before, started=form.one("START") is not None)
        in_session, right = await access.rights(request, wanted.before.run_id)
        if wanted.run_id is None and not (in_session and not (right and right.allows(Access.RUN))):
            wanted.run_id = wanted.before.run_id
    return wanted


async def former_job(request: Request, job_id: str) -> Job:
    """Return a job that the client may see."""
    request.path_params["job"] = job_id
    await access.admit(request, reads=True)
    return await call(context.of(request).jobs.get, access.state_of(request).script, job_id)


def _fill(wanted: Wanted, job: Job, *, started: bool) -> None:
    """Take from a former job what is not given."""
    wanted.scripts = wanted.scripts or [job.script]
    if started:
        return  # the form has said it all
    given: dict[str, list[str]] = {}
    for item in job.parameters:
        name = item.name.upper()
        if item.upload is not None:
            wanted.keep.add(f"{job.script}.{name}".upper())
        elif name in REGIONS:
            wanted.region = wanted.region or (name, item.value)
        elif name == "ID":
            given.setdefault(name, []).append(item.value)
        else:
            given.setdefault(f"{job.script}.{name}".upper(), []).append(item.value)
    wanted.ids = wanted.ids or given.pop("ID", [])
    wanted.given = {**given, **wanted.given}


def _gather(here: Context, wanted: Wanted, wrong: dict[str, Exception]) -> dict[str, Any]:
    offered = [here.jobs.scripts.get(name) for name in here.jobs.scripts.names()]
    parts = [_part(here, here.jobs.scripts.get(name), wanted, wrong.get(name)) for name in wanted.scripts]
    return {"parts": parts, "offered": offered}


def _part(here: Context, script: Script, wanted: Wanted, error: Exception | None) -> Part:
    at = error.name if isinstance(error, ParameterError) else None
    fields = []
    for spec in script.parameters:
        name = f"{script.name}.{spec.name}"
        values = wanted.values(script, spec.name)
        default = "" if spec.default is None else _text(spec.default)
        fields.append(
            Field(
                spec,
                name,
                default if values is None else "\n".join(values),
                kept=name if name.upper() in wanted.keep and wanted.before else "",
                wrong=str(error) if at == spec.name else "",
            )
        )
    told = error is not None and at in {spec.name for spec in script.parameters}
    part = Part(script, fields, wrong="" if error is None or told else str(error))
    try:
        part.foreseen = here.jobs.foresee(script.name, wanted.parameters(script))
    except (AmoraError, CoverageError) as reason:
        part.wrong = part.wrong or (str(reason) if error is None and wanted.region else "")
    return part


async def _start(
    request: Request, wanted: Wanted, inbox: Inbox, files: dict[str, Incoming], wrong: dict[str, Exception]
) -> list[Job]:
    """Make the jobs, all of them or none, and run them; what stands against it goes into ``wrong`` by script."""
    here, owner = context.of(request), access.creator(request)
    made: list[Job] = []
    for name in wanted.scripts:
        script = here.jobs.scripts.get(name)
        try:
            sent = {spec.name: file for spec in script.parameters if (file := files.get(f"{name}.{spec.name}".upper()))}
            kept = await run_in_threadpool(_kept, here, wanted, script, inbox)
            made.append(
                await call(
                    here.jobs.create,
                    name,
                    _with_lines(script, wanted.parameters(script)),
                    run_id=wanted.run_id,
                    owner=owner,
                    files={**kept, **sent},
                )
            )
        except DescriptorError:
            raise
        except AmoraError as error:
            wrong[name] = error
    for job in made:
        # Where one cannot be made none is wanted: whoever mends the form would start the others twice.
        await call(here.jobs.delete if wrong else here.jobs.run, job.script, job.id)
    return made


def _with_lines(script: Script, parameters: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return parameters with a value for each line of those that may be repeated."""
    many = {spec.name for spec in script.parameters if spec.multiple}
    return [
        (name, line)
        for name, value in parameters
        for line in (value.splitlines() if name in many else [value])
        if line.strip()
    ]


def _kept(here: Context, wanted: Wanted, script: Script, inbox: Inbox) -> dict[str, Incoming]:
    """Return the files of the former job that are to be used again."""
    found: dict[str, Incoming] = {}
    if wanted.before is None or wanted.before.script != script.name:
        return found
    for item in wanted.before.parameters:
        if item.upload is None or f"{script.name}.{item.name}".upper() not in wanted.keep:
            continue
        stored = here.jobs.upload(script.name, wanted.before.id, item.name)
        if stored is None:
            raise NotFoundError(f"The file {item.name} of the job {wanted.before.id} is not there any more")
        writer = inbox.open(item.upload.content_type)
        for piece in stored[1].read(0, stored[1].size):
            writer.write(piece)
        found[item.name] = writer.close()
    return found


async def again(request: Request, job: Job) -> Job:
    """Run a job once more as it was: the same script, parameters and files."""
    here, owner = context.of(request), access.creator(request)
    files = {f"{job.script}.{item.name}".upper() for item in job.parameters if item.upload}
    wanted = Wanted(before=job, keep=files)
    given = [(item.name, item.value) for item in job.parameters if item.upload is None]
    with here.jobs.inbox() as inbox:
        kept = await run_in_threadpool(_kept, here, wanted, here.jobs.scripts.get(job.script), inbox)
        return await call(here.jobs.create, job.script, given, run=True, run_id=job.run_id, owner=owner, files=kept)


async def _join(request: Request, wanted: Wanted) -> str | None:
    """Have the jobs belong to a session: the one that is named, else a new one.

    :returns: the secret that the browser of an anonymous visitor is to keep, if the session is a new one.
    """
    if wanted.run_id is not None:
        await access.join(request, wanted.run_id)
        return None
    access.creator(request)
    client = client_of(request)
    secret = None if client.name else visitors.cookies(request.scope)[0] or visitors.new_visitor()
    holder = Holder(client.name) if secret is None else Holder(visitor=digest(secret))
    region = wanted.region and (wanted.region[1] if wanted.region[0] == "POS" else " ".join(wanted.region))
    values = {"region": region, "datasets": wanted.ids}
    wanted.run_id = (await call(context.of(request).engine.sessions.create, holder, values)).id
    return secret


def _after(here: Context, wanted: Wanted, made: list[Job], secret: str | None) -> Response:
    """Go to where the work can be watched."""
    if len(made) == 1:
        where = here.addresses.at("jobs", made[0].id)
    elif is_id(wanted.run_id):
        where = f"{here.addresses.session(wanted.run_id or '')}#work"
    else:
        where = f"{here.addresses.at('jobs')}?{urlencode({'RUNID': wanted.run_id or ''})}"
    answer = context.see_other(where)
    if secret is not None:
        visitors.make_visitor(answer, here.settings, secret)
        answer.headers["Cache-Control"] = "no-store"
    return answer
