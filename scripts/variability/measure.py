"""The part of the script ``variability`` that works on one dataset: its measurement, for the others to be added."""

from __future__ import annotations

from scripts.epic import rates, task

if __name__ == "__main__":
    task.run(rates.hand_on)
