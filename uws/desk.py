"""The desk, ``/admin``: what administrators see and do. Plain forms; every action is in the audit trail first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from jobs import logs
from jobs.errors import AmoraError, LimitError, ParameterError, RequestError
from jobs.phases import Phase
from jobs.store.desk import ORDERS, Query, Quota, Share
from uws import context, crosssite, dali
from uws.accounts import Accounts
from uws.client import client_of
from uws.context import Context, call, see_other
from uws.joblist import phase_named
from uws.page import page
from uws.store import AccountStore
from uws.times import parse_instant

COUNT = 50
"""Rows on a page."""
BULK = 1000
"""The most jobs that one action works on."""
LATELY = timedelta(days=7)
"""For how long the outcomes of scripts are looked back at."""
ERRORS = 25
"""Failed tasks that are shown with the ends of their logs."""
TAIL = 4096
"""Bytes of each log."""
MAX_NAME = 255
"""Characters in the name of a user."""
MAX_TEXT = 500
"""Characters in an announcement, or in a reason."""

Act = Callable[[Context, dali.Form, str], str | None]
"""Does what a form asks for, in the name of somebody; returns what is to be shown this once."""


async def overview(request: Request) -> Response:
    """Show how the service is: its parts, the queue, workers, storage, index, and the announcement."""
    here = context.of(request)

    def gather() -> dict[str, Any]:
        products, size = here.engine.desk.kept()
        return {
            "checks": here.jobs.health(),
            "census": here.jobs.census(),
            "workers": here.engine.workers(),
            "counted": here.jobs.counts(),
            "datasets": here.engine.index.count(),
            "products": products,
            "size": size,
            "sessions": here.engine.sessions.count(),
            "started": here.started,
            "streams": here.feeds.streams,
        }

    return _page(request, "desk/overview.html", **await call(gather))


async def jobs(request: Request) -> Response:
    """List the jobs of all users, as searched for, sorted and paged."""
    here, form = context.of(request), await dali.read(request)
    query = _query(form)
    found, total = await call(here.engine.desk.jobs, query)
    return _page(
        request, "desk/jobs.html", found=found, orders=ORDERS, **_paged(form, query, total), names=_scripts(here)
    )


async def tasks(request: Request) -> Response:
    """List the tasks of all users: those that run, those that wait, those that have ended last."""
    here, form = context.of(request), await dali.read(request)
    query = _query(form)
    found, total = await call(here.engine.desk.tasks, query)
    return _page(request, "desk/tasks.html", found=found, **_paged(form, query, total), names=_scripts(here))


async def scripts(request: Request) -> Response:
    """List the scripts: their state, what they have done lately, and whether they take new jobs."""
    here = context.of(request)

    def gather() -> dict[str, Any]:
        registry = here.jobs.scripts
        offered = {name: registry.get(name) for name in (*registry.names(), *registry.off) if registry.known(name)}
        return {
            "offered": dict(sorted(offered.items())),
            "off": registry.off,
            "broken": registry.broken,
            "absent": registry.absent,
            "outcomes": here.engine.desk.outcomes(datetime.now(UTC) - LATELY),
        }

    return _page(request, "desk/scripts.html", days=LATELY.days, **await call(gather))


async def users(request: Request) -> Response:
    """List accounts, tokens, and what each user has of what he may have."""
    return await _users(request)


async def _users(request: Request, secret: str | None = None) -> Response:
    here = context.of(request)

    def gather() -> dict[str, Any]:
        accounts = _accounts(here)
        return {
            "accounts": list(accounts.list()),
            "tokens": list(accounts.tokens()),
            "shares": _shares(here, {account.name for account in accounts.list()}),
            "quotas": here.engine.desk.quotas(),
            "limits": here.settings,
        }

    answer = _page(request, "desk/users.html", secret=secret, **await call(gather))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _shares(here: Context, accounts: set[str]) -> list[Share]:
    """Return what each user has, also those without jobs who have an account or limits of their own."""
    found = here.engine.desk.shares()
    idle = (accounts | here.engine.desk.quotas().keys()) - {share.owner for share in found}
    return found + [Share(name, 0, 0, 0, 0) for name in sorted(idle)]


async def failures(request: Request) -> Response:
    """Show the tasks that failed last, with the ends of their logs, and what this process has to complain of."""
    here, script = context.of(request), (await dali.read(request)).one("SCRIPT") or ""

    def gather() -> dict[str, Any]:
        found = []
        for item in here.engine.desk.failures(ERRORS, script):
            data = b""
            with suppress(AmoraError, OSError):  # the log has gone with its job, or the storage is away
                _, data = here.jobs.log_end(item.task.job_id, item.task.number, None, 0, TAIL)
            found.append((item, data.decode(errors="replace")))
        return {"found": found, "lines": logs.recent(), "script": script}

    return _page(request, "desk/errors.html", **await call(gather))


async def audit(request: Request) -> Response:
    """Show what administrators have done, newest first."""
    here, form = context.of(request), await dali.read(request)
    before, word = form.integer("BEFORE", 1, 2**62), form.one("WORD") or ""
    entries = await call(here.kept.trail, COUNT, before, word)
    return _page(request, "desk/audit.html", entries=entries, word=word, more=len(entries) == COUNT, before=before)


# ---------------------------------------------------------------------- what is done


async def act(request: Request) -> Response:
    """Do what a form of the desk asks for."""
    here, form = context.of(request), await dali.read(request)
    crosssite.require_token(here.signer, client_of(request), form.one(crosssite.FIELD))
    action = form.one("ACTION") or ""
    if action not in ACTIONS:
        raise RequestError(f"There is no action {action[:64]!r} here")
    who = client_of(request).name or ""
    shown = await call(ACTIONS[action], here, form, who)
    if action == "token":
        return await _users(request, shown)
    done = urlencode({"DONE": action, "COUNT": shown or "1"})
    back = form.one("BACK") or ""
    query = "&".join(part for part in (back if back.isascii() and back.isprintable() else "", done) if part)
    return see_other(f"{here.addresses.base}{request.url.path}?{query}")


def _announce(here: Context, form: dali.Form, who: str) -> None:
    text, until = _text(form, "TEXT"), form.one("UNTIL")
    instant = parse_instant("UNTIL", until) if until else None
    here.kept.record(who, "announce" if text else "take down", "", text)
    here.kept.announce(text, who, instant)
    here.board.forget()


def _bulk(form: dali.Form, here: Context) -> list[tuple[str, str]]:
    """Return script and id of the jobs that were ticked, or of all that the search finds."""
    if form.one("WHICH") == "all":
        query = _query(form, BULK + 1)
        found, total = here.engine.desk.jobs(query)
        if total > BULK:
            raise LimitError(f"{total} jobs are found; at most {BULK} are worked on at once. Narrow the search.")
        return [(job.script, job.id) for job in found]
    ids = form.all("JOB")
    if len(ids) > BULK:
        raise LimitError(f"{len(ids)} jobs were ticked; at most {BULK} are worked on at once.")
    return [(here.jobs.state(None, job_id).script, job_id) for job_id in ids]


def _abort(here: Context, form: dali.Form, who: str) -> str:
    reason = "The job was aborted by an operator."
    return _each(here, form, who, "abort", lambda script, job_id: here.jobs.abort(script, job_id, reason))


def _delete(here: Context, form: dali.Form, who: str) -> str:
    return _each(here, form, who, "delete", here.jobs.delete)


def _each(here: Context, form: dali.Form, who: str, name: str, do: Callable[[str, str], None]) -> str:
    jobs = _bulk(form, here)
    if not jobs:
        raise RequestError("No job was ticked")
    here.kept.record(who, f"{name} jobs", " ".join(job_id for _, job_id in jobs), f"{len(jobs)} jobs")
    done = 0
    for script, job_id in jobs:
        with suppress(AmoraError):  # it has ended, or gone, meanwhile
            do(script, job_id)
            done += 1
    return str(done)


def _switch_off(here: Context, form: dali.Form, who: str) -> None:
    name, reason = _script(here, form), _text(form, "REASON")
    here.kept.record(who, "disable script", name, reason)
    here.engine.desk.switch_off(name, reason)
    here.jobs.scripts.refresh()


def _switch_on(here: Context, form: dali.Form, who: str) -> None:
    name = _script(here, form)
    here.kept.record(who, "enable script", name)
    here.engine.desk.switch_on(name)
    here.jobs.scripts.refresh()


def _script(here: Context, form: dali.Form) -> str:
    name = form.one("SCRIPT") or ""
    if not here.jobs.scripts.known(name):
        raise ParameterError("SCRIPT", name, "the name of a script is wanted.")
    return name


def _add_user(here: Context, form: dali.Form, who: str) -> None:
    name, admin = form.one("NAME") or "", form.flag("ADMIN")
    here.kept.record(who, "add account", name, "administrator" if admin else "")
    _accounts(here).add(name, form.one("PASSWORD") or None, admin=admin)


def _remove_user(here: Context, form: dali.Form, who: str) -> None:
    name = form.one("NAME") or ""
    _not_oneself(name, who)
    here.kept.record(who, "remove account", name)
    _accounts(here).remove(name)


def _promote(here: Context, form: dali.Form, who: str) -> None:
    name = form.one("NAME") or ""
    here.kept.record(who, "make administrator", name)
    _accounts(here).set_admin(name, admin=True)


def _demote(here: Context, form: dali.Form, who: str) -> None:
    name = form.one("NAME") or ""
    _not_oneself(name, who)
    here.kept.record(who, "unmake administrator", name)
    _accounts(here).set_admin(name, admin=False)


def _not_oneself(name: str, who: str) -> None:
    if name == who:
        raise ParameterError("NAME", name, "this is your own account; another administrator can do that.")


def _limit(here: Context, form: dali.Form, who: str) -> None:
    name = (form.one("NAME") or "").strip()
    if len(name) > MAX_NAME:
        raise ParameterError("NAME", name, f"at most {MAX_NAME} characters are taken.")
    quota = Quota(_amount(form, "RUNNING", 1), _amount(form, "QUEUED", 1), _amount(form, "DISK", 10**9))
    said = (f"{what}: {'as everybody' if most is None else most or 'any number'}" for what, most in vars(quota).items())
    here.kept.record(who, "set limits", name or "anonymous", ", ".join(said))
    here.engine.desk.set_quota(name, quota)


def _token(here: Context, form: dali.Form, who: str) -> str:
    name, days = form.one("NAME") or "", form.integer("DAYS", 1, 3650) or 90
    label = _text(form, "LABEL")
    here.kept.record(who, "add token", name, f"{days} days {label}".strip())
    return _accounts(here).add_token(name, days, label)


def _revoke(here: Context, form: dali.Form, who: str) -> None:
    token = form.one("TOKENID") or ""
    here.kept.record(who, "revoke token", token)
    _accounts(here).revoke(token)


ACTIONS: dict[str, Act] = {
    "announce": _announce,
    "abort": _abort,
    "delete": _delete,
    "disable": _switch_off,
    "enable": _switch_on,
    "adduser": _add_user,
    "removeuser": _remove_user,
    "promote": _promote,
    "demote": _demote,
    "limits": _limit,
    "token": _token,
    "revoke": _revoke,
}


# ---------------------------------------------------------------------- how it is read and shown


def _text(form: dali.Form, name: str) -> str:
    text = " ".join((form.one(name) or "").split())
    if len(text) > MAX_TEXT:
        raise ParameterError(name, text, f"at most {MAX_TEXT} characters are taken.")
    return text


def _amount(form: dali.Form, name: str, unit: int) -> int | None:
    """Return a number that is given in a unit; None where none is given."""
    text = (form.one(name) or "").strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?" if unit > 1 else "[0-9]{1,9}", text) is None:
        raise ParameterError(name, text, "a number of at most nine figures, 0 or more, is wanted; or nothing.")
    return round(float(text) * unit)


def _query(form: dali.Form, count: int = COUNT) -> Query:
    order = form.one("ORDER") or "created"
    if order.removeprefix("-") not in ORDERS:
        raise ParameterError("ORDER", order, f"allowed are {', '.join(ORDERS)}, descending with -.")
    offset = 0 if count != COUNT else ((form.integer("PAGE", 1, 10**6) or 1) - 1) * COUNT
    return Query(
        word=(form.one("WORD") or "").strip(),
        script=form.one("SCRIPT") or "",
        phases=tuple(phase_named("PHASE", value) for value in form.all("PHASE") if value),
        order=order.removeprefix("-"),
        ascending=bool(form.one("ORDER")) and not order.startswith("-"),
        offset=offset,
        count=count,
    )


def _paged(form: dali.Form, query: Query, total: int) -> dict[str, Any]:
    """Return what a page of a list shows of where it is."""
    here = query.offset // COUNT + 1
    kept = [
        (name, value) for name, value in form.pairs if name.upper() in ("WORD", "SCRIPT", "PHASE", "ORDER") and value
    ]
    unsorted = [pair for pair in kept if pair[0].upper() != "ORDER"]
    return {
        "query": query,
        "total": total,
        "number": here,
        "last": max(1, -(-total // COUNT)),
        "phases": list(Phase),
        "address": lambda number: "?" + urlencode([*kept, ("PAGE", str(number))]),
        "sorted_by": lambda order: "?" + urlencode([*unsorted, ("ORDER", order)]),
        "back": urlencode(kept),
    }


def _scripts(here: Context) -> Sequence[str]:
    return sorted({*here.jobs.scripts.names(), *here.jobs.scripts.off})


def _accounts(here: Context) -> Accounts:
    return Accounts(AccountStore(here.engine.database))


def _page(request: Request, template: str, **values: Any) -> Response:
    here = context.of(request)
    query = {name.upper(): value for name, value in request.query_params.items()}
    done = query.get("DONE", "")
    return page(
        request,
        template,
        token=crosssite.token(here.signer, client_of(request)),
        done=done if done in ACTIONS else "",
        count=int(query["COUNT"]) if query.get("COUNT", "").isdecimal() and len(query["COUNT"]) < 6 else 1,
        **values,
    )
