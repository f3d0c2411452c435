"""Speed, memory and quality, measured side by side with a peer. Start with `make bench`."""
