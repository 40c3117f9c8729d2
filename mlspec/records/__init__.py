"""The files that stages exchange, one record each: frozen, with a way to read and to write it.

A record has the content of its file. Code that writes or reads the file uses the record; no other code knows its keys.
"""
