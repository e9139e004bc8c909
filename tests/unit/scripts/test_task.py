from __future__ import annotations

import pytest

from scripts.epic import task
from scripts.epic.errors import ScienceError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "The task description task.json cannot be read"),
        ('{"datasets": []}', "exactly one dataset, the task names 0"),
        ('{"datasets": [{"id": "a/b/c"}], "dataset_slug": "a_b_c"}', "The dataset a/b/c has no event list"),
    ],
)
def test_a_wrong_task_is_a_sentence(tmp_path, monkeypatch, capsys, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.json").write_text(content)
    with pytest.raises(SystemExit) as ended:
        task.run(lambda job: str(job.events))
    assert ended.value.code == 1
    assert message in capsys.readouterr().err


def test_a_defect_ends_with_a_sentence_after_its_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.json").write_text('{"datasets": [{}], "dataset_slug": "x"}')

    def main(_job: task.Task) -> None:
        raise RuntimeError("line one\nline two")

    with pytest.raises(SystemExit):
        task.run(main)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "The script failed on something unforeseen, see the log (RuntimeError: line one line two)."


def test_null_counts_as_not_given():
    parameters = task.Parameters({"A": None, "B": 2.5, "C": True})
    assert parameters.real("A", 7.0) == 7.0
    assert parameters.real_or_none("A") is None
    assert parameters.text("A", "none") == "none"
    assert parameters.real("B", 0.0) == 2.5
    with pytest.raises(ScienceError, match="The parameter C must be a number, not True"):
        parameters.real("C", 0.0)
