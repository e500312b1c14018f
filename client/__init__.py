"""The Python client: a link to one relay, and requests to a bridge over it."""
