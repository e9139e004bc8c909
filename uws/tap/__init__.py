"""TAP 1.1: ADQL over the published tables.

``published`` says what may be asked about, ``adql`` reads a query and refuses what is not allowed, ``geometry`` answers
its predicates on the sky, ``translate`` writes it in the language of the database, ``run`` runs it.
"""
