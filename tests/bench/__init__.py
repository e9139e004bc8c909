"""The figures of the project, each measured together with its floor or its peer: ``make bench``, or a part of it."""
