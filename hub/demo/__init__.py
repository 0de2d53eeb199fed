"""The demo clinic: its people, its appointments, its folder."""
