"""TURN credentials: what a provider hands out and how it is told to a client."""
