"""The suites, one module a gate."""
