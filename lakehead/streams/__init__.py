"""The Kafka client side: topics and offsets, sample events, and the manifest of what was sent."""
