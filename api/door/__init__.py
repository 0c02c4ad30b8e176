"""The clients' door: what somebody sends by an invitation, and reads again by their receipt."""
