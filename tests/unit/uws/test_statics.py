"""Files of the pages are compressed for whoever takes them so, and asked for again where they may change."""

from __future__ import annotations

import gzip
from pathlib import Path

from starlette.testclient import TestClient

from uws.statics import Statics

TEXT = b"let a = 1;" * 100


def test_a_compressed_copy(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.js").write_bytes(TEXT)
    (tmp_path / "vendor" / "a.js.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "b.js").write_bytes(TEXT)
    client = TestClient(Statics(directory=tmp_path))
    packed = client.get("/vendor/a.js")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"].startswith("text/javascript")
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert packed.content == TEXT
    plain = client.get("/vendor/a.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == TEXT
    ours = client.get("/b.js")
    assert (ours.headers["Cache-Control"], ours.content) == ("no-cache", TEXT)
    again = client.get("/b.js", headers={"If-None-Match": ours.headers["ETag"]})
    assert again.status_code == 304
