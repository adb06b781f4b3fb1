"""A product that sends its events through Segment."""
