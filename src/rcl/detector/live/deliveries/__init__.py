"""Messages of the journal on their way to others."""
