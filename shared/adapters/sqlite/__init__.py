"""The store and the queue in one SQLite file, for one process that owns it.

    schema       what the file holds, and how older files are brought up to it
    ownership    one process a file
    connections  how a connection is opened
    writer       one thread, one transaction for all that is waiting to be written
    readers      threads that read beside it
    rows         one INSERT for the rows of many callers
    line         one queue as this process sees it: what is in its hand, and what waits in the file
    hand         the former, in memory
    work         the latter, in SQL
    store        all of it together

The other modules are the ports, one each.
"""
