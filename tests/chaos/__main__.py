"""The fault run as a command: ``python -m tests.chaos [--seed N] [--seconds S] [--jobs N] [--tasks N]``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Report, run


def show(report: Report, console: Console) -> None:
    """Print what happened and what was found."""
    table = Table("what happened", "times", title=f"seed {report.seed}, {report.seconds:.0f} s")
    promises, verdict = report.promises, report.verdict
    table.add_row("jobs accepted (tasks)", f"{len(promises.accepted)} ({report.tasks})")
    for name, number in sorted(report.struck.items()):
        table.add_row(name, str(number))
    for name, number in sorted(report.starts.items()):
        table.add_row(f"{name} started", str(number))
    table.add_row("requests without an answer", str(promises.broken))
    for status, number in sorted(promises.refused.items()):
        table.add_row(f"requests answered {status}", str(number))
    for phase, number in sorted(verdict.phases.items()):
        table.add_row(f"jobs {phase}", str(number))
    table.add_row("attempts at tasks", f"{verdict.attempts} at {verdict.tasks}")
    table.add_row("last fault to the end of the last job", f"{report.settled:.1f} s")
    console.print(table)
    found = Table("what must not be", "found", "e.g.")
    for name, faults in verdict.rows:
        found.add_row(name, str(len(faults)), "; ".join(faults[:3]))
    console.print(found)
    console.print("Nothing was lost." if verdict.clean else f"Repeat it with: make chaos SEED={report.seed}")


def main() -> int:
    """Run once and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=180.0, help="for how long things go wrong")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--keep", action="store_true", help="leave the logs and databases where they are")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="amora-chaos-"))
    report = run(folder, arguments.seed, arguments.seconds, arguments.jobs, arguments.tasks)
    show(report, Console(width=140))
    if report.verdict.clean and not arguments.keep:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"The logs are in {folder}")
    return 0 if report.verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
