"""Everything durable: accounts, permits, inbox, answers, outbox, gift wraps."""
