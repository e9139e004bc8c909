from __future__ import annotations

from pathlib import Path

import pytest

from index.errors import ReaderError
from index.reader import load_reader


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "archive_of_test.py").write_text("def read(folder, skipped):\n    yield from ()\nnumber = 3\n")
    (tmp_path / "broken_of_test.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "older_of_test.py").write_text("from json import there_is_no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("package")
def test_a_reader_is_found_by_name(tmp_path: Path) -> None:
    reader = load_reader("archive_of_test:read")
    assert list(reader(tmp_path, print)) == []


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("archive_of_test", "must be like package.module:callable, not 'archive_of_test'"),
        ("", "must be like"),
        (":read", "must be like"),
        ("archive_of_test:", "must be like"),
        ("archive of test:read", "must be like"),
        ("../x:read", "must be like"),
        ("absent_of_test:read", "there is no module 'absent_of_test'"),
        ("broken_of_test:read", "there is no module 'there_is_no_such_module'"),
        ("older_of_test:read", "cannot import name 'there_is_no_such_name'"),
        ("archive_of_test:write", "the module has nothing by the name 'write'"),
        ("archive_of_test:number", "the module has something that cannot be called by the name 'number'"),
    ],
)
def test_a_wrong_name_is_explained(name: str, message: str) -> None:
    with pytest.raises(ReaderError, match=message):
        load_reader(name)
