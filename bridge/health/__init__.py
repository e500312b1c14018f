"""How the bridge is, told to machines and to its operator."""
