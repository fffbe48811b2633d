"""The stack: Kafka, Flink and the job controller as supervised processes of this machine."""
