"""The forms in which people write regions, one parser a module; ``index.region`` tells them apart."""
