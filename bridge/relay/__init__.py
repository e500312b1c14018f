"""Our own relay: a NIP-01 endpoint that keeps gift wraps for their recipients and hands the bridge its own."""
