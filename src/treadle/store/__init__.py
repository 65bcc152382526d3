"""The workspace: results, bundles, runs and registry, ledger."""
