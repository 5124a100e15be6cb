"""The real program in a simulated world: one seed draws what happens in it, and the same seed draws it again."""
