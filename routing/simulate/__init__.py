"""A center in virtual time: drawn or recorded customers and agents meet the production ACD, and what came of it."""
