"""Software that others wrote, under the same load: each in a process of its own."""
