"""The product's database: tables as streams; see README.md beside this file."""
