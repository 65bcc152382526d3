"""Named steps on columns, one file a step."""
