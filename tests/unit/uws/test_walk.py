"""The walk of docs/scripts.md, from nothing to a checked script, as it is written there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

WALK = Path(__file__).resolve().parents[3] / "docs" / "scripts.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:# |<!-- )(scripts/\S+)(?: -->)?\n")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the walk as the reader's shell does who has Amora on the path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AMORA_HOME": str(folder / "home")}
    script = f"export AMORA_SCRIPTS=$PWD/scripts; {command}"
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.timeout(300)
def test_the_walk_leads_to_a_script_on_offer(tmp_path: Path) -> None:
    commands = 0
    for language, text in BLOCK.findall(WALK.read_text(encoding="utf-8")):
        if language == "console":
            for line in text.splitlines():
                assert line.startswith("$ "), line
                done = run(line[2:], tmp_path)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                commands += 1
        else:
            name = NAMED.match(text)
            assert name, text
            (tmp_path / name[1]).write_text(text[name.end() :] if language == "markdown" else text)
    assert commands >= 9
    assert "mean_energy" in done.stdout
    assert sorted(path.name for path in (tmp_path / "third").iterdir())[0] == "9999000101_M1_S001_energy.vot"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["simulated"]  # nothing else was left behind
