"""Opening and sealing in processes of their own, so that more than one core works for one bridge."""
