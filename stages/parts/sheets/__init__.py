"""Sheets of pictures for people to look at."""
