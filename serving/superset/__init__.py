"""Superset on a published edition: its datasets, charts and a dashboard as files, and the bundle that it imports."""
