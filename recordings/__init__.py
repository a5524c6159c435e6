"""Recordings: where their files lie (naming) and how two sides become one stereo file (stereo)."""
