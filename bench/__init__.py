"""Measures the API against a plain app of the same stack, written as tutorials do.

`python -m bench` starts PostgreSQL with its disk settings as in production, fills two databases
with fictional clinics, runs each app as a server process of its own, and loads them in turn from
a third process. Everything stays on this machine, and everything started is ended.
"""
