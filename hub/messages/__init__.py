"""Messages to patients: what they say, and how they are sent."""
