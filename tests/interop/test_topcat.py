"""A real TOPCAT on a screen that nobody sees: its windows are used as a person would use them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits

from tests.conftest import missing
from tests.interop.test_recipes import data, display, expected, here
from tests.service import Service

__all__ = ["data", "display", "here"]

DRIVER = Path(__file__).with_name("desktop") / "Topcat.java"
JAR = Path("/usr/share/java/starlink-topcat.jar")


def test_a_cone_search_leads_to_the_links_and_a_script_to_its_product(
    here: Service, data: Path, tmp_path: Path, display: str
) -> None:
    if not JAR.exists() or shutil.which("javac") is None:
        missing("TOPCAT or a Java compiler")
    pictures = Path(os.environ.get("DESKTOP_PICTURES", tmp_path))
    command = ["java", f"-Duser.home={tmp_path}", "-cp", str(JAR), str(DRIVER), str(here.base_url), str(pictures)]
    environment = {**here.environment, "DISPLAY": display, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("search ", "product ")))
    assert int(rows["search"]) == len(here.http.get("/observations?CIRCLE=150.236+2.268+0.02").json()["observations"])
    address = here.http.get("/scs?RA=150.236&DEC=2.268&SR=0.02&RESPONSEFORMAT=csv").text.splitlines()[1].split(",")[0]
    product = here.http.get(f"/scripts/events/sync?ID={address}&CIRCLE=150.236+2.268+0.02", follow_redirects=True)
    path = tmp_path / "events.fits"
    path.write_bytes(product.content)
    assert int(rows["product"]) == len(fits.getdata(path, "EVENTS")) > 100
    if address == "9999000101/M1/S001":
        assert int(rows["product"]) == pytest.approx(expected(data), abs=2)
