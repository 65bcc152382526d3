"""Transports of messages, one file each."""
