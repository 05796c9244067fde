"""Segments (METRICS.md §6): behavioural clusters named from their centroids, and rule segments."""
