"""The way of the data: one pure function a file."""
