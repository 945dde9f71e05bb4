"""What a run does differently for clips and for events, behind one interface."""
