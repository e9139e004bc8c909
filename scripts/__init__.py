"""The science: one folder per script; ``scripts.epic`` is the library that the EPIC scripts share."""
