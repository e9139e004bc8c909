"""The fault run: everything is killed at random under load, and nothing may be lost, doubled, stuck or left."""
