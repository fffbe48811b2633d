"""Answers up to the last event: the lake, and behind it what Kafka has and the lake has not.

topic     a topic, from where the lake ends: Kafka's
tail      its records, judged as the job judges them, kept as long as they are needed
tails     the tails of all streams that are asked for
warm      a thread that keeps these decoded
reach     how far a snapshot reaches: offsets by partition
fence     from which offset on the topic is read, so that each record is there once
streams   which stream a table is of
rows      landing tables and dead tables, with the tail
marts     marts, with the answers that are not closed yet
live      all of this behind one query
certificate   what an answer was made of, and what is recorded about that
"""
