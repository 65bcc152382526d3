"""Plan and run the stages."""
