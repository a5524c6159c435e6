"""The outside of the call center: HTTP under /v1, the live feed, and the `callcenter` command."""
