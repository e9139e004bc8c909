"""Reads ``multipart/form-data`` (RFC 7578) as it comes in: text into memory, files to the disk, nothing guessed.

A part is a file if it has a file name, or a media type other than plain text: STILTS sends its uploads without a name.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from jobs.errors import ParameterError, RequestError, TooLargeError
from jobs.uploads import Inbox, Incoming, Writer

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MEDIA_TYPE = "multipart/form-data"
MAX_TEXT = 8 * 2**20
"""Bytes that all parts that are no files may have together."""
OCTETS = "application/octet-stream"

_CONTENT_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(?:\s*;\s*[\w.-]{1,50}=[\w.:+\"/ -]{1,100}){0,5}", re.ASCII)


class Parts:
    """The parts of a form in their order.

    :param inbox: takes the files; None where none are taken.
    :param max_fields: how many parts there may be.
    """

    def __init__(self, inbox: Inbox | None, max_fields: int) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, Incoming]] = []
        self._inbox = inbox
        self._left = MAX_TEXT
        self._max_fields = max_fields
        self._ended = False
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text: bytearray | None = bytearray()
        self._writer: Writer | None = None
        self._todo: list[Callable[[], None]] = []

    async def read(self, content_type: str, stream: AsyncIterable[bytes]) -> None:
        """Read all parts.

        :param content_type: that of the request.
        :raises RequestError: the body cannot be read; says why.
        :raises TooLargeError: it is more than is taken.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise _unreadable("its Content-Type gives no usable boundary")
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }
        try:
            parser = MultipartParser(boundary, cast("MultipartCallbacks", callbacks))
            async for chunk in stream:
                parser.write(chunk)
                if self._todo:
                    await run_in_threadpool(self._work)
            parser.finalize()
        except FormParserError as error:
            raise _unreadable("it is not as its Content-Type says") from error
        if not self._ended:
            raise _unreadable("it ends before its closing boundary")

    def _work(self) -> None:
        """Do what the disk is needed for, off the event loop."""
        for step in self._todo:
            step()
        self._todo.clear()

    def _begin(self) -> None:
        if len(self.fields) + len(self.files) >= self._max_fields:
            raise RequestError(f"The multipart body has too many parts; at most {self._max_fields} are allowed")
        self._headers.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        self._headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        for part in self._header:
            part.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise _unreadable("a part has no name in its Content-Disposition")
        self._name = _utf8(options[b"name"])
        content_type = self._headers.get(b"content-type", b"text/plain").decode("latin-1").strip()
        if b"filename" not in options and content_type.partition(";")[0].strip().lower() == "text/plain":
            self._text, self._writer = bytearray(), None
            return
        if self._inbox is None:
            raise ParameterError(self._name, "a file", "no files are taken here")
        self._text, self._writer = None, self._inbox.open(acceptable(content_type))

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._writer is not None:
            writer = self._writer
            self._todo.append(lambda: writer.write(piece))
        elif self._text is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise TooLargeError(f"The texts of the multipart body are too large; at most {MAX_TEXT} bytes are read")
            self._text.extend(piece)

    def _end(self) -> None:
        if self._text is not None:
            self.fields.append((self._name, _utf8(bytes(self._text))))
        elif self._writer is not None:
            name, writer = self._name, self._writer
            self._todo.append(lambda: self.files.append((name, writer.close())))

    def _all(self) -> None:
        self._ended = True


def acceptable(content_type: str) -> str:
    """Return a media type as it can be handed out again; unknown bytes where it is none."""
    return content_type if _CONTENT_TYPE.fullmatch(content_type) else OCTETS


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RequestError("A part of the multipart body is not UTF-8 text") from error


def _unreadable(why: str) -> RequestError:
    return RequestError(f"The multipart body cannot be read: {why}")
