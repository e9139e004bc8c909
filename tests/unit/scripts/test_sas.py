"""The chain of SAS tasks, against a recorded interface: the parameters of each task."""

from __future__ import annotations

import os
import sys

import pytest

from jobs.errors import NotFoundError
from jobs.registry import Registry
from tests.unit.scripts.conftest import SCRIPTS

INTERFACE = {
    "evselect": "table expression withimageset imageset xcolumn ycolumn imagebinning ximagebinsize yimagebinsize "
    "withrateset rateset timebinsize maketimecolumn makeratecolumn",
    "especget": "table withfilestem filestem srcexp backexp",
    "epiclccorr": "srctslist eventlist outset withbkgset bkgtslist applyabsolutecorrections",
    "eregionanalyse": "imageset srcexp backexp",
}
"""Of the SAS documentation, the parameters that the chain may use."""

FAKE = f"""#!{sys.executable}
import sys, pathlib
known = {INTERFACE!r}
task, *words = sys.argv[1:]
given = dict(word.split("=", 1) for word in words)
unknown = set(given) - set(known[task].split())
if unknown:
    sys.exit(f"** {{task}}: error (unknownParameter), {{sorted(unknown)}}")
if "FAIL" in __import__("os").environ:
    sys.exit(f"** {{task}}: error (noCalibration), no CCF")
names = [given[key] for key in ("imageset", "rateset", "outset") if key in given and task != "eregionanalyse"]
if task == "especget":
    names = [given["filestem"] + end for end in ("_src.ds", "_bck.ds", "_src.rmf", "_src.arf")]
for name in names:
    pathlib.Path(name).write_text(given.get("expression", task))
print(task, *words)
"""

CIRCLE = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.008}


@pytest.fixture
def sas(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "sasrun"
    program.write_text(FAKE)
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_runs_the_chain_with_parameters_that_the_tasks_know(run_script, simulated_m1, sas):
    run = run_script("sas", simulated_m1, {"BINSIZE": 50.0}, CIRCLE, PATH=sas)
    assert run.code == 0, run.err + run.out
    assert len(list(run.products.iterdir())) == 7
    assert "timebinsize=50" in run.out
    image = (run.products / "0002970201_M1_S001_image.fits").read_text()
    assert image == "#XMMEA_EM && PATTERN<=12"
    assert "annulus(" in (run.products / "0002970201_M1_S001_eregionanalyse.txt").read_text()


def test_failures_of_sas_are_told(run_script, simulated_m1, sas):
    run = run_script("sas", simulated_m1, {}, CIRCLE, PATH=sas, FAIL="1")
    assert run.code == 1
    assert "evselect failed" in run.message
    assert "no CCF" in run.message
    assert "the program sasrun is missing" in run_script("sas", simulated_m1, {}, CIRCLE).message


def test_is_not_offered_without_sas_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("jobs.descriptor.SEARCH_PATH", str(tmp_path))
    registry = Registry([SCRIPTS])
    assert "sas" not in registry.names()
    assert "sasrun" in registry.absent["sas"]
    with pytest.raises(NotFoundError, match="not offered here: it needs sasrun"):
        registry.get("sas")
    (tmp_path / "sasrun").write_text("#!/bin/sh\n")
    (tmp_path / "sasrun").chmod(0o755)
    registry.refresh()
    assert "sas" in registry.names()
    assert registry.get("sas").requires == ("sasrun",)
