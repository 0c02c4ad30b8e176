"""Who asks, how they stand to a case, and which rows they see."""
