"""The parameters by which datasets are asked for: one list for every face, with the names of SIA 2.0 where it has one.

A parameter may be repeated, and any of its values will do; a dataset must fit all parameters. Texts are compared
without regard to case, and ``*`` in one stands for any characters. Intervals are two numbers, ``-Inf`` and ``+Inf`` for
an open end, or one number (SIA 2.0, section 2.1.2; DALI 1.1, section 3.3.4); what a dataset has must touch one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from index.errors import QueryError
from index.query import (
    MAX_INTERVALS,
    MAX_VALUES,
    ORDERS,
    RELATIONS,
    AnyOf,
    Filter,
    Mark,
    Numbers,
    Order,
    Query,
    Within,
)
from index.region import Region
from jobs.errors import ParameterError, RequestError
from uws.dali import Form

if TYPE_CHECKING:
    from index.service import Index

MAX_ROWS = 2**31 - 1

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?Z?", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """A parameter that filters by metadata."""

    name: str
    description: str
    kind: Literal["text", "folded", "pol", "interval", "time", "integer", "flag"]
    columns: tuple[str, ...]
    example: str
    unit: str = ""
    ucd: str = ""

    def read(self, values: list[str]) -> Filter:
        """Return the filter that values of the parameter ask for.

        :raises ParameterError: one of them is not allowed.
        """
        intervals = self.kind in ("interval", "time")
        most = MAX_INTERVALS if intervals else MAX_VALUES
        if len(values) > most:
            raise ParameterError(self.name, f"{len(values)} values", f"at most {most} are allowed")
        if intervals:
            return Within(self.columns[0], self.columns[-1], tuple(map(self._interval, values)))
        if self.kind in ("integer", "flag"):
            return Numbers(self.columns[0], tuple(map(self._number, values)))
        texts = [text.strip() for text in values]
        if "" in texts:
            raise ParameterError(
                self.name, "", f"a text such as {self.example} is allowed; * stands for any characters"
            )
        if self.kind == "pol":
            texts = [f"*/{text}/*" for text in texts]
        return AnyOf(self.columns[0], tuple(texts), folded=self.kind == "folded")

    def _interval(self, value: str) -> tuple[float, float]:
        words = value.replace("/", " ").split() if self.kind == "time" else value.split()
        try:
            low, high = map(self._end, (words[0], words[-1]))
        except (ValueError, IndexError):
            low, high = math.inf, -math.inf
        if len(words) > 2 or not low <= high or low == math.inf or high == -math.inf:
            dates = ", or dates such as 2002-02-05T12:00:00" if self.kind == "time" else ""
            unit = f" ({self.unit})" if self.unit else ""
            raise ParameterError(
                self.name,
                value,
                f"one or two numbers{unit}, the smaller first, are allowed{dates}; -Inf and +Inf leave an end open",
            )
        return low, high

    def _end(self, word: str) -> float:
        if self.kind == "time" and _DATE.fullmatch(word):
            since = datetime.fromisoformat(word.removesuffix("Z")).replace(tzinfo=UTC) - datetime(
                1858, 11, 17, tzinfo=UTC
            )
            return since.total_seconds() / 86400
        if not (_NUMBER.fullmatch(word) or _INFINITY.fullmatch(word)):
            raise ValueError(word)
        return float(word)

    def _number(self, value: str) -> int:
        word = value.strip()
        if self.kind == "flag":
            if word.lower() not in ("true", "false", "1", "0"):
                raise ParameterError(self.name, value, "true or false is allowed")
            return int(word.lower() in ("true", "1"))
        if not re.fullmatch(r"\d", word, re.ASCII) or int(word) > 4:
            raise ParameterError(self.name, value, "a whole number from 0 to 4 is allowed")
        return int(word)


FILTERS = (
    Parameter("CAMERA", "Camera", "text", ("camera",), "M1", ucd="meta.id;instr.det"),
    Parameter("OBS_ID", "Observation", "text", ("obs_id",), "0002970201", ucd="meta.id"),
    Parameter("EXPOSURE", "Exposure of the camera", "text", ("exposure_id",), "S001", ucd="meta.id;obs.exposure"),
    Parameter("TARGET", "Target; blanks do not matter", "folded", ("target_name",), "3C 66*", ucd="meta.id;src"),
    Parameter("FILTER", "Filter", "text", ("filter",), "Thin*", ucd="meta.id;instr.filter"),
    Parameter("MODE", "Mode of the instrument", "text", ("mode",), "PrimeFullWindow", ucd="meta.code;instr.setup"),
    Parameter("COLLECTION", "Collection", "text", ("obs_collection",), "XMM-Newton", ucd="meta.id"),
    Parameter("FACILITY", "Observatory", "text", ("facility_name",), "XMM-Newton", ucd="meta.id;instr.tel"),
    Parameter("INSTRUMENT", "Instrument", "text", ("instrument_name",), "EPN", ucd="meta.id;instr"),
    Parameter("DPTYPE", "Kind of data", "text", ("dataproduct_type",), "event", ucd="meta.code.class"),
    Parameter("CALIB", "Calibration level", "integer", ("calib_level",), "2", ucd="meta.code;obs.calib"),
    Parameter(
        "TIME", "Time of observation", "time", ("t_min", "t_max"), "52310 52320", "d", "time.interval;obs.exposure"
    ),
    Parameter("EXPTIME", "Exposure time", "interval", ("t_exptime",), "10000 +Inf", "s", "time.duration;obs.exposure"),
    Parameter("BAND", "Wavelength", "interval", ("em_min", "em_max"), "1e-10 8e-9", "m", "em.wl;stat.interval"),
    Parameter("FOV", "Diameter of the field", "interval", ("s_fov",), "0.2 1", "deg", "phys.angSize;instr.fov"),
    Parameter("SPATRES", "Spatial resolution", "interval", ("s_resolution",), "0 10", "arcsec", "pos.angResolution"),
    Parameter("TIMERES", "Time resolution", "interval", ("t_resolution",), "0 1", "s", "time.resolution"),
    Parameter("SPECRP", "Spectral resolving power", "interval", ("em_res_power",), "10 +Inf", "", "spect.resolution"),
    Parameter("POL", "Polarisation state", "pol", ("pol_states",), "I", ucd="meta.code;phys.polarization"),
    Parameter("FORMAT", "Media type of the data", "text", ("access_format",), "application/fits", ucd="meta.code.mime"),
    Parameter("SIMULATED", "Whether the data are simulated", "flag", ("simulated",), "false", ucd="meta.code"),
    Parameter("APPROXIMATE", "Whether the coverage is a guess", "flag", ("approximate",), "false", ucd="meta.code"),
)


def region_of(form: Form, index: Index, file: bytes | None = None) -> Region | None:
    """Return the region that the form gives, None where it gives none; the index knows the targets.

    :param file: the content of a file with a region, if one was sent.
    :raises RequestError: there are several regions.
    :raises index.errors.CoverageError: the region cannot be read.
    """
    readers: dict[str, Callable[[str], Region]] = {
        "POS": index.region,
        "CIRCLE": Region.circle,
        "POLYGON": Region.polygon,
    }
    given = [(name, value) for name in readers if (value := form.one(name)) is not None]
    if len(given) + (file is not None) > 1:
        names = [name for name, _ in given] + (["a file"] if file is not None else [])
        raise RequestError(f"{' and '.join(names)} were given; one region is allowed")
    if file is not None:
        return Region.read(file)
    return readers[given[0][0]](given[0][1]) if given else None


def filters_of(form: Form, parameters: Iterable[Parameter] = FILTERS) -> tuple[Filter, ...]:
    """Return the filters that the form asks for.

    :raises ParameterError: a value is not allowed.
    """
    return tuple(parameter.read(values) for parameter in parameters if (values := form.all(parameter.name)))


def query_of(form: Form, region: Region | None) -> Query:
    """Return what the form asks for: RELATION, ID, the filters, ORDER, MAXREC, OFFSET and AFTER.

    :raises RequestError: a value is not allowed, or two do not go together.
    """
    relation = (form.one("RELATION") or RELATIONS[0]).strip().lower()
    if relation not in RELATIONS:
        raise ParameterError("RELATION", relation, f"one of {', '.join(RELATIONS)} is allowed")
    try:
        given, after = form.one("ORDER"), form.one("AFTER")
        query = Query(
            region,
            relation,  # type: ignore[arg-type]
            frozenset(form.all("ID")),
            filters_of(form),
            Order.parse(given) if given is not None else None,
            form.integer("MAXREC", 0, MAX_ROWS),
            form.integer("OFFSET", 0, MAX_ROWS) or 0,
        )
        if after is None:
            return query
        return Query(**{**vars(query), "after": Mark.parse(after, query.ordered)})
    except QueryError as error:
        raise RequestError(f"{str(error)[0].upper()}{str(error)[1:]}") from error


ORDER_OPTIONS = tuple(sign + name for name in ORDERS for sign in ("", "-"))
