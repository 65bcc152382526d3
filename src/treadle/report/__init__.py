"""One self-contained HTML file from the values of a run."""
