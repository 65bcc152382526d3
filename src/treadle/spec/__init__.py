"""The declarative file: read, complete, check, write back."""
