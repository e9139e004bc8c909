"""The application: every address of the service and what answers there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from uws import (
    access,
    api,
    coverage,
    datalink,
    errors,
    files,
    job,
    joblist,
    metrics,
    observations,
    openapi,
    pages,
    sync,
    vosi,
)
from uws.accounts import Accounts
from uws.addresses import Addresses
from uws.context import Context
from uws.identity import Identify
from uws.limits import BodyLimit
from uws.routing import Handler, Resource
from uws.settings import Settings
from uws.store import AccountStore
from uws.traffic import Traffic

if TYPE_CHECKING:
    from jobs.engine import Engine

STATIC = Path(__file__).with_name("static")
SCRIPT = "/scripts/{script}"
JOB = SCRIPT + "/async/{job}"
DATASET = "/datasets/{observation}/{camera}/{exposure}"
API_JOB = "/api/jobs/{job}"


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


def _routes() -> list[BaseRoute]:
    return [
        *_resource("/observations", observations.show, post=observations.show),  # asked for most, so looked at first
        *_resource(JOB, job.show, post=job.post, delete=job.delete),
        *_resource(JOB + "/phase", job.phase, post=job.set_phase),
        *_resource(JOB + "/executionduration", job.duration, post=job.set_duration),
        *_resource(JOB + "/destruction", job.destruction, post=job.set_destruction),
        *_resource(JOB + "/quote", job.quote),
        *_resource(JOB + "/owner", job.owner),
        *_resource(JOB + "/error", job.error),
        *_resource(JOB + "/parameters", job.parameters, post=job.set_parameters),
        *_resource(JOB + "/parameters/{parameter:path}", job.parameter, put=job.put_parameter),
        *_resource(JOB + "/results", files.show_all),
        *_resource(JOB + "/results/{result}", files.show),
        *_resource(SCRIPT + "/async", joblist.show, post=joblist.create),
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
        *_resource("/api/jobs", api.show_list),
        *_resource("/api" + SCRIPT + "/jobs", api.show_list, post=api.create),
        *_resource("/datalink/links", datalink.links, post=datalink.links),
        *_resource(f"{DATASET}/{datalink.COVERAGE}", datalink.coverage),
        *_resource(f"{DATASET}/{{file}}", datalink.file),
        *_resource("/coverage", coverage.show, post=coverage.show),
        *_resource("/openapi.json", openapi.show),
        *_resource("/scripts", pages.scripts),
        *_resource("/capabilities", vosi.show_capabilities),
        *_resource("/availability", vosi.show_availability),
        *_resource("/tables", vosi.show_tables),
        *_resource("/healthz", vosi.healthz),
        *_resource("/metrics", metrics.show),
        *_resource("/", pages.front),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _resource(
    path: str,
    get: Handler,
    *,
    post: Handler | None = None,
    put: Handler | None = None,
    delete: Handler | None = None,
) -> list[BaseRoute]:
    """Return the route of a resource; whoever asks for a job, or for anything below one, is admitted first."""
    offered = {"GET": get, "HEAD": get, "POST": post, "PUT": put, "DELETE": delete}
    handlers = {method: handler for method, handler in offered.items() if handler}

    async def dispatch(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join([*handlers, "OPTIONS"])})
        if "job" in request.path_params:
            await access.admit(request)
        return await handlers[request.method](request)

    return [Resource(path, dispatch, handlers)]
