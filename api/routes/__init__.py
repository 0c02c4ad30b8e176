"""One door for each noun: its schemas, its endpoints and its SQL."""
