"""The IVR: flows as data, checked before they run, stepped by a pure interpreter that strands nobody."""
