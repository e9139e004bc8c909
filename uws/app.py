"""The application: every address of the service and what answers there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from jobs.sessions import Access
from uws import (
    access,
    api,
    bundle,
    coverage,
    datalink,
    desk,
    errors,
    events,
    files,
    hips,
    job,
    joblist,
    metrics,
    notifications,
    oai,
    observations,
    openapi,
    pages,
    resolve,
    rows,
    running,
    scs,
    services,
    sessionpages,
    sessions,
    sia2,
    soda,
    sync,
    vosi,
    work,
)
from uws import examples as call_examples
from uws.accounts import Accounts
from uws.addresses import SODA, TAP, Addresses
from uws.context import Context
from uws.identity import Identify
from uws.limits import BodyLimit
from uws.routing import Handler, Resource
from uws.settings import Settings
from uws.statics import Statics
from uws.store import AccountStore
from uws.tap import examples
from uws.tap import handlers as tap
from uws.tap import vosi as tap_vosi
from uws.traffic import Traffic

if TYPE_CHECKING:
    from jobs.engine import Engine

STATIC = Path(__file__).with_name("static")
SCRIPT = "/scripts/{script}"
DATASET = "/datasets/{observation}/{camera}/{exposure}"
API_JOB = "/api/jobs/{job}"
API_SESSION = "/api/sessions/{session}"


def create_app(engine: Engine, settings: Settings) -> Starlette:
    """Return the application of a service; the caller starts and stops the engine."""
    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(Traffic, lines=settings.logs_access),
            # Web pages of the VO (Aladin Lite) read from here; never with credentials of whoever looks at them.
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors.split(),
                allow_methods=("GET", "HEAD", "POST"),
                expose_headers=(
                    "Location",
                    "ETag",
                    "Last-Modified",
                    "X-VO-Authenticated",
                    "Amora-Log-Next",
                    "Amora-Log-Offset",
                    "Amora-Log-Size",
                    "Amora-Log-Ended",
                    "X-Request-ID",
                ),
            ),
            Middleware(Identify, settings=settings, accounts=Accounts(AccountStore(engine.database))),
            Middleware(BodyLimit, limit=settings.max_body, files=settings.upload_max),
        ],
        exception_handlers=errors.HANDLERS,
    )
    # Starlette would redirect /x/ to /x by the Host header.
    app.router.redirect_slashes = False
    app.state.context = Context(engine, settings, Addresses(settings.base))
    return app


def _job_routes(place: str, script: str | None = None) -> list[BaseRoute]:
    """Return the routes of a job list and all that is below it.

    :param script: whose jobs; None where the place says so.
    """
    job_place = place + "/async/{job}"
    of = partial(_resource, script=script)
    return [
        *of(job_place, job.show, post=job.post, delete=job.delete),
        *of(job_place + "/phase", job.phase, post=job.set_phase),
        *of(job_place + "/executionduration", job.duration, post=job.set_duration),
        *of(job_place + "/destruction", job.destruction, post=job.set_destruction),
        *of(job_place + "/quote", job.quote),
        *of(job_place + "/owner", job.owner),
        *of(job_place + "/error", job.error),
        *of(job_place + "/parameters", job.parameters, post=job.set_parameters),
        *of(job_place + "/parameters/{parameter:path}", job.parameter, put=job.put_parameter),
        *of(job_place + "/results", files.show_all),
        *of(job_place + "/results/{result}", files.show),
        *of(place + "/async", joblist.show, post=joblist.create),
    ]


def _notification_routes(place: str) -> list[BaseRoute]:
    """Return the routes of who is to be told; whoever may read a job does not learn that."""
    of = partial(_resource, reads=Access.OWNER)
    return [
        *of(place + "/notifications", notifications.show, post=notifications.add),
        *of(place + "/notifications/{notification}", notifications.show_one, delete=notifications.remove),
    ]


def _desk(path: str, show: Handler) -> list[BaseRoute]:
    """Return the route of a page of the desk."""
    return _resource(path, show, post=desk.act, page=True, admin=True)


def _routes() -> list[BaseRoute]:
    return [
        *_resource("/observations", observations.show, post=observations.show),  # asked for most, so looked at first
        *_job_routes(SCRIPT),
        *_resource(SCRIPT + "/sync", sync.create, post=sync.create),
        *_resource(SCRIPT + "/sync/{job}", sync.wait),
        *_resource(SCRIPT + "/capabilities", vosi.show_capabilities),
        *_resource(SCRIPT + "/availability", vosi.show_availability),
        *_resource(SCRIPT, pages.script),
        *_resource(API_JOB, api.show_job, delete=api.delete),
        *_resource(API_JOB + "/phase", api.part("phase"), post=api.changing(job.set_phase)),
        *_resource(API_JOB + "/parameters", api.part("parameters"), post=api.changing(job.set_parameters)),
        *_resource(API_JOB + "/executionduration", api.part("execution_duration"), post=api.changing(job.set_duration)),
        *_resource(API_JOB + "/destruction", api.part("destruction"), post=api.changing(job.set_destruction)),
        *_resource(API_JOB + "/tasks/{task:int}/log", api.show_log),
        *_resource(API_JOB + "/events", events.of_job),
        *_notification_routes(API_JOB),
        *_notification_routes(API_SESSION),
        *_resource(API_JOB + "/links", bundle.links),
        *_resource(API_JOB + "/products.zip", bundle.archive),
        *_resource(API_JOB + "/download.sh", bundle.script),
        *_resource("/c/{capability}/{result}", bundle.open_result),
        *_resource("/api/resolve", resolve.show),
        *_resource(API_JOB + "/products/{product}/rows", rows.show),
        *_resource("/api/jobs", api.show_list),
        *_resource("/api" + SCRIPT + "/jobs", api.show_list, post=api.create),
        *_resource("/api" + SCRIPT + "/estimate", api.estimate, post=api.estimate),
        *_resource("/api/sessions", sessions.show_list, post=sessions.create),
        *_resource(API_SESSION, sessions.show, patch=sessions.change, delete=sessions.delete),
        *_resource(API_SESSION + "/jobs", sessions.jobs),
        *_resource(API_SESSION + "/events", events.of_session),
        *_resource(API_SESSION + "/shares", sessions.shares, post=sessions.share, reads=Access.OWNER),
        *_resource(API_SESSION + "/shares/{share}", sessions.show_share, delete=sessions.revoke, reads=Access.OWNER),
        *_resource(API_SESSION + "/copy", None, post=sessions.copy, changes=Access.READ),
        *_resource("/s/{secret}", sessions.follow, page=True),
        *_resource("/sessions/{session}", pages.front, page=True),
        *_resource("/sessions", sessionpages.show, post=sessionpages.act, page=True),
        *_desk("/admin", desk.overview),
        *_desk("/admin/jobs", desk.jobs),
        *_desk("/admin/tasks", desk.tasks),
        *_desk("/admin/scripts", desk.scripts),
        *_desk("/admin/users", desk.users),
        *_desk("/admin/errors", desk.failures),
        *_desk("/admin/audit", desk.audit),
        *_job_routes("/tap", TAP),
        *_resource("/tap/sync", tap.sync, post=tap.sync),
        *_resource("/tap/capabilities", tap_vosi.show_capabilities),
        *_resource("/tap/availability", vosi.show_availability),
        *_resource("/tap/tables", tap_vosi.show_tables),
        *_resource("/tap/examples", examples.show),
        *_job_routes("/soda", SODA),
        *_resource("/soda/sync", soda.create, post=soda.create, script=SODA),
        *_resource("/soda/sync/{job}", soda.wait, script=SODA),
        *_resource("/sia2/query", sia2.query, post=sia2.query),
        *[route for service in ("sia2", "scs", "soda") for route in _example_routes(service)],
        *_resource("/sia2", sia2.query, post=sia2.query),
        *_resource("/scs", scs.search, post=scs.search),
        *[route for service in services.SERVICES for route in _vosi_routes(service)],
        *_resource("/datalink/links", datalink.links, post=datalink.links),
        *_resource(f"{DATASET}/{datalink.COVERAGE}", datalink.coverage),
        *_resource(f"{DATASET}/{{file}}", datalink.file),
        *_resource("/coverage", coverage.show, post=coverage.show),
        *_resource("/oai", oai.answer, post=oai.answer),
        *_resource("/hipslist", hips.show_list),
        *_resource("/hips/{map}", hips.show),
        *_resource("/hips/{map}/{file:path}", hips.show_file),
        *_resource("/openapi.json", openapi.show),
        *_resource("/scripts", pages.scripts),
        *_resource("/capabilities", vosi.show_capabilities),
        *_resource("/availability", vosi.show_availability),
        *_resource("/tables", vosi.show_tables),
        *_resource("/healthz", vosi.healthz),
        *_resource("/metrics", metrics.show),
        *_resource("/run", running.show, post=running.show, page=True),
        *_resource("/jobs/compare", work.compare, page=True),
        *_resource("/jobs/{job}", work.show, post=work.act, page=True),
        *_resource("/jobs", work.show_list, page=True),
        *_resource("/", pages.front),
        Mount("/static", Statics(directory=STATIC)),
    ]


def _example_routes(name: str) -> list[BaseRoute]:
    """Return the route of a service's examples."""
    path = services.named(name).endpoints[0].path
    return _resource(f"/{name}/examples", call_examples.shown(name, path))


def _vosi_routes(service: services.Service) -> list[BaseRoute]:
    """Return the routes by which a service tells of itself."""
    return [
        *_resource(f"/{service.name}/capabilities", vosi.show_service(service)),
        *_resource(f"/{service.name}/availability", vosi.show_availability),
    ]


def _resource(
    path: str,
    get: Handler | None,
    *,
    post: Handler | None = None,
    put: Handler | None = None,
    patch: Handler | None = None,
    delete: Handler | None = None,
    script: str | None = None,
    reads: Access = Access.READ,
    changes: Access = Access.OWNER,
    page: bool = False,
    admin: bool = False,
) -> list[BaseRoute]:
    """Return the route of a resource; whoever asks for a job, or for anything below one, is admitted first.

    :param reads: what is wanted of whoever reads what belongs to a session.
    :param changes: the same of whoever changes it.
    :param page: whether it is for people, and so are its errors.
    :param admin: whether it is for administrators alone.
    """
    offered = {"GET": get, "HEAD": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}
    handlers = {method: handler for method, handler in offered.items() if handler}

    async def dispatch(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join([*handlers, "OPTIONS"])})
        if page:
            errors.set_form(request, "html")
        if admin:
            access.require_admin(request)
        if script is not None:
            request.path_params["script"] = script
        if script == SODA:
            errors.set_form(request, "soda")
        if "job" in request.path_params:
            await access.admit(request)
        if "session" in request.path_params:
            await access.enter(request, reads if request.method in ("GET", "HEAD") else changes)
        return await handlers[request.method](request)

    return [Resource(path, dispatch, handlers, page=page)]
