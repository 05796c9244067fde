"""Quality gates: Great Expectations suites at the three borders of the warehouse (raw in, gold out, scores out)."""
