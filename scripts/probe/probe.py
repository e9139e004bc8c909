"""The script ``probe``: does what it is told, to test the service.

A few modules of the standard library only, so that it starts as fast as Python: the time it takes is the service's.
"""

# ruff: noqa: PTH103, PTH123 - pathlib would make the start a quarter longer

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Wait, write, and fail or succeed as the parameters say."""
    task = read("task.json")
    parameters, number = task["parameters"], task["task"]
    wanted, size = float(parameters.get("SECONDS") or 0), int(parameters.get("SIZE") or 0)
    failure = parameters.get("FAIL")
    started, start = time.time(), time.monotonic()
    print(f"task {number}: waiting {wanted:g} s, writing {size} bytes, process {os.getpid()}", flush=True)
    wait(start, wanted)
    os.makedirs("products", exist_ok=True)
    if size:
        write(f"products/probe_{number}.bin", size)
        print(f"task {number}: wrote {size} bytes", flush=True)
    if failure:
        print(" ".join(str(failure).split()), file=sys.stderr)
        return 1
    sent, checksum = examine(parameters.get("TABLE"))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started))
    row = (
        number,
        os.uname().nodename,
        sys.version.partition(" ")[0],
        stamp,
        f"{time.monotonic() - start:.6f}",
        size,
        sent,
        checksum,
    )
    with open(f"products/probe_{number}.vot", "w", encoding="utf-8") as file:
        file.write(votable(row))
    print("progress 1 done", flush=True)
    return 0


class JSON:
    """How the interpreter's own parser is to read: as ``json`` would."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def read(path: str) -> "Any":
    """Return what a JSON file says.

    The module json would take longer to import than Python to start; the parser in C that it uses takes no time.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read().strip()
    try:
        from _json import make_scanner  # noqa: PLC0415

        parser: Any = make_scanner
        return parser(JSON)(text, 0)[0]
    except (ImportError, AttributeError, StopIteration):  # another Python, or no JSON: json says what is wrong
        import json  # noqa: PLC0415

        return json.loads(text)


def wait(start: float, seconds: float) -> None:
    """Wait until ``seconds`` after ``start`` on the monotonic clock, and tell how far it is."""
    pause = min(10.0, max(0.2, seconds / 100))
    while (left := start + seconds - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        done = min(1.0, (time.monotonic() - start) / seconds)
        print(f"progress {done:.3f} waited {time.monotonic() - start:.1f} of {seconds:g} s", flush=True)


def examine(file: dict[str, object] | None) -> tuple[int, str]:
    """Return size and SHA-256 of the file that was sent along; -1 and nothing where none was."""
    if file is None:
        return -1, ""
    import hashlib  # noqa: PLC0415 - it would make the start of every probe slower

    with open(str(file["path"]), "rb") as stream:
        return os.fstat(stream.fileno()).st_size, hashlib.file_digest(stream, "sha256").hexdigest()


def write(path: str, size: int) -> None:
    """Write a file of ``size`` bytes."""
    chunk = b"Amora probe\n" * 87382  # about 1 MiB
    with open(path, "wb") as file:
        for _ in range(size // len(chunk)):
            file.write(chunk)
        file.write(chunk[: size % len(chunk)])


FIELDS = (
    ("task", 'datatype="int" ucd="meta.id;meta.main"', "number of the task in its job"),
    ("host", 'datatype="char" arraysize="*" ucd="meta.id"', "machine it ran on"),
    ("python", 'datatype="char" arraysize="*" ucd="meta.version"', "version of the Python interpreter"),
    ("started", 'datatype="char" arraysize="*" ucd="time.start" xtype="timestamp"', "start, UTC"),
    ("seconds", 'datatype="double" unit="s" ucd="time.duration"', "time from start to here"),
    ("size", 'datatype="long" unit="byte" ucd="phys.size;meta.file"', "size of the file written besides"),
    (
        "table_size",
        'datatype="long" unit="byte" ucd="phys.size;meta.file"',
        "size of the file sent as TABLE, -1 for none",
    ),
    ("table_checksum", 'datatype="char" arraysize="*" ucd="meta.checksum"', "SHA-256 of the file sent as TABLE"),
)


def votable(row: tuple[object, ...]) -> str:
    """Return a VOTable 1.4 with one row."""
    fields = "\n".join(
        f'      <FIELD name="{name}" {attributes}><DESCRIPTION>{text}</DESCRIPTION></FIELD>'
        for name, attributes, text in FIELDS
    )
    cells = "".join(f"<TD>{str(cell).replace('&', '&amp;').replace('<', '&lt;')}</TD>" for cell in row)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
  <RESOURCE type="results">
    <TABLE name="probe" nrows="1">
      <DESCRIPTION>What a task of the script probe did</DESCRIPTION>
{fields}
      <DATA><TABLEDATA><TR>{cells}</TR></TABLEDATA></DATA>
    </TABLE>
  </RESOURCE>
</VOTABLE>
"""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"The probe cannot do what its task says: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
