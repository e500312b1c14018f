"""Nostr, pure: one NIP, one file. No socket, clock, entropy source or SQL; time and randomness are arguments."""
