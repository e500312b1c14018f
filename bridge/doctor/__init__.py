"""What is wrong with a bridge and its surroundings: one module a family of checks."""
