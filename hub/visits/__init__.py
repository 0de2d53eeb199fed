"""Enters the visits of another program, through the API as the front desk does."""
