"""What people touch: published editions, SQL access, alerts."""
