"""The stores on Azure Cosmos DB, by the official client over HTTPS.

    containers   what the containers are: partition keys, indexes, times to live, in data
    account      the one client of a process, opened by the first operation
    container    one container: every operation bounded in time, every failure one of ours
    records      documents of the catalogue, written so that what is sent twice is done once
    named        what applications and endpoints have in common: ids, uids, edits
    documents    between messages and attempts, and documents
    lists        pages of an application, which is divided into shards
    together     what is written at the same time, as one batch
    standings    how an attempt is recorded, and how its message stands at the endpoint then
    unqueued     work that was recorded and perhaps never queued

The other modules are the ports, one each.
"""
