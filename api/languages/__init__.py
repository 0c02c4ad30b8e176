"""What is told in other languages than English, and which of them somebody reads."""
