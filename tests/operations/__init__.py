"""The process, the command line, and the checkout itself."""
