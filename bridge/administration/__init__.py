"""What an operator can ask of a bridge, running or not."""
