"""What the operator does at the command line, one room for each kind of work."""
