"""The generic readers, for any archive: ObsCore tables and ready MOCs."""
