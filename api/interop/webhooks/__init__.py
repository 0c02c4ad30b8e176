"""Events sent to a clinic's own software."""
