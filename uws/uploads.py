"""The files that come with a request (DALI 1.1, section 3.4.5; UWS 1.1, section 2.2.3.1.1).

``UPLOAD=name,param:part`` makes the part of that name in the same multipart request the value of the parameter
``name``; ``UPLOAD=name,http://...`` has it fetched from there, where the operator allows it. UPLOAD may be repeated, or
hold several such pairs separated by semicolons. A part that is a file and that no UPLOAD names is the value of the
parameter of its own name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from jobs.errors import ParameterError, RequestError
from jobs.uploads import Inbox, Incoming
from uws.dali import Form
from uws.settings import Settings

UPLOAD = "UPLOAD"
_NEXT = re.compile(r";(?=\s*[A-Za-z][A-Za-z0-9_]*\s*,)")
_PAIR = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*,\s*(\S+?)\s*;?\s*", re.ASCII)
_ALLOWED = "NAME,param:PART or NAME,http://... is allowed, several of them separated by semicolons; a name is letters, "
_ALLOWED += "digits and _"


@dataclass(frozen=True)
class Named:
    """One file that UPLOAD names."""

    name: str
    """In upper case, as all names of parameters are compared."""
    uri: str


def parse(values: list[str]) -> list[Named]:
    """Read all values of UPLOAD.

    :raises ParameterError: one is not as DALI wants it, or a name comes twice.
    """
    found: dict[str, Named] = {}
    for value in values:
        for pair in _NEXT.split(value):
            match = _PAIR.fullmatch(pair)
            if match is None:
                raise ParameterError(UPLOAD, value, _ALLOWED)
            named = Named(match[1].upper(), match[2])
            if named.name in found:
                raise ParameterError(UPLOAD, value, f"the name {match[1]} is given twice")
            found[named.name] = named
    return list(found.values())


async def sort_out(form: Form, inbox: Inbox, settings: Settings) -> tuple[Form, dict[str, Incoming]]:
    """Return the form without its files and what speaks of them, and each file by the name of its parameter.

    :raises RequestError: a file is named that is not there, or cannot be had; or one name stands for two.
    """
    parts: dict[str, Incoming] = {}
    for name, file in form.files:
        if parts.setdefault(name.upper(), file) is not file:
            raise RequestError(f"Two files were sent as {name}; one is allowed")
    files: dict[str, Incoming] = {}
    used = {UPLOAD}
    for named in parse(form.all(UPLOAD)):
        scheme, _, rest = named.uri.partition(":")
        if scheme.lower() == "param":
            used.add(rest.upper())
            files[named.name] = parts.get(rest.upper()) or await _from_text(form, rest, inbox)
        elif not settings.upload_urls:
            raise ParameterError(UPLOAD, named.uri, "this service fetches no files; send it along as NAME,param:PART")
        else:
            from uws.fetch import fetch  # noqa: PLC0415 - 10 MB that a service which fetches nothing does without

            files[named.name] = await fetch(named.uri, inbox, settings.upload_seconds)
    for name, file in parts.items():
        if name not in used and files.setdefault(name, file) is not file:
            raise RequestError(f"Two files were sent as {name}; one is allowed")
    return Form(tuple(form.without(used))), files


async def _from_text(form: Form, part: str, inbox: Inbox) -> Incoming:
    """Make a file of a part that was sent without a file name."""
    text = form.one(part.upper())
    if text is None:
        raise ParameterError(UPLOAD, f"param:{part}", f"the request has no part {part}")
    writer = inbox.open("text/plain; charset=utf-8")
    await run_in_threadpool(writer.write, text.encode())
    return await run_in_threadpool(writer.close)
