"""Stripe: lists first, then events; see README.md beside this file."""
