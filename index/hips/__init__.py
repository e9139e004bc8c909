"""Maps of the sky as HiPS: tiles of images by HEALPix cell, which Aladin and others zoom into (IVOA HiPS 1.0).

:mod:`tiles` says how pixels lie in a tile, :mod:`layers` what a map shows, :mod:`build` how a map is made.
"""
