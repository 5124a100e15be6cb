"""How requests travel: the client and its connections."""
