"""``/openapi.json``: every resource of the service, described by OpenAPI 3.1.

Addresses and methods come from the routes, what they do from the handlers' docstrings, a script's parameters from its
descriptor, the answers in JSON from :mod:`uws.representation`. The making of a job stands there once for each script.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from index.postings import PIXEL_ORDER
from index.query import RELATIONS
from jobs.descriptor import ParameterSpec, Script
from jobs.phases import Phase
from jobs.service import MAX_RUN_ID
from jobs.sessions import MAX_DATASETS, MAX_NAME, Access
from uws import (
    api,
    asking,
    bundle,
    context,
    coverage,
    datalink,
    discovery,
    events,
    job,
    joblist,
    notifications,
    oai,
    observations,
    representation,
    resolve,
    rows,
    scs,
    sessionmodels,
    sessions,
    sia2,
    sync,
    votable,
)
from uws.joblist import MAX_SECONDS
from uws.routing import Handler, Resource
from uws.tap import handlers as tap
from uws.tap.formats import FORMATS as TAP_FORMATS
from uws.tap.request import LANGUAGES

Schema = dict[str, Any]

_JSON = "application/json"
_XML = "application/xml"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_INSTANT: Schema = {"type": "string", "examples": ["2025-06-01T12:00:00.000Z"], "description": "An instant in UTC."}
_PHASE: Schema = {"type": "string", "enum": list(Phase)}
_DURATION: Schema = {
    "type": "integer",
    "minimum": 0,
    "maximum": MAX_SECONDS,
    "description": "Seconds that the job may take; 0 asks for the longest allowed.",
}
_RUN_ID: Schema = {"type": "string", "maxLength": MAX_RUN_ID, "description": "What the client calls the job."}

_FILTERS: dict[str, Schema] = {
    "PHASE": {"type": "array", "items": _PHASE, "description": "Jobs in one of these phases."},
    "AFTER": {**_INSTANT, "description": "Jobs made after this instant, in UTC."},
    "LAST": {"type": "integer", "minimum": 1, "description": "The newest jobs, so many of them."},
}
_WAIT: dict[str, Schema] = {
    "WAIT": {
        "type": "integer",
        "minimum": -1,
        "description": "Seconds to wait for a change of phase; -1 for as long as the service waits at most.",
    },
    "PHASE": {**_PHASE, "description": "With WAIT: wait only while the job is in this phase."},
}
_CREATION: dict[str, Schema] = {
    "PHASE": {"type": "string", "enum": ["RUN"], "description": "Run the job at once."},
    "RUNID": _RUN_ID,
    "EXECUTIONDURATION": _DURATION,
    "DESTRUCTION": {**_INSTANT, "description": "When the job is to be forgotten, in UTC."},
}
_BLOCKING: dict[str, Schema] = {
    "RUNID": _RUN_ID,
    "EXECUTIONDURATION": _DURATION,
    sync.KEEP: {"type": "boolean", "description": "Whether the work goes on when the client goes away."},
}
_DATASETS: Schema = {"type": "array", "items": {"type": "string"}, "description": "Datasets by their ids."}
_REGION: dict[str, Schema] = {
    "POS": {
        "type": "string",
        "examples": ["CIRCLE 83.633 22.014 0.05"],
        "description": "A region: CIRCLE, POLYGON or RANGE and its ICRS degrees, STC-S, ADQL, DS9, a MOC or TARGET.",
    },
    "CIRCLE": {"type": "string", "description": "A circle: ra, dec and radius in ICRS degrees."},
    "POLYGON": {"type": "string", "description": "A polygon: ra and dec of three corners or more, in ICRS degrees."},
}

_FILE: Schema = {
    "type": "string",
    "format": "binary",
    "description": "A file with a region: a MOC in FITS, JSON or ASCII, a region file of DS9, or text in another form.",
}
_PAGE: dict[str, Schema] = {
    "MAXREC": {"type": "integer", "minimum": 0, "maximum": asking.MAX_ROWS, "description": "The most rows wanted."},
    "OFFSET": {"type": "integer", "minimum": 0, "maximum": asking.MAX_ROWS, "description": "Rows to leave out first."},
    "AFTER": {"type": "string", "description": "Where the page before ended, as its address of the next one tells."},
}


def _filter(parameter: asking.Parameter) -> Schema:
    """Return the schema of a parameter that filters by metadata."""
    words = [f"{parameter.description}."]
    if parameter.unit:
        words.append(f"In {parameter.unit}.")
    if parameter.kind in ("interval", "time"):
        words.append("An interval of two numbers, or one number; -Inf and +Inf leave an end open.")
    if parameter.kind == "time":
        words.append("MJD, or dates as in ISO 8601.")
    if parameter.kind in ("text", "folded"):
        words.append("In either case; * stands for any characters.")
    item: Schema = {"type": "string", "examples": [parameter.example]}
    if parameter.kind == "integer":
        item = {"type": "integer", "minimum": 0, "maximum": 4}
    elif parameter.kind == "flag":
        item = {"type": "boolean"}
    found = {"unit": parameter.unit, "ucd": parameter.ucd}
    described = {"type": "array", "items": item, "description": " ".join([*words, "Any of several."])}
    return described | {f"x-{key}": value for key, value in found.items() if value}


_ASKED: dict[str, Schema] = {
    **_REGION,
    "RELATION": {
        "type": "string",
        "enum": list(RELATIONS),
        "default": RELATIONS[0],
        "description": "What a dataset is to the region: overlaps it, contains all of it, or lies inside it.",
    },
    "ID": _DATASETS,
    **{parameter.name: _filter(parameter) for parameter in asking.FILTERS},
}
_TAP: dict[str, Schema] = {
    "LANG": {"type": "string", "enum": list(LANGUAGES), "description": "The language of the query."},
    "QUERY": {"type": "string", "description": "The query, in ADQL."},
    "MAXREC": {"type": "integer", "minimum": 0, "description": "The most rows that are wanted."},
    "RESPONSEFORMAT": {"type": "string", "enum": [form.name for form in TAP_FORMATS]},
}
_MAXREC = _PAGE["MAXREC"]
_DISCOVERY: dict[str, Schema] = {
    "MAXREC": {**_MAXREC, "description": "The most rows wanted; 0 for the columns alone."},
    "RESPONSEFORMAT": {"type": "string", "enum": [form.name for form in discovery.FORMATS]},
}
_DEGREES: Schema = {"type": "number", "minimum": 0, "maximum": 360, "description": "Right ascension, ICRS degrees."}
QUERY: dict[Handler, dict[str, Schema]] = {
    joblist.show: _FILTERS,
    api.show_list: {**_FILTERS, "SCRIPT": {"type": "string", "description": "Jobs of this script."}},
    sessions.jobs: _FILTERS,
    job.show: _WAIT,
    api.show_job: _WAIT,
    resolve.show: {"Q": {"type": "string", "description": "A name, or coordinates.", "examples": ["83.633 22.014"]}},
    events.of_job: {"LOG": {"type": "string", "description": "The logs wanted: all, none, or the number of a task."}},
    api.show_log: {"OFFSET": {"type": "integer", "description": "The byte to begin at; below 0, from the end."}},
    rows.show: {
        "OFFSET": {"type": "integer", "minimum": 0, "description": "Rows to leave out first."},
        "MAXREC": {"type": "integer", "minimum": 0, "maximum": rows.MOST, "description": "The most rows wanted."},
        "HDU": {"type": "integer", "minimum": 0, "description": "Of a FITS file, counted from 0."},
    },
    observations.show: {
        **_ASKED,
        "ORDER": {
            "type": "string",
            "enum": list(asking.ORDER_OPTIONS),
            "description": "How rows are ordered, descending with -; by default -overlap, without a region id.",
        },
        **_PAGE,
        "COUNT": {"type": "boolean", "description": "Only count the datasets."},
        "RESPONSEFORMAT": {"type": "string", "enum": [form.name for form in observations.FORMATS]},
    },
    sia2.query: {
        "POS": {"type": "array", "items": _REGION["POS"], "description": "Regions; any of several."},
        "ID": _DATASETS,
        **{parameter.name: _filter(parameter) for parameter in sia2.PARAMETERS},
        **_DISCOVERY,
    },
    scs.search: {
        "RA": _DEGREES,
        "DEC": {"type": "number", "minimum": -90, "maximum": 90, "description": "Declination, ICRS degrees."},
        "SR": {"type": "number", "minimum": 0, "maximum": 180, "description": "Radius, degrees; 0: no rows."},
        "VERB": {"type": "integer", "minimum": 1, "maximum": 3, "description": "1 for the fewest columns."},
        **_DISCOVERY,
    },
    datalink.links: {"ID": _DATASETS},
    oai.answer: {
        "verb": {"type": "string", "enum": sorted(oai.ARGUMENTS), "description": "What is asked for (OAI-PMH 2.0)."},
        **{
            name: {"type": "string", "description": text}
            for name, text in {
                "identifier": "The record of this IVOID.",
                "metadataPrefix": "The form of records: ivo_vor or oai_dc.",
                "set": "Records of this set.",
                "from": "Records changed at this date, in UTC, or after it.",
                "until": "Records changed at this date, in UTC, or before it.",
                "resumptionToken": "What the page before ended with.",
            }.items()
        },
    },
    tap.sync: _TAP,
    coverage.show: {
        **_ASKED,
        "ORDER": {
            "type": "integer",
            "minimum": 0,
            "maximum": PIXEL_ORDER,
            "default": coverage.ORDER,
            "description": "The HEALPix order of the finest cells.",
        },
        "RESPONSEFORMAT": {"type": "string", "enum": [form.name for form in coverage.FORMATS]},
    },
}
"""The parameters in the query of each handler that has some."""

FORM: dict[Handler, dict[str, Schema]] = {
    job.set_phase: {"PHASE": {"type": "string", "enum": ["RUN", "ABORT"]}},
    job.set_duration: {"EXECUTIONDURATION": _DURATION},
    job.set_destruction: {"DESTRUCTION": _INSTANT},
    job.set_parameters: {"RUNID": _RUN_ID},
    job.post: {"ACTION": {"type": "string", "enum": ["DELETE"]}},
    observations.show: QUERY[observations.show] | {observations.FILE: _FILE},
    sia2.query: QUERY[sia2.query],
    scs.search: QUERY[scs.search],
    datalink.links: QUERY[datalink.links],
    oai.answer: QUERY[oai.answer],
    tap.sync: QUERY[tap.sync],
    joblist.create: {**QUERY[tap.sync], "PHASE": {"type": "string", "enum": ["RUN"]}},  # where no script is named
    coverage.show: QUERY[coverage.show] | {observations.FILE: _FILE},
}
"""The members of the form that is posted to each handler, but for those that make jobs."""

_NAME: Schema = {"type": "string", "maxLength": MAX_NAME, "description": "What the session is called."}
_SESSION: dict[str, Schema] = {
    "name": _NAME,
    "region": {**_REGION["POS"], "description": "The region, in a form that POS takes; empty for none."},
    "datasets": {**_DATASETS, "maxItems": MAX_DATASETS},
}
_UNTIL: Schema = {**_INSTANT, "description": "When it expires, in UTC; cut to the latest allowed."}
FORM |= {
    sessions.create: _SESSION,
    sessions.change: {**_SESSION, "expires": _UNTIL},
    sessions.share: {"access": {"type": "string", "enum": [Access.READ, Access.RUN]}, "expires": _UNTIL},
    sessions.copy: {},
    notifications.add: {
        "mail": {"type": "string", "description": "A mail address."},
        "webhook": {"type": "string", "description": "The URL of a public host to which the news is posted."},
    },
}

_MODELS: dict[Handler, str] = {
    api.show_list: "JobList",
    api.show_job: "Job",
    api.create: "Job",
    api.estimate: "Estimate",
    sessions.show_list: "SessionList",
    sessions.show: "Session",
    sessions.create: "Session",
    sessions.change: "Session",
    sessions.copy: "Session",
    sessions.jobs: "JobList",
    sessions.shares: "ShareList",
    sessions.show_share: "Share",
    sessions.share: "NewShare",
    notifications.show: "NotificationList",
    notifications.add: "NewNotification",
    notifications.show_one: "Notification",
    bundle.links: "Links",
    resolve.show: "Resolved",
}
_MEDIA_TYPES: dict[Handler, str] = {
    api.show_log: "text/plain",
    events.of_job: "text/event-stream",
    events.of_session: "text/event-stream",
    bundle.archive: "application/zip",
    bundle.script: "text/x-shellscript",
}
"""Of what below /api answers otherwise than in JSON."""
_MAKES = (api.create, sessions.create, sessions.copy, sessions.share, notifications.add)
"""What answers 201."""
_CREATES = (joblist.create, api.create, sync.create, api.estimate)
_ANSWER_POSTS = (observations.show, coverage.show, sia2.query, scs.search, datalink.links, oai.answer, tap.sync)
"""What answers a POST as it does a GET."""
_VOTABLE_ERRORS = (*_ANSWER_POSTS, sync.create, sync.wait)


async def show(request: Request) -> Response:
    """Describe this service, as OpenAPI."""
    here = context.of(request)
    scripts = [here.jobs.scripts.get(name) for name in here.jobs.scripts.names()]
    return JSONResponse(document(request.app.routes, scripts, here.addresses.base))


def document(routes: Sequence[BaseRoute], scripts: Iterable[Script], base: str) -> Schema:
    """Return the description of the resources in ``routes`` of a service at ``base`` that has these scripts."""
    scripts = list(scripts)
    paths: dict[str, Schema] = {}
    for route in routes:
        if isinstance(route, Resource):
            for method, handler in route.handlers.items():
                if method == "HEAD":  # it is GET without the body
                    continue
                for script in scripts if _of_scripts(route, handler) else [None]:
                    path, operation = _operation(route, method, handler, script)
                    paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Amora",
            "version": version("amora"),
            "description": "Asynchronous jobs on the observations that cover a region of the sky: IVOA UWS 1.1, and "
            "the same jobs as JSON below /api. Names of parameters are case-insensitive.",
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {"schemas": _schemas(scripts)},
    }


def _of_scripts(route: Resource, handler: Handler) -> bool:
    """Whether a resource takes what each script takes, and so is described once for each."""
    return inspect.unwrap(handler) in _CREATES and "{script}" in route.path


def _operation(route: Resource, method: str, handler: Handler, script: Script | None) -> tuple[str, Schema]:
    plain = inspect.unwrap(handler)
    path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path.replace("{script}", script.name) if script else route.path)
    programs = path.startswith("/api/")
    summary, _, description = (inspect.getdoc(plain) or "").partition("\n\n")
    operation: Schema = {
        "operationId": _name(method, path),
        "tags": ["JSON" if programs else "Virtual Observatory" if "{script}" in route.path else "service"],
        "summary": summary.replace("\n", " ") + (f" Script: {script.title}." if script else ""),
        "parameters": [_in_path(name) for name in route.param_convertors if name != "script" or script is None],
        "responses": {**_success(method, plain, programs), "default": _failure(plain, programs, route.page)},
    }
    if description:
        operation["description"] = description
    if method == "GET":
        query = _form(script, plain) if script else QUERY.get(plain, {})
        operation["parameters"] += [
            _in_query(name, schema) for name, schema in query.items() if schema.get("format") != "binary"
        ]
    if method == "PUT":
        operation["requestBody"] = {"content": {"*/*": {}}}
    if method in ("POST", "PATCH"):
        if script and plain is not sync.create:
            schema: Schema = {"$ref": f"#/components/schemas/{_form_name(script)}"}
        else:
            schema = _object(_form(script, plain) if script else FORM.get(plain, {}))
        forms = (_JSON, *_FORMS) if programs else _FORMS
        operation["requestBody"] = {"content": {form: {"schema": schema} for form in forms}}
    return path, operation


def _name(method: str, path: str) -> str:
    return re.sub(r"\W+", "_", f"{method.lower()}_{path.strip('{}/') or 'front'}")


def _in_path(name: str) -> Schema:
    kind = {"type": "integer", "minimum": 1} if name == "task" else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": kind}


def _in_query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": schema.get("description", name), "schema": schema}


def _success(method: str, handler: Handler, programs: bool) -> Schema:
    if method == "DELETE":
        return {"204": {"description": "It is gone."}} if programs else {"303": {"description": "To the job list."}}
    if handler in (sync.create, sync.wait):
        return {"303": {"description": "To where the end of the job, or what it made, can be had."}}
    if method in ("POST", "PUT") and not programs and handler not in _ANSWER_POSTS:
        redirect = {"303": {"description": "To the job, or to the list where the job is gone."}}
        shown = {"200": {"description": "The job, where nothing was asked for.", "content": {_XML: {}}}}
        return redirect | shown if handler is job.post else redirect
    answer: Schema = {"description": (inspect.getdoc(handler) or "").partition("\n")[0]}
    if media_type := _MEDIA_TYPES.get(handler):
        return {"200": {**answer, "content": {media_type: {"schema": {"type": "string"}}}}}
    if programs:
        model = _MODELS.get(handler) or ("Job" if method == "POST" else None)
        schema = {"$ref": f"#/components/schemas/{model}"} if model else {"type": "object"}
        answer["content"] = {_JSON: {"schema": schema}}
    return {"201" if handler in _MAKES else "200": answer}


def _failure(handler: Handler, programs: bool, page: bool) -> Schema:
    if page:
        return {"description": "What is wrong, as a page.", "content": {"text/html": {}}}
    forms: Schema = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    if not programs:
        text = {"text/plain": {"schema": {"type": "string"}}}
        # They answer an error in the form in which they would have answered.
        tables: Schema = {votable.CONTENT_TYPE: {}, "text/xml": {}}
        forms = {**forms, **text, **tables, "text/html": {}} if handler in _VOTABLE_ERRORS else text
    return {"description": "What was given and what is allowed.", "content": forms}


def _schemas(scripts: Iterable[Script]) -> Schema:
    answers = (
        representation.Job,
        representation.JobList,
        representation.Estimate,
        representation.Error,
        sessionmodels.SessionList,
        sessionmodels.ShareList,
        sessionmodels.NewShare,
        bundle.Links,
        notifications.NotificationList,
        notifications.NewNotification,
        resolve.Resolved,
    )
    _, made = models_json_schema(
        [(model, "serialization") for model in answers], ref_template="#/components/schemas/{model}"
    )
    forms = {_form_name(script): {"description": script.summary, **_object(_form(script))} for script in scripts}
    return {**made["$defs"], **forms}


def _form_name(script: Script) -> str:
    return f"{script.name}.parameters"


def _form(script: Script, handler: Handler | None = None) -> dict[str, Schema]:
    """Return what can be given to make a job of a script; what is required may also be given later, before RUN."""
    shared = dict(_REGION) if script.accepts.region != "none" else {}
    if script.accepts.datasets:
        shared["ID"] = _DATASETS
    own = {spec.name: parameter(spec) for spec in script.parameters}
    return {**shared, **own, **(_BLOCKING if handler is sync.create else _CREATION)}


def _object(members: dict[str, Schema]) -> Schema:
    # What nobody described is kept and echoed, so more members are allowed.
    return {"type": "object", "properties": members, "additionalProperties": True}


_TYPES: dict[str, Schema] = {
    "real": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "interval": {"type": "string", "examples": ["0.5 10"]},
    "region": {"type": "string", "examples": ["CIRCLE 83.633 22.014 0.05"]},
    "file": {"type": "string", "format": "binary"},
}


def parameter(spec: ParameterSpec) -> Schema:
    """Return the schema of one parameter of a script; unit and UCD are ``x-unit`` and ``x-ucd``."""
    schema = dict(_TYPES[spec.type])
    if spec.options and spec.type != "region":
        schema["enum"] = list(spec.options)
    if spec.type in ("real", "integer"):
        for keyword, bound in (("minimum", spec.minimum), ("maximum", spec.maximum)):
            if bound is not None:
                schema[keyword] = int(bound) if spec.type == "integer" else bound
    elif spec.type == "text" and not spec.options:
        schema["maxLength"] = spec.max_length
    if spec.multiple:
        schema = {"type": "array", "items": schema}
    if spec.default is not None:
        schema["default"] = spec.default
    schema["description"] = _described(spec)
    return schema | {f"x-{key}": value for key in ("unit", "ucd") if (value := getattr(spec, key))}


def _described(spec: ParameterSpec) -> str:
    words = [spec.description]
    if spec.unit:
        words.append(f"In {spec.unit}.")
    if spec.type == "interval":
        words.append("Two numbers separated by a blank, the smaller first.")
    if spec.type == "region" and spec.options:
        words.append(f"A region, or one of: {', '.join(spec.options)}.")
    if spec.type == "file":
        words.append("A file, sent as a part of a multipart form.")
    if spec.default_description:
        words.append(f"Without it: {spec.default_description}.")
    if spec.required:
        words.append("It must be given before the job runs.")
    return " ".join(words)
