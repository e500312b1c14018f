"""A coturn that the bridge starts, watches and ends itself."""
