"""Boundary Notes: case notes for clinicians who keep the frame of psychotherapy."""
