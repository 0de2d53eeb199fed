"""What both engines share: the schema, statements, codecs, readers."""
