"""What exists for whom: of each kind of row the rule for one in Python, beside the rule in SQL."""
