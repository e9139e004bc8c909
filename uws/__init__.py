"""Everything a client sees: UWS, DALI, VOSI, JSON, web pages and the command line."""
