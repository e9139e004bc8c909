"""The commands ``amora jobs``: what the service's own resources do, for whoever has its home or its database."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from uws.kit import succeeded, take_products, tell_log, tell_progress
from uws.terminal import FAILED, Mistake, engine_of, mistakes, read_settings, table

if TYPE_CHECKING:
    from jobs.engine import Engine
    from jobs.models import Job


@click.group()
def jobs() -> None:
    """Look at the jobs, do them once more, stop and remove them."""


@jobs.command("list")
@click.option("--script", help="Only the jobs of this script.")
@click.option("--phase", "phases", multiple=True, help="Only jobs in this phase; repeatable.")
@click.option("--last", type=click.IntRange(min=1), help="Only so many of the newest.")
def jobs_list(script: str | None, phases: tuple[str, ...], last: int | None) -> None:
    """List the jobs, newest first.

    \b
    Example:
      amora jobs list --script spectrum --phase ERROR --last 10
    """
    with mistakes():
        from uws.joblist import phase_named
        from uws.times import format_instant

        wanted = {phase_named("--phase", phase.upper()) for phase in phases}
        with engine_of(read_settings()) as engine:
            table(
                ("JOB", "SCRIPT", "PHASE", "CREATED", "OWNER", "RUN"),
                (
                    (ref.id, ref.script, str(ref.phase), format_instant(ref.created), ref.owner or "", ref.run_id or "")
                    for ref in engine.jobs.refs(script, phases=wanted, last=last)
                ),
            )


def _job(engine: Engine, job_id: str) -> Job:
    """Return a job by its id, or by the last part of its address."""
    short = job_id.rstrip("/").rpartition("/")[2]
    return engine.jobs.get(engine.jobs.state(None, short).script, short)


@jobs.command("show", short_help="Show a job with its tasks and products.")
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="As the service does at /api/jobs/JOB.")
def jobs_show(job: str, as_json: bool) -> None:
    """Show the job JOB: parameters, tasks, products, and what it ran on.

    \b
    Example:
      amora jobs show k2vq5n3zjx9wt7bd
    """
    with mistakes():
        settings = read_settings()
        with engine_of(settings) as engine:
            found = _job(engine, job)
            if as_json:
                from uws.addresses import Addresses
                from uws.api import job_as_json

                click.echo(job_as_json(found, Addresses(settings.base)).decode())
            else:
                _show(engine, found)


def _show(engine: Engine, job: Job) -> None:
    from uws.times import format_instant

    records = engine.jobs.records(job.script, job.id)
    first = next(iter(records.values()), None)
    version = f" {first.version} (SHA-256 {first.checksum[:16]}...)" if first else ""
    table(
        ("JOB", job.id),
        (
            ("script", job.script + version),
            ("phase", str(job.phase) + (f": {job.error}" if job.error else "")),
            ("owner", job.owner or "anybody"),
            ("created", format_instant(job.created)),
            ("started", format_instant(job.started)),
            ("ended", format_instant(job.ended)),
            ("destruction", format_instant(job.destruction)),
            ("processor", f"{job.usage.cpu:.1f} s, at most {job.usage.memory / 2**20:.0f} MiB"),
            ("software", ", ".join(f"{name} {number}" for name, number in (first.software if first else {}).items())),
            *((item.name, item.value if item.upload is None else "a file") for item in job.parameters),
        ),
    )
    if job.tasks:
        click.echo()
        table(
            ("TASK", "PHASE", "ATTEMPT", "DATASETS", "MESSAGE"),
            (
                (str(task.number), str(task.phase), str(task.attempt), " ".join(task.datasets[:3]), task.message[:100])
                for task in job.tasks
            ),
        )
    if job.products:
        click.echo()
        table(
            ("PRODUCT", "BYTES", "SHA-256", "CONTENT TYPE"),
            ((item.name, str(item.size), item.checksum, item.content_type) for item in job.products),
        )


@jobs.command("rerun", short_help="Do a job once more, and compare its products.")
@click.argument("job")
@click.option("--check", is_flag=True, help="Compare the products byte by byte; exit with 1 if one differs.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that the products are put in; by default JOB, and with --check they are not kept.",
)
def jobs_rerun(job: str, check: bool, out: Path | None) -> None:
    """Do the job JOB once more on this machine, without the service: the same script, datasets and parameters.

    It says what is not the same any more: the script, a file of a dataset (its checksum is computed again), the
    software. The job itself is not changed.

    \b
    Example:
      amora jobs rerun k2vq5n3zjx9wt7bd --check
    """
    with mistakes():
        from jobs.rerun import changed, compare, rerun

        settings = read_settings()
        with engine_of(settings) as engine:
            found = _job(engine, job)
            records = engine.jobs.records(found.script, found.id)
            if not found.tasks:
                raise Mistake(f"the job {found.id} is {found.phase} and has no tasks; there is nothing to do once more")
            for difference in changed(engine, found, records):
                click.echo(f"note: {difference}", err=True)
            differing = 0
            with rerun(engine, settings, found, records, log=tell_log, progress=tell_progress) as done:
                for difference in done.software:
                    click.echo(f"note: {difference}", err=True)
                if out is not None or not check:
                    take_products(done.engine, done.after, out or Path(found.id))
                for comparison in compare(engine, done) if check else ():
                    click.echo(f"{'same ' if comparison.same else 'OTHER'} {comparison.name}: {comparison.message}")
                    differing += not comparison.same
                well = succeeded(done.after)
    if differing or not (well or check):
        raise click.exceptions.Exit(FAILED)


@jobs.command("abort", short_help="Abort jobs; their scripts are stopped within a second.")
@click.argument("ids", nargs=-1, required=True, metavar="JOB...")
def jobs_abort(ids: tuple[str, ...]) -> None:
    """Abort each JOB; the workers stop its scripts within a second.

    \b
    Example:
      amora jobs abort k2vq5n3zjx9wt7bd
    """
    with mistakes(), engine_of(read_settings()) as engine:
        for found in [_job(engine, job) for job in ids]:
            engine.jobs.abort(found.script, found.id)
            click.echo(f"{found.id} aborted")


@jobs.command("delete", short_help="Remove jobs with their files.")
@click.argument("ids", nargs=-1, required=True, metavar="JOB...")
def jobs_delete(ids: tuple[str, ...]) -> None:
    """Remove each JOB with its products and logs; one that runs is stopped.

    \b
    Example:
      amora jobs delete k2vq5n3zjx9wt7bd
    """
    with mistakes(), engine_of(read_settings()) as engine:
        for found in [_job(engine, job) for job in ids]:
            engine.jobs.delete(found.script, found.id)
            click.echo(f"{found.id} removed")
