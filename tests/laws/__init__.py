"""What holds whatever is done, tried on thousands of made-up worlds."""
