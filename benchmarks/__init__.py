"""What things cost: each benchmark makes its own data, measures and prints; none is a test."""
