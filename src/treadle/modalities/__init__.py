"""What a column is, one file a kind."""
