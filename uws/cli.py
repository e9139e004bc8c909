"""The command line ``amora``.

A mistake of the user ends with one line on standard error and exit code 2, a run that failed with 1.
"""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import sys
from pathlib import Path

import click

from uws.care import check, db
from uws.indexing import index
from uws.jobcontrol import jobs
from uws.kit import scripts
from uws.terminal import FAILED, USAGE, Mistake, mistakes, read_settings
from uws.users import users


def main() -> None:
    """Run the command line."""
    try:
        sys.exit(amora.main(prog_name="amora", standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.UsageError as error:
        hint = f"; see `{error.ctx.command_path} --help`" if error.ctx else ""
        Mistake(f"{error.format_message().rstrip('.')}{hint}").show()
        sys.exit(USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="amora", message="amora %(version)s")
def amora() -> None:
    """Find the observations that cover a region of the sky and run science scripts on them.

    Everything is kept under the folder AMORA_HOME (.amora by default); AMORA_* variables or a file amora.toml
    in the current folder hold the settings.

    \b
    A first session:
      amora index add /data/xmm
      amora index query --circle "35.665 43.036 0.1"
      amora serve
    """


amora.add_command(check)
amora.add_command(db)
amora.add_command(index)
amora.add_command(jobs)
amora.add_command(scripts)
amora.add_command(users)


@amora.command()
def serve() -> None:
    """Run the service until it is stopped with Ctrl-C or SIGTERM.

    It prints one line with its address when it is ready. AMORA_HOST and AMORA_PORT say where it listens
    (port 0 takes a free one), AMORA_PUBLIC_URL the address its clients see, AMORA_WORKERS how many tasks
    run at once.

    \b
    Example:
      AMORA_PORT=8080 AMORA_WORKERS=4 amora serve
    """
    with mistakes():
        from uws import server

        server.serve(read_settings())


@amora.command(short_help="Do tasks, with the queue in Redis.")
@click.option("--slots", type=click.IntRange(1, 256), help="How many tasks at once; by default AMORA_WORKERS.")
def worker(slots: int | None) -> None:
    """Do tasks until stopped with Ctrl-C or SIGTERM; running ones are handed back then.

    It takes them from the Redis queue of AMORA_REDIS_URL, as many workers on as many machines as wanted. Database and
    storage must be those of `amora serve`. It prints one line when it is ready.

    \b
    Example:
      AMORA_REDIS_URL=redis://queue:6379/0 amora worker --slots 8
    """
    with mistakes():
        from uws import worker as working

        settings = read_settings()
        working.work(settings, slots or settings.workers)


@amora.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of observations; without it, simulated ones are written and used.",
)
def demo(data: Path | None) -> None:
    """Show the main job from a region of the sky to checked products.

    \b
    Example:
      amora demo --data /data/xmm
    """
    with mistakes():
        from uws import demo as demonstration

        if not demonstration.run(read_settings(), data):
            raise click.exceptions.Exit(FAILED)
