"""The parameters of a request as DALI 1.1 wants them read.

Names are case-insensitive and values are not, a parameter that stands for one thing is refused when it comes
twice, and a form may come in the query, urlencoded or as multipart (sections 2 and 3).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from jobs.errors import ParameterError, RequestError
from uws import jsonform
from uws.context import for_programs
from uws.markup import is_clean

MAX_PARAMETERS = 5000
MAX_NAME = 64
MAX_VALUE = 2**18
SINGLE = ("MAXREC", "REQUEST", "RESPONSEFORMAT", "RUNID")
"""What DALI itself defines as single-valued (section 3.4)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


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

    def all(self, name: str) -> list[str]:
        """Return each value of the parameter."""
        return [value for key, value in self.pairs if key.upper() == name]

    def one(self, name: str) -> str | None:
        """Return the value of the parameter, None where it is not given.

        :raises MultiValuedError: it is given several times.
        """
        values = self.all(name)
        if len(values) > 1:
            raise MultiValuedError(name)
        return values[0] if values else None

    def integer(self, name: str, minimum: int, maximum: int) -> int | None:
        """Return the value of the parameter as an integer, None where it is not given."""
        value = self.one(name)
        if value is None:
            return None
        text = value.strip()
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text) and minimum <= int(text) <= maximum:
            return int(text)
        raise ParameterError(name, value, f"an integer from {minimum} to {maximum} is allowed")

    def without(self, names: Collection[str]) -> list[tuple[str, str]]:
        """Return the parameters that are not in ``names``."""
        return [pair for pair in self.pairs if pair[0].upper() not in names]


async def read(request: Request) -> Form:
    """Read the query and, for a POST, the body.

    :raises RequestError: the parameters cannot be read; says where and why.
    :raises HTTPException: 415 for a body in a form that is no form.
    """
    pairs = _urlencoded(request.scope["query_string"], "query")
    if request.method == "POST":
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == _MULTIPART:
            pairs += await _multipart(request)
        elif media_type in (_URLENCODED, ""):
            body = await request.body()
            if body and not media_type:
                raise HTTPException(415, f"The body needs a Content-Type: {_URLENCODED} or {_MULTIPART}")
            pairs += _urlencoded(body, "body")
        elif media_type == jsonform.CONTENT_TYPE and for_programs(request):
            pairs += jsonform.pairs(await request.body())
        else:
            raise HTTPException(
                415, f"Content-Type {media_type!r} was given; {_URLENCODED} and {_MULTIPART} are allowed"
            )
    form = Form(tuple(_checked(pairs)))
    for name in SINGLE:
        form.one(name)
    return form


def _urlencoded(raw: bytes, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise RequestError(f"The {where} of the request is not UTF-8 text") from error
    except ValueError as error:
        raise RequestError(
            f"The {where} of the request has too many parameters; at most {MAX_PARAMETERS} are allowed"
        ) from error


class _Parser(MultiPartParser):
    """Starlette's parser, which knows after parsing whether the closing boundary came."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _multipart(request: Request) -> list[tuple[str, str]]:
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary", b"")
    if not boundary or b'"' in boundary:
        raise RequestError("The multipart body cannot be read: its Content-Type gives no usable boundary")
    # Starlette guesses when a part is not in the charset given. Latin-1 keeps each byte, so that the text can
    # be decoded here without a guess.
    plain = Headers({"content-type": f'{_MULTIPART}; charset=latin-1; boundary="{boundary.decode("latin-1")}"'})
    async with aclosing(_stream(request)) as stream:
        parser = _Parser(plain, stream, max_files=1, max_fields=MAX_PARAMETERS, max_part_size=4 * MAX_VALUE)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise RequestError(f"The multipart body cannot be read: {error.message}") from error
    if not parser.ended:
        await form.close()
        raise RequestError("The multipart body cannot be read: it ends before its closing boundary")
    try:
        return [(_utf8(name), _value(name, value)) for name, value in form.multi_items()]
    finally:
        await form.close()


def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    return request.stream()


def _value(name: str, value: str | UploadFile) -> str:
    if isinstance(value, UploadFile):
        raise ParameterError(name, value.filename, "a file was sent, and this service takes no files here")
    return _utf8(value)


def _utf8(latin: str) -> str:
    try:
        return latin.encode("latin-1").decode()
    except UnicodeDecodeError as error:
        raise RequestError("A part of the multipart body is not UTF-8 text") from error


def _checked(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in pairs:
        if not name or len(name) > MAX_NAME or _CONTROL.search(name) or not is_clean(name):
            shown = name[:MAX_NAME]
            raise RequestError(
                f"A parameter named {shown!r} was given; a name has 1 to {MAX_NAME} printable characters"
            )
        if len(value) > MAX_VALUE:
            raise ParameterError(name, value, f"at most {MAX_VALUE} characters are allowed")
        if not is_clean(value):
            raise ParameterError(name, value, "control characters are not allowed")
        yield name, value


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
    media_type = wanted.partition(";")[0].strip()
    for candidate in offered:
        if wanted == candidate.name or media_type == candidate.content_type.partition(";")[0]:
            return candidate
        if media_type in candidate.others:
            return Format(candidate.name, media_type)
    allowed = ", ".join(f"{candidate.name} ({candidate.content_type})" for candidate in offered)
    raise ParameterError("RESPONSEFORMAT", asked, f"allowed are {allowed}")
