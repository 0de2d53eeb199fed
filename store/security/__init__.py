"""Who sees which rows. Row-level security of the database itself has its place here."""
