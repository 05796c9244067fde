"""Forecasts of MRR, paying customers, calls and compute units: six months, with intervals (METRICS.md §6)."""
