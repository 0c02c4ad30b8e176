"""What the database keeps, and how."""
