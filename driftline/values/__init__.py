"""The values of the input topic in other forms than the plain ones: by a mapping, and framed for a Schema Registry."""
