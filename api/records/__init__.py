"""Rows as they are made and shown: clinical records, notices, and the secrets of sign-in."""
