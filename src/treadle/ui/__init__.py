"""The loop in a browser."""
