"""Boundary Notes: case notes for clinicians who keep the frame of psychotherapy."""

from zoneinfo import ZoneInfo, reset_tzpath

# Before the first zone is made: the system's files may be years old, and differ between servers.
# Which day it is somewhere is told by the pinned package alone.
reset_tzpath(to=())
ZoneInfo.clear_cache()
