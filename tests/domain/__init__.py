"""The clinical rules, asked directly: facts and an instant in, findings out."""
