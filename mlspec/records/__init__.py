"""The files that stages exchange, one record each: frozen, with a way to read and to write it.

A record is what the file holds. Whoever writes or reads the file imports the record; nobody else knows its keys.
"""
