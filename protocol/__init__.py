"""The contract between clients and a bridge, as data: what is said, refused, counted and reported."""
