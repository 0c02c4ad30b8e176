"""The clients' door, over HTTP."""
