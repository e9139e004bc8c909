"""The import arrows of the house point down only: uws -> jobs -> index, and scripts stands alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("uws", "jobs", "index", "scripts")
MAY_IMPORT = {
    "uws": {"uws", "jobs", "index"},
    "jobs": {"jobs", "index"},
    "index": {"index"},
    "scripts": {"scripts"},
}
STORES = {"uws": "uws/store.py", "jobs": "jobs/store/", "index": "index/store.py"}
"""The one file or folder of each package with statements in it."""
SQL_VERBS = {"select", "insert", "update", "delete", "text"}


def _modules(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def _imports(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield each imported module and the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, set()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that the arrows can be seen"
            yield node.module or "", {alias.name for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    modules = list(_modules(package))
    assert modules
    for path in modules:
        for module, _ in _imports(path):
            top = module.partition(".")[0]
            assert top not in PACKAGES or top in MAY_IMPORT[package], f"{path} imports {module}"


@pytest.mark.parametrize("package", ["uws", "jobs", "index"])
def test_one_place_holds_the_sql(package: str) -> None:
    with_sql = {
        path.relative_to(ROOT).as_posix()
        for path in _modules(package)
        for module, names in _imports(path)
        if module.startswith("sqlalchemy") and names & SQL_VERBS
    }
    assert with_sql
    assert all(path.startswith(STORES[package]) for path in with_sql)


def test_above_the_store_nobody_knows_sql() -> None:
    for package in ("uws", "scripts"):
        for path in _modules(package):
            if path in (ROOT / "uws" / "store.py", ROOT / "uws" / "tables.py"):
                continue
            for module, _ in _imports(path):
                assert not module.startswith(("sqlalchemy", "alembic")), f"{path} imports {module}"


@pytest.mark.parametrize("package", ["uws", "jobs", "index"])
def test_only_scripts_know_xmm(package: str) -> None:
    """Another archive brings its own observations and scripts; the command line's demonstration alone names XMM."""
    for path in _modules(package):
        if path.name == "demo.py":
            continue
        code = path.read_text(encoding="utf-8")
        for word in ("EMOS", "MIEVLI", "PIEVLI", "XMMEA"):
            assert word not in code, f"{path} speaks of {word}"
