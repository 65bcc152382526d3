"""Public contract checks for components."""
