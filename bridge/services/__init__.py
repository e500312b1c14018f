"""What the bridge does for its callers: one file a family of methods."""
