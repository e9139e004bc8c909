"""Which datasets cover a region: regions, footprints, the MOC index and the datasets' metadata."""
