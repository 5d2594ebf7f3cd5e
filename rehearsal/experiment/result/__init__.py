"""What a rehearsal came to, as values that the report keeps."""
