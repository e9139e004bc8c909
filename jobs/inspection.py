"""Whether a file really is what its content type says, for whoever writes a script.

FITS is read with astropy, checksums included, and with CFITSIO's ``fitsverify`` where it is installed; VOTable with
astropy's strict parser and with ``stilts votlint``; pictures with Pillow; the rest by the standard library.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

SECONDS = 120
"""How long a verifying program may take."""


class WrongContentError(Exception):
    """The file is not what its content type says; the message says why."""


def inspect(path: Path, content_type: str) -> list[str]:
    """Return what is questionable about a file, though it is what it is said to be.

    :raises WrongContentError: it is not what it is said to be.
    """
    if not path.stat().st_size:
        raise WrongContentError("the file is empty")
    plain, _, parameters = content_type.partition(";")
    kind = plain.strip().lower()
    look = _LOOKS.get(kind)
    if look is None:
        if kind.startswith("text/"):
            look = _text
        elif kind.endswith("+xml"):
            look = _xml
        else:
            return [] if kind == "application/octet-stream" else [f"nothing here can check the content type {kind}"]
    notes = look(path)
    if kind == "application/json" and "content=plot" in parameters.replace(" ", ""):
        _plot(json.loads(path.read_bytes()))
    return notes


def _fits(path: Path) -> list[str]:
    from astropy.io import fits  # noqa: PLC0415 - slow, and most commands need none of this

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with fits.open(path, checksum=True) as hdus:
                hdus.verify("exception")
                for hdu in hdus:
                    _ = hdu.data
                kinds = [hdu.name or "PRIMARY" for hdu in hdus]
        except (OSError, ValueError, TypeError, fits.VerifyError) as error:
            raise WrongContentError(f"astropy cannot read it as FITS: {_first(error)}") from error
    wrong = [str(warning.message) for warning in caught if "hecksum verif" in str(warning.message)]
    if wrong:
        raise WrongContentError(_first(wrong[0]))
    notes = [f"astropy warns: {_first(warning.message)}" for warning in caught]
    if not kinds:
        raise WrongContentError("it has no HDU")
    return notes + _verified("fitsverify", ["fitsverify", str(path)])


def _votable(path: Path) -> list[str]:
    from astropy.io import votable  # noqa: PLC0415 - as above

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            votable.parse(path, verify="exception")
        except (votable.exceptions.VOWarning, OSError, ValueError, IndexError) as error:
            raise WrongContentError(f"astropy cannot read it as VOTable: {_first(error)}") from error
    return [f"astropy warns: {_first(warning.message)}" for warning in caught] + _verified(
        "votlint", ["stilts", "votlint", str(path)]
    )


def _verified(name: str, command: list[str]) -> list[str]:
    """Ask a program, if it is installed; each line it prints that tells of an error is one."""
    if shutil.which(command[0]) is None:
        return []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace")
    except subprocess.TimeoutExpired:
        return [f"{name} took longer than {SECONDS} s"]
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "*** Error:", "< Error"))]
    if errors or (done.returncode and not lines):
        raise WrongContentError(f"{name}: {errors[0] if errors else 'it failed'}"[:300])
    return [f"{name}: {line}" for line in lines if line.startswith(("WARNING", "*** Warning:"))]


def _picture(kind: str) -> Callable[[Path], list[str]]:
    def look(path: Path) -> list[str]:
        from PIL import Image  # noqa: PLC0415 - as above

        try:
            with Image.open(path) as image:
                found = image.format or ""
                image.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise WrongContentError(f"it is no picture that Pillow can read: {_first(error)}") from error
        if found != kind:
            raise WrongContentError(f"it is {found}, not {kind}")
        return []

    return look


def _json(path: Path) -> list[str]:
    try:
        json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WrongContentError(f"it is not JSON: {_first(error)}") from error
    return []


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value; write null")


def _plot(content: Any) -> None:
    """Hold plot data against their form: axes with labels, series of equal lengths."""
    if not isinstance(content, dict) or not isinstance(content.get("series"), list):
        raise WrongContentError('plot data must be an object with a list "series"')
    for axis in ("x", "y"):
        if not isinstance(content.get(axis), dict) or "label" not in content[axis]:
            raise WrongContentError(f'plot data: the axis "{axis}" must be an object with a "label"')
    for number, series in enumerate(content["series"], 1):
        if not isinstance(series, dict) or series.get("kind") not in {"points", "steps", "line"}:
            raise WrongContentError(f'plot data: series {number} must have a "kind": points, steps or line')
        x, y = series.get("x"), series.get("y")
        more = 1 if series["kind"] == "steps" else 0  # edges of bins
        if not isinstance(x, list) or not isinstance(y, list) or len(x) - len(y) not in {0, more}:
            raise WrongContentError(f'plot data: "x" and "y" of series {number} must be lists of one length')


def _xml(path: Path) -> list[str]:
    try:
        etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except (etree.XMLSyntaxError, OSError) as error:
        raise WrongContentError(f"it is not XML: {_first(error)}") from error
    return []


def _text(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if "\0" in line:
                    raise WrongContentError("it is no text: there is a NUL in it")
    except UnicodeDecodeError as error:
        raise WrongContentError("it is no text in UTF-8") from error
    return []


def _table(path: Path) -> list[str]:
    notes = _text(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.reader(file) if row and not row[0].startswith("#"))
        try:
            widths = {len(row) for row in rows}
        except csv.Error as error:
            raise WrongContentError(f"it is not CSV: {error}") from error
    if len(widths) > 1:
        raise WrongContentError(f"its rows have between {min(widths)} and {max(widths)} columns")
    return notes


def _pdf(path: Path) -> list[str]:
    with path.open("rb") as file:
        if not file.read(5).startswith(b"%PDF-"):
            raise WrongContentError("it does not begin as PDF")
    return []


def _first(error: object) -> str:
    return " ".join(str(error).split())[:300]


_LOOKS: dict[str, Callable[[Path], list[str]]] = {
    "application/fits": _fits,
    "image/fits": _fits,
    "application/x-votable+xml": _votable,
    "text/xml": _xml,
    "application/xml": _xml,
    "application/json": _json,
    "image/png": _picture("PNG"),
    "image/jpeg": _picture("JPEG"),
    "image/gif": _picture("GIF"),
    "text/csv": _table,
    "application/pdf": _pdf,
}
