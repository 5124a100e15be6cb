"""Runs whose system calls fail, one after the other, by strace."""
