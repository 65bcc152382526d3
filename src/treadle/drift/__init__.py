"""What compares profiles, one file a detector."""
