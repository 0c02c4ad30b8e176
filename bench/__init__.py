"""Measures the API against apps of the same stack that do less, and against itself as it grows.

`python -m bench` starts PostgreSQL with its disk settings as in production, fills a database for
each size with fictional clinics, runs each app as a server of its own, and loads them in turn from
yet another process. Everything stays on this machine, and everything started is ended.
"""
