"""The descriptor of a script, ``script.toml``: the one source of validation, forms, documents and documentation."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.errors import DescriptorError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Value = str | float | int | bool

SHARED = ("ID", "POS", "CIRCLE", "POLYGON")
"""The names every script that takes datasets or regions shares; a descriptor does not declare them again."""


SEARCH_PATH = os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))
"""The PATH that scripts get."""

RESERVED = (
    *("PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", "ACTION", "WAIT", "KEEP"),
    *("UPLOAD", "REQUEST", "RESPONSEFORMAT", "MAXREC"),
)
"""The names that UWS and DALI keep for themselves; a script would never see them."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterSpec(_Model):
    """One parameter of a script: what a user may give and what it means."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    type: Literal["real", "integer", "text", "boolean", "interval", "region", "file"]
    """``interval`` is two numbers in order, separated by a blank, an infinite one null in task.json; ``region`` is a
    POS value; ``file`` is sent along with the request (multipart, or DALI UPLOAD)."""
    description: Annotated[str, Field(min_length=1)]
    unit: str = ""
    ucd: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.;-]*$")] = ""
    """What a VOTable can carry; ``amora scripts check`` says whether it is one."""
    default: Value | None = None
    example: Value | None = None
    """A value to try a required parameter with; for a file, its name in the script's folder."""
    default_description: str = ""
    """What happens without a value where there is no one default (e.g. "per camera")."""
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    """The only values allowed; for a region, words allowed besides a region (e.g. ``auto``)."""
    required: bool = False
    multiple: bool = False
    max_length: int = 1000
    max_size: int | None = Field(default=None, ge=1)
    """For a file: the most bytes it may have; the service has a limit of its own besides."""
    content_types: tuple[str, ...] = ()
    """For a file: the media types it may have; empty for any."""

    @model_validator(mode="after")
    def _consistent(self) -> ParameterSpec:
        if self.type == "file" and (self.default is not None or self.options or self.multiple):
            raise ValueError("a parameter of the type file has no default, no options, and one value")
        if self.type != "file" and (self.max_size is not None or self.content_types):
            raise ValueError("max_size and content_types are for a parameter of the type file")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum = {self.minimum:g} is more than maximum = {self.maximum:g}")
        if self.default is not None and (why := self._unfit(self.default)):
            raise ValueError(f"default = {self.default!r}: {why}")
        return self

    def _unfit(self, value: Value) -> str:
        """Return why a value cannot be the default: scripts get it as it stands, without a user's text being read."""
        if self.type == "interval":
            return "an interval has none; say in default_description what happens without it"
        if self.options or self.type == "region":
            return "" if value in self.options else f"it is none of options = {list(self.options)}"
        kinds = {"real": (float, int), "integer": (int,), "boolean": (bool,), "text": (str,)}
        if isinstance(value, bool) != (self.type == "boolean") or not isinstance(value, kinds[self.type]):
            return f"it is no {self.type}"
        if isinstance(value, str | bool):
            return ""
        low, high = self.minimum, self.maximum
        within = (low is None or value >= low) and (high is None or value <= high)
        return "" if within else "it does not lie between minimum and maximum"


class ProductSpec(_Model):
    """A file a script writes; ``{dataset}`` in its name stands for OBS_CAMERA_EXPOSURE, ``{task}`` for a number."""

    name: Annotated[str, Field(min_length=1)]
    content_type: Annotated[str, Field(pattern=r"^[!-~]+/[ -~]+$")]
    """It becomes the header of an answer."""
    description: str
    required: bool = True
    preview: bool = False
    """Whether the page shows it: a PNG, or plot data (``application/json;content=plot``)."""
    reproducible: bool = True
    """Whether a rerun makes the same bytes. False only for what tells of the run itself, or for a program that
    cannot be kept from writing the time into its files."""

    def file_name(self, dataset: str | None, task: int) -> str:
        """Return the file's name for one task."""
        return self.name.replace("{dataset}", slug(dataset, task)).replace("{task}", str(task))


class Accepts(_Model):
    """What a script works on."""

    region: Literal["required", "optional", "none"] = "required"
    datasets: bool = True
    """False for a script that works on no dataset; its tasks then come from ``tasks``."""
    files: tuple[str, ...] = ()
    """Kinds of file a dataset must have, e.g. ``events``."""
    files_of_any_name: bool = False
    """Whether files may be sent under names that no parameter has."""
    camera: tuple[str, ...] = ()
    """The cameras it can work on; empty for all."""


class Limits(_Model):
    """What one task may use."""

    wall: Annotated[int, Field(ge=1)] = 3600
    """Seconds of wall-clock time."""
    cpu: Annotated[int, Field(ge=1)] = 4 * 3600
    """Seconds of processor time of all processes together."""
    memory: Annotated[int, Field(ge=1 << 20)] = 8 << 30
    """Bytes that all processes together may have in memory."""
    disk: Annotated[int, Field(ge=1 << 16)] = 50 << 30
    """Bytes in the working folder."""
    processes: Annotated[int, Field(ge=1)] = 256
    """Processes at once."""
    log: Annotated[int, Field(ge=1 << 10)] = 64 << 20
    """Bytes that may be printed."""


class Script(_Model):
    """A script: its descriptor and where it lies."""

    name: str
    folder: Path
    checksum: str = ""
    """The SHA-256 over all files of the folder, in hexadecimal."""
    title: str
    summary: str
    version: str
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    libraries: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], ...] = ()
    """Folders beside the script's own whose code it uses: a change in them is a change of the script."""
    requires: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")], ...] = ()
    """Programs that must be on the PATH of scripts; where one is missing the script is not offered, and why is told."""
    scope: Literal["dataset", "job"] = "dataset"
    """``dataset``: a task for each dataset; ``job``: one task that gets them all."""
    each: tuple[str, ...] = ()
    """With ``scope = "job"``: what runs first for each dataset, in a task of its own; ``command`` then gathers what
    these tasks wrote."""
    retry: Annotated[int, Field(ge=0, le=100)] = 0
    """How often a task that has failed is run again."""
    resource: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = "default"
    """The resource class: which workers do its tasks."""
    tasks: str | None = None
    """For a script without datasets: the integer parameter that says how many tasks a job has."""
    combined: bool = False
    """Whether each combination of repeated values is a task of its own (:mod:`jobs.combinations`)."""
    cutout: bool = False
    """Whether it makes of each dataset a part in the same form, by region, TIME (MJD) and BAND (m): what SODA does."""
    ordered: tuple[tuple[str, str], ...] = ()
    """Pairs of parameters of which the first must be smaller than the second."""
    accepts: Accepts = Accepts()
    limits: Limits = Limits()
    parameters: tuple[ParameterSpec, ...] = ()
    products: tuple[ProductSpec, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Script:
        names = [spec.name for spec in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the parameter {name} is declared twice")
            if name in RESERVED:
                raise ValueError(f"the name {name} belongs to the protocol and cannot be a parameter's")
            if name in SHARED:
                raise ValueError(f"the parameter {name} is shared by all scripts and must not be declared")
        for name in (*[n for pair in self.ordered for n in pair], *([self.tasks] if self.tasks else [])):
            if name not in names:
                raise ValueError(f"the parameter {name} is named but not declared")
        if self.each and (self.scope != "job" or not self.accepts.datasets):
            raise ValueError('each is for a script of scope = "job" that works on datasets')
        counts = next((spec for spec in self.parameters if spec.name == self.tasks), None)
        if counts is not None and (counts.type != "integer" or counts.multiple):
            raise ValueError(f"the parameter {counts.name} is the number of tasks: it must be one integer")
        return self

    @model_validator(mode="after")
    def _cuts(self) -> Script:
        if (self.combined or self.cutout) and (self.scope != "dataset" or not self.accepts.datasets):
            raise ValueError('combined and cutout are for a script of scope = "dataset" that works on datasets')
        if self.cutout and not self.products:
            raise ValueError("a script that is a cutout declares its product")
        return self

    def lacking(self) -> str:
        """Return why this machine cannot run the script, or nothing if it can."""
        absent = [program for program in self.requires if shutil.which(program, path=SEARCH_PATH) is None]
        return f"it needs {', '.join(absent)}, not found in {SEARCH_PATH}" if absent else ""

    def parameter(self, name: str) -> ParameterSpec | None:
        """Return the parameter of that name, in any case, or None."""
        return next((spec for spec in self.parameters if spec.name == name.upper()), None)

    @property
    def documentation(self) -> str:
        """The README.md that users read, in Markdown.

        :raises DescriptorError: it is not there any more, or is no text.
        """
        try:
            return (self.folder / "README.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DescriptorError(f"The documentation of the script {self.name} cannot be read.") from error


def slug(dataset: str | None, task: int) -> str:
    """Return the part of a file name that tells a task's products apart: ``OBS_CAMERA_EXPOSURE``, or ``task_N``."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", dataset) if dataset else f"task_{task}"


def load(folder: Path) -> Script:
    """Read the script in ``folder``.

    :raises DescriptorError: the descriptor or the documentation is missing or wrong; says where.
    """
    path = folder / "script.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DescriptorError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DescriptorError(f"{path}: is not TOML ({error})") from error
    try:
        script = Script.model_validate({**raw, "name": folder.name, "folder": folder})
    except ValidationError as error:
        raise DescriptorError(f"{path}: {'; '.join(_said(wrong, raw) for wrong in error.errors()[:5])}") from error
    if not (folder / "README.md").is_file():
        raise DescriptorError(f"{folder / 'README.md'}: is missing; it is the documentation that users read")
    return script


def _said(wrong: ErrorDetails, raw: Mapping[str, Any]) -> str:
    """Return what is wrong in the words of whoever wrote it; of many parameters the one is told by its name."""
    words: list[str] = []
    here: Any = raw
    for part in wrong["loc"]:
        try:
            here = here[part]
        except (LookupError, TypeError):  # what is not there
            here = None
        words.append(str(here.get("name", part) if isinstance(part, int) and isinstance(here, dict) else part))
    what = {"extra_forbidden": "there is no such field", "missing": "is missing"}.get(wrong["type"], wrong["msg"])
    return f"{'.'.join(words) or 'descriptor'}: {what.removeprefix('Value error, ')}"
