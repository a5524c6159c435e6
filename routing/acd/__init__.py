"""Distribution itself: inputs in, decisions out. `engine` is the way in; nobody outside steps what is behind it."""
