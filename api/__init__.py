"""The driving edge: REST, realtime protocols and pages, on top of the services."""
