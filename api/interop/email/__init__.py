"""E-mails to the people of a clinic: that something waits for them, and never what."""
