"""Pages for people: what the API tells and takes, for whoever has no software to ask it with."""
