"""One router per noun; every route names the permission it needs."""
