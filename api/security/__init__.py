"""What guards, without a database or a network: keys, tokens, codes, and how texts are spelled."""
