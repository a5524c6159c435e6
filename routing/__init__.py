"""The ACD: which contact is given to which agent, as pure functions of state, input and instant."""
