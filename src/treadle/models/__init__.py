"""What learns, one file a model."""
