"""What the operator decided (the site) and where this process runs (the settings), each loaded whole."""
