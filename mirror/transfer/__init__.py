"""Taking the mirror's data out, to analysts' files or to another Redis, and bringing it in again."""
