"""Writing so that nothing half-written is ever seen, and naming contents by checksum."""
