"""Clinical records as they are made and shown."""
