"""What the document promises, and what every operation has in common."""
