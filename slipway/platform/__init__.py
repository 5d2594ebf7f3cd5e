"""What every package needs of the operating system and of files, once."""
