"""Types, contracts, errors and find-by-name. Light: nothing heavy is imported here."""
