"""Two replicas on one PostgreSQL, and everything that can come between them."""
