"""Dead letters: what died and why, and sending it again so that it lands once.

causes            the rules in a cause
table             the dead table as SQL asks it
listing, showing  what ``dead list`` and ``dead show`` say
json_codec, avro_codec, codec   from a record's bytes to its event and back, and what is wrong
patch             how an event is mended
ledger            which dead record was sent again, and where it is now
log, record_batch, kafka_log    the topic: its double, and Kafka
redrive           the protocol, in its docstring
"""
