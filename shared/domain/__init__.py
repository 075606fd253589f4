"""Pure values and decisions: no clock, no dice, no await, no input or output."""
