"""How good it is, one file a metric."""
