"""The built-in gallery: its server and its drawn pictures."""
