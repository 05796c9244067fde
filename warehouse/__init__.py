"""What every stage shares: settings, clock, locks, the one door to DuckDB, the stages, the command line."""
