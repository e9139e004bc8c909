"""The parameter validator: from what a client sent to typed values, a region and the datasets to work on.

``check`` looks at the values alone, when they are given; ``select`` asks the index, when the job is run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from index.errors import DatasetIdError, RegionError
from index.region import Region
from index.service import Index
from jobs.combinations import REGIONS, Combinations
from jobs.descriptor import SHARED, ParameterSpec, Script
from jobs.errors import ParameterError, RequestError
from jobs.models import Parameter, Upload

MAX_VALUE = 100_000
"""Characters in one value."""
MAX_CHARACTERS = 500_000
"""Characters in all values of one job; of polygons, some 25 with 1,000 points, which take 1 s to look at."""
MAX_PARAMETERS = 1_000
"""Parameters in one job, repetitions counted."""
MAX_TASKS = 10_000
"""Tasks in one job."""

_NUMBER = re.compile(r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_TRUE = frozenset({"1", "true", "yes", "on", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "f"})
_DRAWN = ("circle", "ellipse", "polygon", "range")
"""The shapes that a parameter can have: a script gets the MOC of its region alone."""


@dataclass(frozen=True)
class Values:
    """The parameters of a job, checked."""

    values: dict[str, Any] = field(default_factory=dict)
    """A typed value for each parameter of the script, defaults filled in; None where there is neither."""
    region: Region | None = None
    ids: tuple[str, ...] = ()
    """The short ids of the datasets that were asked for."""
    uploads: dict[str, Upload] = field(default_factory=dict)
    """The files that were sent, by the names of their parameters."""
    combinations: int = 1
    """How many there are of repeated values; the values are those of one of them."""


def canonical(script: Script, parameters: Sequence[tuple[str, str]]) -> list[Parameter]:
    """Give each parameter its one spelling: names are case-insensitive (DALI 1.1, section 3.1).

    A parameter that nobody described is kept, in the spelling in which it came first.
    """
    spelling: dict[str, str] = {}
    found = []
    for name, value in parameters:
        upper = name.upper()
        known = upper in SHARED or script.parameter(upper) is not None
        found.append(Parameter(upper if known else spelling.setdefault(upper, name), value))
    return found


def check(script: Script, parameters: Sequence[Parameter], index: Index) -> Values:
    """Check every value against the descriptor.

    :raises ParameterError: a value is not allowed.
    :raises RequestError: the values do not go together.
    """
    if len(parameters) > MAX_PARAMETERS:
        raise RequestError(f"{len(parameters)} parameters were given; at most {MAX_PARAMETERS} are taken.")
    if (length := sum(len(item.value) for item in parameters)) > MAX_CHARACTERS:
        raise RequestError(f"Values of {length} characters were given; at most {MAX_CHARACTERS} together are taken.")
    if not script.combined:
        return _check(script, parameters, index)
    combinations = Combinations(script, parameters)
    if len(combinations) > MAX_TASKS:
        raise RequestError(f"{len(combinations)} combinations of values were given; at most {MAX_TASKS} are taken.")
    first, *_ = [_check(script, some, index) for some in combinations.covering()]
    return replace(first, combinations=len(combinations))


def _check(script: Script, parameters: Sequence[Parameter], index: Index) -> Values:
    given: dict[str, list[str]] = {}
    uploads: dict[str, Upload] = {}
    for item in parameters:
        if item.upload is not None:
            uploads[item.name] = _file(script, item.name, item.upload)
            continue
        if len(item.value) > MAX_VALUE:
            raise ParameterError(item.name, item.value, f"at most {MAX_VALUE} characters are taken.")
        if item.value.strip():  # an empty value is no value
            given.setdefault(item.name, []).append(item.value)
    values = {spec.name: _value(spec, given.get(spec.name, []), index) for spec in script.parameters}
    values |= {name: _described(name, upload) for name, upload in uploads.items()}
    for low, high in script.ordered:
        if values[low] is not None and values[high] is not None and values[low] >= values[high]:
            raise ParameterError(low, values[low], f"it must be smaller than {high}, which is {values[high]}.")
    return Values(values, _region(script, given, index), _ids(script, given, index), uploads)


def upload_path(name: str) -> str:
    """Return where a script finds the file sent as the parameter ``name``, from its working folder."""
    return f"uploads/{name}"


def _described(name: str, upload: Upload) -> dict[str, Any]:
    return {
        "path": upload_path(name),
        "content_type": upload.content_type,
        "size": upload.size,
        "checksum": upload.checksum,
    }


def _file(script: Script, name: str, upload: Upload) -> Upload:
    spec = script.parameter(name)
    if spec is None and script.accepts.files_of_any_name:
        return upload
    if spec is None or spec.type != "file":
        taken = ", ".join(spec.name for spec in script.parameters if spec.type == "file")
        raise ParameterError(
            name,
            "a file",
            f"the script {script.name} takes files as {taken}." if taken else f"{script.name} takes no files.",
        )
    if spec.max_size is not None and upload.size > spec.max_size:
        raise ParameterError(name, f"a file of {upload.size} bytes", f"at most {spec.max_size} bytes are taken.")
    media_type = upload.content_type.partition(";")[0].strip().lower()
    if spec.content_types and media_type not in spec.content_types:
        raise ParameterError(
            name, f"a file of the type {media_type}", f"the types taken are {', '.join(spec.content_types)}."
        )
    return upload


def _value(spec: ParameterSpec, texts: list[str], index: Index) -> Any:
    if texts and spec.type == "file":
        raise ParameterError(
            spec.name, texts[0], "a file is wanted: send it as a part of a multipart form, or name one with UPLOAD."
        )
    if not texts:
        return spec.default
    if len(texts) > 1 and not spec.multiple:
        raise ParameterError(spec.name, ", ".join(texts), "it takes one value, and several were given.")
    values = [_typed(spec, text, index) for text in texts]
    return values if spec.multiple else values[0]


def _typed(spec: ParameterSpec, text: str, index: Index) -> Any:
    if spec.type == "region":
        word = text.strip().lower()
        if word in spec.options:
            return word
        region = _parse_region(spec.name, text, index)
        if region.shape not in _DRAWN:
            raise ParameterError(spec.name, text, f"a {region.shape} was given; {', '.join(_DRAWN)} are taken here.")
        return region.as_dict()
    if spec.options:
        match = [option for option in spec.options if option.lower() == text.strip().lower()]
        if not match:
            raise ParameterError(spec.name, text, f"allowed are: {', '.join(spec.options)}.")
        return match[0]
    return _TYPES[spec.type](spec, text)


def _number(text: str) -> float:
    """Read a number as DALI writes it; NaN if it is none. Python itself would take 1_000 and foreign digits too."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else math.nan


def _real(spec: ParameterSpec, text: str) -> float:
    value = _number(text)
    if not math.isfinite(value):
        raise ParameterError(spec.name, text, f"a number is wanted{_range(spec)}.")
    return _in_range(spec, text, value)


def _integer(spec: ParameterSpec, text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise ParameterError(spec.name, text, f"a whole number is wanted{_range(spec)}.")
    return int(_in_range(spec, text, int(text)))


def _boolean(spec: ParameterSpec, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ParameterError(spec.name, text, "true or false is wanted.")
    return word in _TRUE


def _text(spec: ParameterSpec, text: str) -> str:
    if len(text) > spec.max_length:
        raise ParameterError(spec.name, text, f"at most {spec.max_length} characters are taken.")
    return text


def _interval(spec: ParameterSpec, text: str) -> list[float | None]:
    """Two numbers; the bounds may be infinite (DALI 1.1, section 3.3.5)."""
    low, high = map(_number, parts) if len(parts := text.split()) == 2 else (math.nan, math.nan)
    if not low <= high or low == math.inf or high == -math.inf:
        raise ParameterError(
            spec.name, text, f"two numbers separated by a blank are wanted, the smaller first{_range(spec)}."
        )
    for value in (low, high):
        if math.isfinite(value):
            _in_range(spec, text, value)
    # An open end is null in task.json: JSON has no word for infinity.
    return [value if math.isfinite(value) else None for value in (low, high)]


_TYPES: dict[str, Callable[[ParameterSpec, str], Any]] = {
    "real": _real,
    "integer": _integer,
    "boolean": _boolean,
    "text": _text,
    "interval": _interval,
}


def _in_range(spec: ParameterSpec, text: str, value: float) -> float:
    if (spec.minimum is not None and value < spec.minimum) or (spec.maximum is not None and value > spec.maximum):
        raise ParameterError(spec.name, text, f"a value{_range(spec)} is wanted.")
    return value


def _range(spec: ParameterSpec) -> str:
    unit = f" {spec.unit}" if spec.unit else ""
    low, high = spec.minimum, spec.maximum
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}{unit}"
    if low is not None:
        return f" of at least {low:g}{unit}"
    if high is not None:
        return f" of at most {high:g}{unit}"
    return f" (in{unit})" if unit else ""


def _region(script: Script, given: dict[str, list[str]], index: Index) -> Region | None:
    regions = [(name, text) for name in REGIONS for text in given.get(name, [])]
    if not regions or script.accepts.region == "none":
        return None
    if len(regions) > 1:
        names = " and ".join(name for name, _ in regions)
        raise RequestError(f"Several regions were given ({names}); one of POS, CIRCLE or POLYGON is taken, once.")
    return _parse_region(*regions[0], index)


def _parse_region(name: str, text: str, index: Index) -> Region:
    try:
        return {"CIRCLE": Region.circle, "POLYGON": Region.polygon}.get(name, index.region)(text)
    except RegionError as error:
        raise ParameterError(name, text, str(error)) from error


def _ids(script: Script, given: dict[str, list[str]], index: Index) -> tuple[str, ...]:
    if not script.accepts.datasets:
        return ()
    found: dict[str, None] = {}
    for text in given.get("ID", []):
        try:
            found[index.short_id(text)] = None
        except DatasetIdError as error:
            raise ParameterError("ID", text, str(error)) from error
    return tuple(found)


def select(script: Script, checked: Values, index: Index) -> list[tuple[str, ...]]:
    """Return the short ids of the datasets that each task is to work on.

    :raises RequestError: a required parameter is missing, or the region and the ids leave nothing to work on.
    """
    for spec in script.parameters:
        if spec.required and checked.values[spec.name] is None:
            raise RequestError(f"Parameter {spec.name} is required: {spec.description}")
    if script.accepts.region == "required" and checked.region is None:
        raise RequestError(
            f"The script {script.name} needs a region: give POS, CIRCLE or POLYGON, e.g. POS=CIRCLE 35.8 42.99 0.01"
        )
    if not script.accepts.datasets:
        return [()] * _tasks(script, checked)
    if script.combined:
        if not checked.ids:
            raise RequestError("Parameter ID is missing: it is the dataset, as a search or its links tell it.")
        # whether a combination leaves anything of a dataset is said of each by its task
        ids = _datasets(script, replace(checked, region=None), index)
        if len(ids) * checked.combinations > MAX_TASKS:
            raise RequestError(
                f"{len(ids)} datasets and {checked.combinations} combinations of values were given; at most "
                f"{MAX_TASKS} products are made in one job."
            )
        return [(id_,) for id_ in ids for _ in range(checked.combinations)]
    if checked.region is None and not checked.ids:
        raise RequestError(
            f"Nothing says which datasets the script {script.name} is to work on: give a region "
            "(POS, CIRCLE or POLYGON), or datasets (ID), or both."
        )
    found = _datasets(script, checked, index)
    each: list[tuple[str, ...]] = [(id_,) for id_ in found]
    if script.scope == "job":
        return [*(each if script.each else ()), tuple(found)]
    return each


def _tasks(script: Script, checked: Values) -> int:
    """Return how many tasks a job without datasets has."""
    if script.tasks is None:
        return 1
    wanted = checked.values[script.tasks]
    if wanted is None or not 1 <= wanted <= MAX_TASKS:
        given = "nothing" if wanted is None else wanted
        raise RequestError(
            f"Parameter {script.tasks}: {given} was given; it is the number of tasks, from 1 to {MAX_TASKS}."
        )
    return int(wanted)


def _datasets(script: Script, checked: Values, index: Index) -> list[str]:
    if checked.ids:
        known = {match.dataset.id for match in index.search(ids=checked.ids)}
        if unknown := [id_ for id_ in checked.ids if id_ not in known]:
            raise RequestError(f"Parameter ID: there is no dataset {_some(unknown)}.")
    matches = index.search(checked.region, ids=checked.ids)
    found = {match.dataset.id for match in matches}
    if outside := [id_ for id_ in checked.ids if id_ not in found]:
        raise RequestError(f"Parameter ID: the region does not touch the coverage of dataset {_some(outside)}.")
    if not matches:
        assert checked.region is not None  # noqa: S101 - for the type checker: ids without matches are told above
        raise RequestError(f"No dataset covers the region {checked.region.text}.")
    fitting = []
    for match in matches:
        reason = refusal(script, match.dataset.camera, [file.kind for file in match.dataset.files])
        if reason is None:
            fitting.append(match.dataset.id)
        elif checked.ids:
            raise RequestError(f"Parameter ID: the script {script.name} cannot work on {match.dataset.id}: {reason}.")
    if not fitting:
        raise RequestError(f"The script {script.name} can work on none of the {len(matches)} datasets found.")
    if len(fitting) > MAX_TASKS:
        raise RequestError(
            f"{len(fitting)} datasets cover the region; at most {MAX_TASKS} are processed in one job. Make it smaller."
        )
    # The order of observation, not of overlap: products and logs of one source then read like its history.
    return sorted(fitting)


def refusal(script: Script, camera: str, kinds: Sequence[str]) -> str | None:
    """Return why a script cannot work on a dataset, or None if it can."""
    if script.accepts.camera and camera not in script.accepts.camera:
        return f"it takes the cameras {', '.join(script.accepts.camera)}, not {camera}"
    if missing := [kind for kind in script.accepts.files if kind not in kinds]:
        return f"the dataset has no file of the kind {', '.join(missing)}"
    return None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
