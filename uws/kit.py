"""The commands ``amora scripts``: make, try and check the science scripts, without a service."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from mimetypes import guess_type
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import click

from uws.terminal import FAILED, Mistake, engine_of, mistakes, plural, read_settings, table

if TYPE_CHECKING:
    from jobs.checkup import Finding, Sample
    from jobs.descriptor import Script
    from jobs.engine import Engine
    from jobs.models import Job
    from jobs.registry import Registry
    from jobs.trial import Sent
    from uws.settings import Settings

_DATA = click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="A folder of observations, or one file, to be used instead of the index.",
)


@click.group()
def scripts() -> None:
    """Make, try, check and list the science scripts."""


def registry_of(settings: Settings) -> Registry:
    """Return the scripts of the installation."""
    from jobs.registry import Registry

    return Registry(settings.script_folders)


@scripts.command("list")
def scripts_list() -> None:
    """List the scripts that can be run.

    \b
    Example:
      AMORA_SCRIPTS=/my/scripts amora scripts list
    """
    with mistakes():
        registry = registry_of(read_settings())
        for name, reason in registry.absent.items():
            click.echo(f"left out: {name}: {reason}", err=True)
        for reason in registry.broken.values():
            click.echo(f"left out: {reason}", err=True)
        table(
            ("SCRIPT", "VERSION", "SUMMARY"),
            ((name, registry.get(name).version, registry.get(name).summary) for name in registry.names()),
        )


@scripts.command("new", short_help="Make a script that works, to be changed into yours.")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(("dataset", "job")),
    default="dataset",
    show_default=True,
    help="Whether it works on each dataset by itself, or on all of a job at once.",
)
@click.option("--language", type=click.Choice(("python", "shell", "r")), default="python", show_default=True)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of scripts to put it in; by default the first of AMORA_SCRIPTS.",
)
def scripts_new(name: str, scope: str, language: str, into: Path | None) -> None:
    """Make the script NAME: descriptor, documentation, a program that works, and its test.

    \b
    Example:
      amora scripts new colours --language r --into /my/scripts
    """
    with mistakes():
        from jobs.templates import make

        settings = read_settings()
        own = settings.script_folders[1:]
        if into is None and not own:
            raise Mistake("say where: --into FOLDER, or set AMORA_SCRIPTS to your folder of scripts")
        folder = (into or own[0]).expanduser().resolve()
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            raise Mistake(f"{name!r} cannot be a script's name: small letters, digits and _ are allowed, 40 at most")
        if (folder / name).exists():
            raise Mistake(f"{folder / name} is there already")
        for path in make(folder / name, scope=scope, language=language):
            click.echo(path)
        setting = "" if folder in own else f"AMORA_SCRIPTS={folder} "
        click.echo(
            f"Try it:   {setting}amora scripts run {name} --sample\nCheck it: {setting}amora scripts check {name}"
        )


@scripts.command("run", short_help="Run a script here and now, without a service.")
@click.argument("name")
@click.option("--dataset", "datasets", multiple=True, metavar="ID", help="A dataset to work on; repeatable.")
@click.option("--pos", help='The region, as in POS: "CIRCLE 150.2 2.3 0.01".')
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter; NAME=@FILE sends a file. Repeatable.",
)
@_DATA
@click.option("--sample", is_flag=True, help="Work on simulated observations.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("products"),
    show_default=True,
    help="The folder that the products are put in.",
)
@click.option("--keep", is_flag=True, help="Leave the working folders, with task.json, and say where they are.")
def scripts_run(
    name: str,
    datasets: tuple[str, ...],
    pos: str | None,
    parameters: tuple[str, ...],
    data: Path | None,
    sample: bool,
    out: Path,
    keep: bool,
) -> None:
    """Run the script NAME as the service would, with its log on the terminal, and put the products into a folder.

    The datasets are those of the index that cover the region, or those that are named. Exits 1 if a task fails.

    \b
    Examples:
      amora scripts run spectrum --pos "CIRCLE 35.665 43.036 0.01" -p EMIN=0.5 --data /data/xmm
      amora scripts run image --dataset 0002970201/M1/S002 --pos "CIRCLE 35.665 43.036 0.05" --out images
      amora scripts run image --sample
    """
    with mistakes():
        from jobs.trial import copy_datasets, run, trial

        settings = read_settings()
        script = registry_of(settings).get(name)
        given, files = _parameters(parameters)
        _check_names(script, [*files, *(name for name, _ in given)])
        with _sample(settings, data, wanted=sample) as source, trial(settings, keep=keep) as engine:
            given += [("ID", id_) for id_ in datasets]
            if pos is None and sample and script.accepts.region != "none":
                pos = source.region
            given += [("POS", pos)] if pos is not None else []
            if script.accepts.datasets:
                region = source.index.region(pos) if pos is not None else None
                ids = [source.index.short_id(id_) for id_ in datasets]
                known = [source.index.short_id(id_) for id_ in source.ids]
                if known and (unknown := [id_ for id_ in ids if id_ not in known]):
                    raise Mistake(
                        f"there is no dataset {unknown[0]}; there are {len(known)}, such as {', '.join(known[:5])}"
                    )
                found = [match.dataset.id for match in source.index.search(region, ids=ids)]
                if not source.ids:
                    raise Mistake("the index is empty: name observations with --data FOLDER, or try --sample")
                copy_datasets(source.index, found or ids or source.ids[:1], engine.index)
            job = run(engine, name, given, files=files, log=tell_log, progress=tell_progress)
            take_products(engine, job, out)
            if keep:
                for workspace in sorted((engine.settings.folder / "work").glob("*/run")):
                    click.echo(f"working folder: {workspace}")
    if not succeeded(job):
        raise click.exceptions.Exit(FAILED)


def _check_names(script: Script, names: Sequence[str]) -> None:
    """Refuse what a service leaves out, as the standard asks: here it is a slip of the hand."""
    from jobs.descriptor import SHARED

    known = [*(spec.name for spec in script.parameters), *SHARED]
    for name in names:
        if name.upper() not in known:
            raise Mistake(f"-p {name}: {script.name} has no such parameter; it has {', '.join(known)}")


def _parameters(texts: Sequence[str]) -> tuple[list[tuple[str, str]], dict[str, Sent]]:
    given: list[tuple[str, str]] = []
    files: dict[str, Sent] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Mistake(f"-p {text}: NAME=VALUE is wanted, as in -p EMIN=0.5")
        if value.startswith("@"):
            files[name.upper()] = Path(value[1:]), guess_type(value[1:])[0] or "application/octet-stream"
            if not Path(value[1:]).is_file():
                raise Mistake(f"-p {text}: there is no file {value[1:]}")
        else:
            given.append((name, value))
    return given, files


def tell_log(task: int, line: str) -> None:
    """Print a line of a task's log."""
    click.echo(f"[{task}] {line}", err=True)


def tell_progress(done: float, text: str) -> None:
    """Print how far a job is."""
    click.echo(f"{100 * done:3.0f} %  {text}", err=True)


def take_products(engine: Engine, job: Job, out: Path) -> None:
    """Put the products of a job into a folder, and say which they are."""
    for product in job.products:
        out.mkdir(parents=True, exist_ok=True)
        copyfile(engine.jobs.product(job.script, job.id, product.name)[1].local, out / product.name)
        click.echo(f"{out / product.name}  {product.content_type}  {product.size} bytes  {product.description}")


def succeeded(job: Job) -> bool:
    """Say which tasks have failed; whether none has."""
    from jobs.phases import Phase

    failed = [task for task in job.tasks if task.phase is not Phase.COMPLETED]
    for task in failed:
        click.echo(f"{task.dataset or f'task {task.number}'}: {task.message}", err=True)
    if not job.tasks:
        click.echo(job.error or f"the job has ended as {job.phase}", err=True)
    return not failed and job.phase is Phase.COMPLETED


@contextmanager
def _sample(settings: Settings, data: Path | None, *, wanted: bool) -> Iterator[Sample]:
    """Give the datasets to work on: those of a folder, simulated ones, or those of the index."""
    from jobs.checkup import Sample

    if data is None and not wanted:
        with engine_of(settings) as engine:
            ids = [dataset.id for dataset in engine.index.datasets()]
            yield Sample(engine.index, ids, 0.0, 0.0)
        return
    from index.harvest import harvest
    from jobs.trial import trial
    from uws.indexing import tell_skipped

    folder, place = (data, None) if data is not None else _simulated(settings)
    with trial(settings) as engine:
        tell_skipped(harvest(engine.index, settings.reader, [folder], processes=1), verbose=False)
        found = list(engine.index.datasets())
        if not found:
            raise Mistake(f"no dataset was found in {folder}")
        ra, dec = place or (found[0].s_ra, found[0].s_dec)
        yield Sample(engine.index, [dataset.id for dataset in found], ra, dec)


def _simulated(settings: Settings) -> tuple[Path, tuple[float, float]]:
    """Simulate observations, unless they are there; return their folder and the place of their brightest source."""
    import json
    import subprocess

    folder = settings.folder / "simulated"
    done = subprocess.run(
        [sys.executable, "-m", "scripts.epic.simulate", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Mistake(f"the sample cannot be simulated: {done.stderr.strip().splitlines()[-1:]}")
    sources = json.loads((folder / "truth.json").read_text())["sources"]
    brightest = max(sources, key=lambda source: source["rate"])
    return folder, (brightest["ra"], brightest["dec"])


@scripts.command("check", short_help="Check scripts: descriptor, documentation, trial runs.")
@click.argument("name", required=False)
@click.option("--quick", is_flag=True, help="Look at descriptor and documentation alone; run nothing.")
@_DATA
def scripts_check(name: str | None, quick: bool, data: Path | None) -> None:
    """Check the script NAME, or each of them: that its descriptor and documentation are complete, that it makes what it
    declares on simulated data, twice the same bytes, within its limits, and that it says something useful where it has
    to fail.

    Without NAME nothing is run. Exits 1 if a script does not keep the contract.

    \b
    Examples:
      amora scripts check spectrum
      amora scripts check --quick
    """
    with mistakes():
        settings = read_settings()
        registry = registry_of(settings)
        broken = {found: reason for found, reason in registry.broken.items() if name in (None, found)}
        names = [found for found in registry.names() if name in (None, found)]
        if name and not (broken or names):
            registry.get(name)  # says that there is none, and which there are
        for reason in broken.values():
            click.echo(f"broken  {reason}")
        failed = bool(broken)
        for found in names:
            failed |= _checked(settings, registry, found, data, quick=quick or name is None)
    if failed:
        raise click.exceptions.Exit(FAILED)


def _checked(settings: Settings, registry: Registry, name: str, data: Path | None, *, quick: bool) -> bool:
    """Check one script and say what was found; return whether something is wrong."""
    from jobs.checkup import check_runs, check_text

    script = registry.get(name)
    errors = 0
    for finding in check_text(script):
        errors += _say(name, finding, quiet=quick)
    if not quick:
        with _sample(settings, data, wanted=True) as sample:
            for finding in check_runs(
                script, settings, sample, lambda text: click.echo(f"        ... {text}", err=True)
            ):
                errors += _say(name, finding, quiet=False)
    click.echo(f"{'broken' if errors else 'ok':7} {name}" + (f": {errors} error{plural(errors)}" if errors else ""))
    return bool(errors)


def _say(name: str, finding: Finding, *, quiet: bool) -> bool:
    wrong = finding.level == "error"
    if not quiet or wrong:
        click.echo(f"  {finding.level:5} {name}: {finding.what}: {finding.message}")
    return wrong
