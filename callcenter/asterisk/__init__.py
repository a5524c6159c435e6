"""Asterisk spoken to.

Three layers: Asterisk's words (generate → events, decode, ari, link, ami, ami_wire, faults), the translation
(translate in, requests out), and what our side adds (leases, phones, telephony).
"""
