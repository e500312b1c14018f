"""The program: a bridge that answers gift-wrapped requests."""
