"""Tables, transactions, the two walls between clinics, and texts that are encrypted at rest."""
