"""Networks that paint in one pass, trained once: one paper a file."""
