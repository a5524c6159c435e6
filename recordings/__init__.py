"""Recordings: where their files lie, how two sides become one stereo file, whether they hold the talk."""
