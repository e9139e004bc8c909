"""The kit for whoever writes scripts: what is made works, and what is wrong is found and said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.checkup import unhelpful
from jobs.descriptor import load
from tests.conftest import missing
from uws.cli import main


@pytest.fixture(scope="session")
def simulated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the sample is made once."""
    home = tmp_path_factory.mktemp("kit")
    subprocess.run([sys.executable, "-m", "scripts.epic.simulate", home / "simulated"], check=True, capture_output=True)
    return home


def amora(*words: object, home: Path, scripts: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AMORA_HOME": str(home), "AMORA_SCRIPTS": str(scripts)}
    command = [sys.executable, "-c", "from uws.cli import main; main()", *map(str, words)]
    return subprocess.run(
        command, env=environment, cwd=scripts.parent, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize(
    ("language", "scope", "program"), [("python", "job", "python"), ("shell", "dataset", "sh"), ("r", "job", "Rscript")]
)
def test_a_new_script_passes_its_own_check(
    language: str, scope: str, program: str, simulated_home: Path, tmp_path: Path
) -> None:
    if language != "python" and shutil.which(program) is None:
        missing(f"the program {program}")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    made = amora(
        "scripts", "new", "mine", "--language", language, "--scope", scope, home=simulated_home, scripts=scripts
    )
    assert made.returncode == 0, made.stderr
    script = load(scripts / "mine")
    assert script.scope == scope
    assert "SCRIPT_" not in "".join(path.read_text() for path in script.folder.iterdir())
    done = amora("scripts", "check", "mine", home=simulated_home, scripts=scripts)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same bytes" in done.stdout
    if language != "shell":  # that one reads no further than the first header
        assert "note" not in done.stdout, done.stdout
    assert [path.name for path in simulated_home.iterdir()] == ["simulated"]


DESCRIPTOR = """
title = "Bad"
summary = "Does everything wrong"
version = "1"
command = ["sh", "bad.sh"]
[accepts]
files = ["events"]
camera = ["M1"]
[[parameters]]
name = "HIDDEN"
type = "real"
minimum = 0.0
maximum = 5.0
description = "Nobody reads of it."
[[products]]
name = "{dataset}.fits"
content_type = "application/fits"
description = "No FITS at all."
[[products]]
name = "{dataset}.vot"
content_type = "application/x-votable+xml"
description = "No VOTable."
required = false
"""

PROGRAM = r"""
name=$(sed -n 's/^ *"dataset_slug": "\(.*\)",$/\1/p' task.json)
path=$(sed -n 's/^ *"path": "\(.*\)",$/\1/p' task.json)
case $path in
*cut_file*) echo "  File \"bad.py\", line 3, in main" >&2; exit 1 ;;
*noisy*) echo "IndexError: list index out of range" >&2; exit 1 ;;
*void*) exit 3 ;;
esac
if grep -q '"HIDDEN": 0.0' task.json; then
  echo "Traceback (most recent call last):" >&2
  echo "HIDDEN: the value 0 is not what this script can work with." >&2
  exit 1
fi
date +%s%N > products/$name.fits
echo "<VOTABLE/" > products/$name.vot
echo x > products/${name}_other.png
echo used >> OWN_FOLDER/notes.txt
"""


def test_each_fault_is_found(simulated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMORA_SANDBOX", "off")  # in one, nothing can write into the script's own folder
    folder = tmp_path / "scripts" / "bad"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(DESCRIPTOR)
    (folder / "README.md").write_text("# Bad\n\nShort.")
    (folder / "bad.sh").write_text(PROGRAM.replace("OWN_FOLDER", str(folder)))
    done = amora("scripts", "check", "bad", home=simulated_home, scripts=folder.parent)
    assert done.returncode == 1
    for fault in (
        "descriptor: summary: end it with a full stop",
        "descriptor: parameter HIDDEN: without a default",
        "README.md: HIDDEN is not mentioned",
        "README.md: {dataset}.vot is not mentioned",
        "README.md: has fewer than 40 words",
        "9999000101_M1_S001.fits: is declared as application/fits, but",
        "9999000101_M1_S001.vot: is declared as application/x-votable+xml, but",
        "9999000101_M1_S001_other.png: is not declared in script.toml",
        "9999000101_M1_S001_other.png: is declared as image/png, but",
        "software.json: tells of no library",
        "repetition: the same task has made other bytes in 9999000101_M1_S001.fits",
        "smallest values: the log has a traceback",
        "cut file: the user is told",
        "noisy file: the user is told 'IndexError: list index out of range': it speaks of the program",
        "void file: the user is told 'The script ended with exit code 3 and said nothing",
        "folder: the script has written into its own folder",
    ):
        assert fault in done.stdout, f"{fault}\n{done.stdout}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "Bad Name"], "'Bad Name' cannot be a script's name"),
        (["new", "bad"], "is there already"),
        (["run", "nosuch"], "There is no script nosuch; on offer: bad, "),
        (["run", "probe", "-p", "SECONDS"], "-p SECONDS: NAME=VALUE is wanted"),
        (["run", "probe", "-p", "TABLE=@nosuch"], "-p TABLE=@nosuch: there is no file nosuch"),
        (["run", "probe", "-p", "SECONDS=x"], "Parameter SECONDS: 'x'"),
        (["run", "image", "-p", "EMIM=1"], "-p EMIM: image has no such parameter; it has EMIN, EMAX, "),
        (["run", "image", "--pos", "CIRCLE 1 2 3"], "the index is empty: name observations with --data FOLDER"),
        (["run", "image", "--data", "scripts"], "no dataset was found in scripts"),
        (["run", "image", "--sample", "--pos", "CIRCEL 1 2 3"], "CIRCEL"),
        (
            ["run", "image", "--sample", "--dataset", "1/M1/S001", "--pos", "CIRCLE 150 2 1"],
            "there is no dataset 1/M1/S001; there are 6, such as 9999000101/M1/S001, ",
        ),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str],
    says: str,
    simulated_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "scripts" / "bad"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(DESCRIPTOR)
    (folder / "README.md").write_text("# Bad")
    # in this process: each is found before a script is started, and starting Python would take most of the time
    monkeypatch.setenv("AMORA_HOME", str(simulated_home))
    monkeypatch.setenv("AMORA_SCRIPTS", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["amora", "scripts", *words])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert says in said, said
    assert left.value.code == 2
    assert len(said.splitlines()) == 1, said


def test_run_gives_products_log_and_exit_code(simulated_home: Path, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    table = tmp_path / "table.txt"
    table.write_text("12345")
    words = ("scripts", "run", "probe", "-p", f"TABLE=@{table}", "-p", "SIZE=7", "--out", "out", "--keep")
    done = amora(*words, home=simulated_home, scripts=scripts)
    assert done.returncode == 0, done.stderr
    assert "[1] task 1: wrote 7 bytes" in done.stderr
    assert (tmp_path / "out" / "probe_1.bin").stat().st_size == 7
    assert "<TD>5</TD>" in (tmp_path / "out" / "probe_1.vot").read_text()
    kept = Path(done.stdout.rpartition("working folder: ")[2].strip())
    assert (kept / "task.json").is_file()
    shutil.rmtree(simulated_home / "trials")
    failed = amora("scripts", "run", "probe", "-p", "FAIL=no luck today", home=simulated_home, scripts=scripts)
    assert failed.returncode == 1
    assert "task 1: no luck today" in failed.stderr


@pytest.mark.parametrize(
    ("message", "fine"),
    [
        ("The region lies outside the field of P1.FTZ.", True),
        ("Parameter EMIN: 500 keV was given; it is in keV, not eV.", True),
        ("KeyError: 'EVENTS'", False),
        ("error", False),
        ("Execution halted", False),
        ("astropy.io.fits.VerifyError: bad", False),
        ("The script ended with exit code 1 and said nothing on standard error.", False),
    ],
)
def test_what_helps_a_user(message: str, fine: bool) -> None:
    assert (unhelpful(message) is None) is fine
