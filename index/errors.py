"""What can go wrong in the index; each message says what was given and what is allowed.

::

    CoverageError
    ├── RegionError            the text of a region, or the region itself, cannot be used
    ├── QueryError             what is asked about datasets cannot be asked so
    ├── DatasetIdError         the text is not the id of a dataset
    ├── UnknownDatasetError    there is no dataset with that id
    ├── UnusableDatasetError   a reader yielded a dataset that cannot be indexed
    ├── ReaderError            the name of a reader leads to nothing that can be called
    ├── DamagedIndexError      the files of the index are not as they were written
    ├── LostDatasetsError      to build the index again would lose datasets
    ├── StatementError         the database does not take a statement
    │    └── StatementTimeError  it took longer than it may
    └── DatabaseError          the database cannot be used
"""

from __future__ import annotations


class CoverageError(Exception):
    """The base of all errors of the index."""


class RegionError(CoverageError):
    """The text of a region, or the region itself, cannot be used."""


class QueryError(CoverageError):
    """What is asked about datasets cannot be asked so."""


class DatasetIdError(CoverageError):
    """The text is not the id of a dataset."""


class UnknownDatasetError(CoverageError):
    """There is no dataset with that id."""


class UnusableDatasetError(CoverageError):
    """A reader yielded a dataset that cannot be indexed."""


class ReaderError(CoverageError):
    """The name of a reader leads to nothing that can be called."""


class DamagedIndexError(CoverageError):
    """The files of the index are not as they were written."""


class LostDatasetsError(CoverageError):
    """To build the index again would lose datasets."""


class DatabaseError(CoverageError):
    """The database cannot be used."""


class StatementError(CoverageError):
    """The database does not take a statement."""


class StatementTimeError(StatementError):
    """A statement took longer than it may."""
