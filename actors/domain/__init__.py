"""Pure rules: standard library only, no await, no clock, no logging, no I/O."""
