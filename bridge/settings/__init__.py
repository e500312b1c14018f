"""The operator's settings: `relay.toml` as frozen values, read, checked and written."""
