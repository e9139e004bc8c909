"""Checks a script as a careful colleague would: its descriptor, its documentation, runs that must succeed on sample
data, and runs that must fail with a message that helps.

Each thing that is found is a :class:`Finding`; a script is fit if none of them is an error.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from index.dataset import Dataset
from index.service import Index
from jobs.descriptor import ParameterSpec, Script
from jobs.engine import Engine
from jobs.errors import AmoraError, DescriptorError, RequestError
from jobs.inspection import WrongContentError, inspect
from jobs.models import Job
from jobs.phases import Phase
from jobs.products import UNDESCRIBED
from jobs.record import own_software
from jobs.settings import Settings
from jobs.sources import signature
from jobs.trial import Sent, copy_datasets, run, trial
from jobs.validator import refusal

MAX_DATASETS = 3
"""With how many datasets of the sample a script for one dataset is tried."""
MAX_SECONDS = 60.0
"""After which a run is stopped that may fail."""
TINY = 0.1 / 3600
"""Radius of a region in which there is hardly ever an event, degrees."""

_SENTENCE = re.compile(r"\w\S*(?:\s+\S+){3,}")
_INTERNAL = re.compile(
    r"^\s*File \"|^\s*at .*:\d+|Traceback \(most recent|^\w+(\.\w+)*(Error|Exception)\b|Execution halted"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """What was looked at: a descriptor, a product, a run."""
    message: str
    level: str = "error"
    """``ok``, ``note`` or ``error``."""


@dataclass(frozen=True)
class Sample:
    """Data to try a script on."""

    index: Index
    ids: Sequence[str]
    ra: float
    dec: float
    """A place with a source, ICRS degrees."""
    radius: float = 0.01

    @property
    def region(self) -> str:
        """The region around it, as POS."""
        return f"CIRCLE {self.ra:.6f} {self.dec:.6f} {self.radius:g}"


def check_text(script: Script) -> Iterator[Finding]:
    """Look at the descriptor and at the documentation, without running anything."""
    yield Finding("descriptor", f"version {script.version}, {len(script.parameters)} parameters", "ok")
    if not script.summary.endswith("."):
        yield Finding("descriptor", "summary: end it with a full stop; it is shown as a sentence")
    yield from _program(script)
    yield from _words(script)
    for spec in script.parameters:
        if spec.default is None and not spec.required and not spec.default_description:
            yield Finding(
                "descriptor",
                f"parameter {spec.name}: without a default, default_description must say what happens without a value",
            )
    try:
        text = script.documentation
    except DescriptorError as error:
        yield Finding("README.md", str(error))
        return
    missing = [spec.name for spec in script.parameters if not re.search(rf"\b{spec.name}\b", text)]
    missing += [spec.name for spec in script.products if not _mentions(text, spec.name)]
    for name in missing:
        yield Finding("README.md", f"{name} is not mentioned; users read of each parameter and product there")
    if len(text.split()) < 40:
        yield Finding("README.md", "has fewer than 40 words: say what is done, how, and where its limits are")
    if not missing:
        yield Finding("README.md", "tells of each parameter and product", "ok")


def _words(script: Script) -> Iterator[Finding]:
    """Look at units (VOUnits 1.1) and UCDs (UCD1+): VO tools are told of them, and few say what they do not know."""
    from astropy.io.votable.ucd import parse_ucd  # noqa: PLC0415 - slow to import, and for this command alone
    from astropy.units import Unit  # noqa: PLC0415 - as above

    for spec in script.parameters:
        try:
            Unit(spec.unit, format="vounit")
        except ValueError as error:
            yield Finding("descriptor", f"parameter {spec.name}: the unit '{spec.unit}' is none of VOUnits ({error})")
        try:
            parse_ucd(spec.ucd or "meta", check_controlled_vocabulary=True)
        except ValueError as error:
            yield Finding("descriptor", f"parameter {spec.name}: '{spec.ucd}' is no UCD ({error})")


def _mentions(text: str, product: str) -> bool:
    """Whether the documentation tells of a product: by its name, or by what is the same in all its names."""
    tail = re.sub(r"\{\w+\}", "\0", product).split("\0")[-1].lstrip("_")
    return product in text or (bool(tail) and tail in text)


def _program(script: Script) -> Iterator[Finding]:
    program = script.command[0]
    files = [part for part in script.command if (script.folder / part).is_file()]
    if not files and len(script.command) > 1:
        yield Finding("descriptor", f"command: none of {' '.join(script.command)} is a file in {script.folder.name}/")
    if program in files:
        if not (script.folder / program).stat().st_mode & 0o111:
            yield Finding("descriptor", f"command: {program} is not executable; chmod +x {program}")
    elif program != "python" and shutil.which(program) is None:
        yield Finding("descriptor", f"command: the program {program} is not installed on this machine")


def check_runs(script: Script, settings: Settings, sample: Sample, tell: Callable[[str], None]) -> Iterator[Finding]:
    """Run the script on sample data: as it is meant to be, and with what must fail.

    :param settings: where its folder is found.
    :param tell: told of each run that begins.
    """
    before = signature(script.folder, script.libraries)
    given = _needed(script)
    if isinstance(given, Finding):
        yield given
        return
    chosen = _chosen(script, sample)
    if script.accepts.datasets and not chosen:
        yield Finding("dry run", "it accepts none of the sample's datasets; give others with --data")
        return
    files = _sent(script)
    tell("a run as it is meant to be")
    with trial(settings) as engine:
        copy_datasets(sample.index, chosen, engine.index)
        if script.accepts.datasets or script.accepts.region == "required":
            given = [*given, ("POS", sample.region)] if script.accepts.region != "none" else _all(given, chosen)
        job = _try(engine, script, given, files)
        if isinstance(job, Finding):
            yield job
            return
        yield from _ended(engine, script, job)
        if job.phase is Phase.COMPLETED:
            tell("the same once more, for the same bytes")
            yield from _repeated(settings, sample, script, job, chosen, given, files)
        yield from _mistaken(_Mistakes(engine, script, sample, chosen[:1], files), given, tell)
    if signature(script.folder, script.libraries) != before:
        yield Finding(
            "folder", "the script has written into its own folder; it may write into its working folder alone"
        )


def _all(given: list[tuple[str, str]], ids: Sequence[str]) -> list[tuple[str, str]]:
    return [*given, *(("ID", id_) for id_ in ids)]


def _needed(script: Script) -> list[tuple[str, str]] | Finding:
    """Return values for the parameters that must be given."""
    given = []
    for spec in script.parameters:
        if spec.required and spec.type != "file" and spec.default is None:
            if spec.example is None:
                return Finding("descriptor", f"parameter {spec.name} is required: give it an example, to be tried with")
            given.append((spec.name, str(spec.example)))
    return given


def _sent(script: Script) -> dict[str, Sent]:
    """Return the files that must be sent: examples in the script's folder."""
    return {
        spec.name: (script.folder / str(spec.example), next(iter(spec.content_types), "application/octet-stream"))
        for spec in script.parameters
        if spec.type == "file" and spec.example is not None
    }


def _chosen(script: Script, sample: Sample) -> list[str]:
    fitting = (
        [id_ for id_ in sample.ids if refusal_of(script, sample.index.get(id_)) is None]
        if script.accepts.datasets
        else []
    )
    return fitting if script.scope == "job" else fitting[:MAX_DATASETS]


def refusal_of(script: Script, dataset: Dataset) -> str | None:
    """Return why a script does not take a dataset; None if it does."""
    return refusal(script, dataset.camera, [file.kind for file in dataset.files])


def _try(
    engine: Engine, script: Script, given: Sequence[tuple[str, str]], files: dict[str, Sent], again: Job | None = None
) -> Job | Finding:
    try:
        return run(engine, script.name, given, files=files, again=again)
    except AmoraError as error:
        return Finding("dry run", str(error))


def _ended(engine: Engine, script: Script, job: Job) -> Iterator[Finding]:
    """Look at a job that should have completed, and at what it has made."""
    failed = [task for task in job.tasks if task.phase is not Phase.COMPLETED]
    for task in failed:
        yield Finding("dry run", f"{task.dataset or 'task'}: {task.message}")
    if job.phase is not Phase.COMPLETED:
        if not failed:
            yield Finding("dry run", job.error or f"ended as {job.phase}")
        return
    longest = max((task.ended - task.started).total_seconds() for task in job.tasks if task.started and task.ended)
    limit = getattr(script.limits, "memory", None)
    most = f" of {limit / 2**20:.0f}" if limit else ""
    yield Finding(
        "dry run",
        f"{len(job.tasks)} task(s), the longest {longest:.1f} s of {script.limits.wall} s, {job.usage.cpu:.1f} s of "
        f"processor time in all, at most {job.usage.memory / 2**20:.0f}{most} MiB of memory",
        "ok",
    )
    for product in job.products:
        path = engine.jobs.product(job.script, job.id, product.name)[1].local
        if product.description == UNDESCRIBED:
            yield Finding(product.name, "is not declared in script.toml; users cannot know what it is", "note")
        try:
            for note in inspect(path, product.content_type)[:5]:
                yield Finding(product.name, note, "note")
            yield Finding(product.name, f"{product.content_type}, {product.size} bytes", "ok")
        except WrongContentError as error:
            yield Finding(product.name, f"is declared as {product.content_type}, but {error}")
    if not job.products:
        yield Finding("dry run", "it made no product")
    told = {name for record in engine.jobs.records(job.script, job.id).values() for name in record.software}
    if not told - set(own_software()):
        yield Finding("software.json", "tells of no library; the provenance of the products does not either", "note")


def _repeated(
    settings: Settings,
    sample: Sample,
    script: Script,
    job: Job,
    chosen: Sequence[str],
    given: Sequence[tuple[str, str]],
    files: dict[str, Sent],
) -> Iterator[Finding]:
    with trial(settings) as engine:
        copy_datasets(sample.index, chosen, engine.index)
        again = _try(engine, script, given, files, again=job)
        if isinstance(again, Finding):
            yield replace(again, what="repetition")
            return
    unlike = differences(script, job, again)
    if unlike:
        yield Finding("repetition", f"the same task has made other bytes in {', '.join(unlike)}")
    else:
        yield Finding("repetition", "the same task makes the same bytes", "ok")


def differences(script: Script, job: Job, again: Job) -> list[str]:
    """Return the names of the products that are not the same in both runs, those left out that need not be."""
    free = {
        spec.file_name(task.dataset, task.number)
        for task in job.tasks
        for spec in script.products
        if not spec.reproducible
    }
    first, second = ({product.name: product.checksum for product in made.products} for made in (job, again))
    return sorted(
        name for name in first.keys() | second.keys() if first.get(name) != second.get(name) and name not in free
    )


@dataclass(frozen=True)
class _Mistakes:
    """What the runs that may fail have in common."""

    engine: Engine
    script: Script
    sample: Sample
    ids: Sequence[str]
    files: dict[str, Sent]


def _mistaken(these: _Mistakes, given: Sequence[tuple[str, str]], tell: Callable[[str], None]) -> Iterator[Finding]:
    """Run the script with what may go wrong; it has to succeed, or to say what is wrong."""
    sample = these.sample
    plain = [(name, value) for name, value in given if name != "POS"]
    position = [("POS", sample.region)] if len(plain) < len(given) else []
    for place, end in enumerate(("smallest", "largest"), 1):
        # Of a pair in order the other one keeps its default: both at one end would be refused.
        others = {pair[place % 2] for pair in these.script.ordered}
        values = [
            (spec.name, value)
            for spec in these.script.parameters
            if spec.name not in others and (value := _end(spec, end)) is not None
        ]
        if values and (these.ids or end == "smallest"):  # what works on no data may well take what it is told to
            rest = [(name, value) for name, value in plain if name not in dict(values)]
            tell(f"a run with the {end} values allowed")
            yield from _survives(f"{end} values", these, [*rest, *values, *position])
    if position:
        tell("a run on a region without events")
        tiny = [("POS", f"CIRCLE {sample.ra:.6f} {sample.dec + 0.02:.6f} {TINY:.8f}")]
        yield from _survives("empty region", these, [*plain, *tiny])
    for what, spoil in (("cut file", _cut), ("noisy file", _noise), ("void file", _nothing)) if these.ids else ():
        tell(f"a run on a {what}")
        yield from _survives(what, these, given, spoil)


def _nothing(_content: bytes) -> bytes:
    return b""


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


def _noise(content: bytes) -> bytes:
    return bytes(range(256)) * min(100, len(content) // 256 + 1)


def _end(spec: ParameterSpec, end: str) -> str | None:
    value = spec.minimum if end == "smallest" else spec.maximum
    if value is None or spec.type not in {"real", "integer"} or spec.ucd == "meta.number":
        return None
    return str(int(value)) if spec.type == "integer" else repr(value)


def _survives(
    what: str, these: _Mistakes, given: Sequence[tuple[str, str]], spoil: Callable[[bytes], bytes] | None = None
) -> Iterator[Finding]:
    log: list[str] = []
    engine, script = these.engine, these.script
    place = partial(_spoiled, engine.settings.folder / what.replace(" ", "_"), spoil or bytes)
    copy_datasets(these.sample.index, these.ids, engine.index, place if spoil else lambda path: path)
    only = [("ID", id_) for id_ in these.ids if script.accepts.datasets]
    given = [*only, *((name, value) for name, value in given if name != "ID")]
    try:
        job = run(
            engine, script.name, given, files=these.files, log=lambda _, line: log.append(line), seconds=MAX_SECONDS
        )
    except RequestError as error:  # the values do not go together: the script is never started
        yield Finding(what, f"is refused before the script is started: {error}", "ok")
        return
    if job.phase is Phase.COMPLETED:
        for product in job.products:
            try:
                inspect(engine.jobs.product(job.script, job.id, product.name)[1].local, product.content_type)
            except WrongContentError as error:
                yield Finding(what, f"{product.name} is declared as {product.content_type}, but {error}")
        if spoil is not None:
            yield Finding(what, "the script completes as if nothing were wrong with the file", "note")
        else:
            yield Finding(what, "the script completes", "ok")
        return
    if job.phase is Phase.ABORTED:
        yield Finding(what, f"the script was stopped after {MAX_SECONDS:g} s", "note")
        return
    message = job.error or ""
    if wrong := unhelpful(message):
        yield Finding(what, f"the user is told {message[:200]!r}: {wrong}")
    elif any("Traceback (most recent call last)" in line for line in log):
        yield Finding(what, f"the log has a traceback besides the message {message[:200]!r}")
    else:
        yield Finding(what, f"the user is told: {message[:200]}", "ok")


def _spoiled(folder: Path, spoil: Callable[[bytes], bytes], path: Path) -> Path:
    folder.mkdir(exist_ok=True)
    copy = folder / path.name
    copy.write_bytes(spoil(path.read_bytes()))
    return copy


def unhelpful(message: str) -> str | None:
    """Return what is wrong with the last line of standard error as a message to a user; None if nothing is."""
    if "said nothing on standard error" in message:
        return "say on the last line of standard error what is wrong"
    if _INTERNAL.search(message):
        return "it speaks of the program and not of what the user gave"
    if not _SENTENCE.search(message):
        return "make it a sentence: what is wrong, with which file or parameter, and what would help"
    return None
