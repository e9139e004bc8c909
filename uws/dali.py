"""The parameters of a request as DALI 1.1 wants them read.

Names are case-insensitive and values are not, a parameter that stands for one thing is refused when it comes
twice, and a form may come in the query, urlencoded or as multipart (sections 2 and 3).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from jobs.errors import ParameterError, RequestError, TooLargeError
from jobs.uploads import Inbox, Incoming
from uws import jsonform, multipart
from uws.context import for_programs
from uws.markup import is_clean

MAX_PARAMETERS = 5000
MAX_NAME = 64
MAX_VALUE = 2**18
SINGLE = ("MAXREC", "REQUEST", "RESPONSEFORMAT", "RUNID")
"""What DALI itself defines as single-valued (section 3.4)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_URLENCODED = "application/x-www-form-urlencoded"


class MultiValuedError(RequestError):
    """A parameter that stands for one thing was given several times."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"MultiValuedParamNotSupported: Parameter {name} was given several times; one value is allowed"
        )


@dataclass(frozen=True)
class Form:
    """The parameters of a request in their order, names as they were given."""

    pairs: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Incoming], ...] = ()
    """The parts of a multipart body that are files, by the names of the parts."""

    def all(self, name: str) -> list[str]:
        """Return each value of the parameter."""
        return list(self._values.get(name, ()))

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for key, value in self.pairs:
            values.setdefault(key.upper(), []).append(value)
        return values

    def one(self, name: str) -> str | None:
        """Return the value of the parameter, None where it is not given.

        :raises MultiValuedError: it is given several times.
        """
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise MultiValuedError(name)
        return values[0]

    def integer(self, name: str, minimum: int, maximum: int) -> int | None:
        """Return the value of the parameter as an integer, None where it is not given."""
        value = self.one(name)
        if value is None:
            return None
        text = value.strip()
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text) and minimum <= int(text) <= maximum:
            return int(text)
        raise ParameterError(name, value, f"an integer from {minimum} to {maximum} is allowed")

    def flag(self, name: str) -> bool:
        """Return the value of the parameter as a boolean, False where it is not given (DALI 1.1, section 3.1.1)."""
        value = self.one(name)
        if value is None or value.strip().lower() in ("false", "0"):
            return False
        if value.strip().lower() in ("true", "1"):
            return True
        raise ParameterError(name, value, "true or false is allowed")

    def without(self, names: Collection[str]) -> list[tuple[str, str]]:
        """Return the parameters that are not in ``names``."""
        return [pair for pair in self.pairs if pair[0].upper() not in names]


async def read(request: Request, inbox: Inbox | None = None) -> Form:
    """Read the query and, for a POST or a PATCH, the body.

    :param inbox: takes the files that come with it; without one, files are refused.
    :raises RequestError: the parameters cannot be read; says where and why.
    :raises HTTPException: 415 for a body in a form that is no form.
    """
    pairs = _urlencoded(request.scope["query_string"], "query")
    parts = multipart.Parts(inbox, MAX_PARAMETERS)
    if request.method in ("POST", "PATCH"):
        if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
            raise HTTPException(415, f"Content-Encoding {coding!r} was given; a body is taken as it is, not compressed")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == multipart.MEDIA_TYPE:
            async with aclosing(_stream(request)) as stream:
                await parts.read(request.headers["content-type"], stream)
            pairs += parts.fields
        elif media_type in (_URLENCODED, ""):
            body = await request.body()
            if body and not media_type:
                raise HTTPException(415, f"The body needs a Content-Type: {_URLENCODED} or {multipart.MEDIA_TYPE}")
            pairs += _urlencoded(body, "body")
        elif media_type == jsonform.CONTENT_TYPE and for_programs(request):
            pairs += jsonform.pairs(await request.body())
        else:
            raise HTTPException(
                415, f"Content-Type {media_type!r} was given; {_URLENCODED} and {multipart.MEDIA_TYPE} are allowed"
            )
    form = Form(tuple(_checked(pairs)), tuple((name(key), file) for key, file in parts.files))
    for single in SINGLE:
        form.one(single)
    return form


async def read_value(request: Request, name: str) -> str:
    """Return the body of a PUT as the value of a parameter.

    :raises RequestError: it is no text, or too long.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 4 * MAX_VALUE:
            raise TooLargeError(f"The body of the request is too large; at most {MAX_VALUE} characters are allowed")
    try:
        [(_, value)] = _checked([(name, body.decode())])
    except UnicodeDecodeError as error:
        raise RequestError("The body of the request is not UTF-8 text") from error
    return value


async def read_file(request: Request, inbox: Inbox) -> Incoming:
    """Return the body of a PUT as a file.

    :raises TooLargeError: it is more than is taken.
    """
    writer = inbox.open(multipart.acceptable(request.headers.get("content-type", multipart.OCTETS)))
    async for chunk in request.stream():
        await run_in_threadpool(writer.write, chunk)
    return await run_in_threadpool(writer.close)


def name(text: str) -> str:
    """Return the name of a parameter, if it can be one.

    :raises RequestError: it cannot.
    """
    if not text or len(text) > MAX_NAME or _CONTROL.search(text) or not is_clean(text):
        shown = text[:MAX_NAME]
        raise RequestError(f"A parameter named {shown!r} was given; a name has 1 to {MAX_NAME} printable characters")
    return text


def _urlencoded(raw: bytes, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise RequestError(f"The {where} of the request is not UTF-8 text") from error
    except ValueError as error:
        raise RequestError(
            f"The {where} of the request has too many parameters; at most {MAX_PARAMETERS} are allowed"
        ) from error


def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    return request.stream()


def _checked(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for key, value in pairs:
        if len(value) > MAX_VALUE:
            raise ParameterError(name(key), value, f"at most {MAX_VALUE} characters are allowed")
        if not is_clean(value):
            raise ParameterError(name(key), value, "control characters are not allowed")
        yield name(key), value


@dataclass(frozen=True)
class Format:
    """A form in which a document can be had."""

    name: str
    """The short name that RESPONSEFORMAT takes."""
    content_type: str
    others: tuple[str, ...] = ()
    """Further media types that ask for it; DALI wants the one that was asked for as the Content-Type."""


def response_format(form: Form, offered: tuple[Format, ...]) -> Format:
    """Return the format that RESPONSEFORMAT asks for, the first one offered where it is not given.

    :raises ParameterError: it is none of those offered (DALI 1.1, section 3.4).
    """
    asked = form.one("RESPONSEFORMAT")
    if not asked:
        return offered[0]
    wanted = asked.strip().lower()
    media_type, mark, rest = wanted.partition(";")
    # no media type has a blank in it, but many a client writes its + into an address as it is
    media_type = media_type.strip().replace(" ", "+")
    whole = media_type + mark + re.sub(r'[\s"]', "", rest)
    for candidate in offered:
        if wanted == candidate.name or whole == candidate.content_type.lower():
            return candidate
    for candidate in offered:
        if media_type == candidate.content_type.partition(";")[0]:
            return candidate
        if media_type in candidate.others:
            return Format(candidate.name, media_type)
    allowed = ", ".join(f"{candidate.name} ({candidate.content_type})" for candidate in offered)
    raise ParameterError("RESPONSEFORMAT", asked, f"allowed are {allowed}")
