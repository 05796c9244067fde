"""A simulated API company: its true numbers are known, its sources run here. See README.md."""
