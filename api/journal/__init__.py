"""The audit log: entries, what is told of them to other software, and how they are sealed."""
