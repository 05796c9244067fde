"""Connectors: a folder a source, each started as ``python -m ingestion.sources.<name>``."""
